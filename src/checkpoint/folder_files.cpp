// Places and small files.
#include "checkpoint/folder_files.h"

#include <system_error>

#include "base/error.h"
#include "base/file.h"

namespace prunenet {
namespace fs = std::filesystem;

void require_apart(const Checkpoint& checkpoint, const fs::path& out) {
  const fs::path source = resolved_path(checkpoint.folder());
  std::error_code absent;
  if (checkpoint.gguf() != nullptr && (out == source || fs::equivalent(out, source, absent)))
    fail(ErrorCode::kBadOption, out.string(), "the output is the model itself");
  if (is_within(out, source)) fail(ErrorCode::kBadOption, out.string(), "the output lies in the model's own folder");
  if (is_within(source, out))
    fail(ErrorCode::kBadOption, out.string(), "the output would replace a folder that holds the model");
}

uint64_t size_bytes(const Checkpoint::SideFiles& side) {
  uint64_t total = 0;
  for (const auto& file : side.copied) total += fs::file_size(file.source);
  return total;
}

void copy_side_files(const Checkpoint::SideFiles& side, const fs::path& folder) {
  for (const auto& file : side.copied) {
    const MappedFile source(file.source);
    FileWriter copy(folder / file.name);
    copy.append(source.bytes());
    copy.close();
  }
}

void write_new_file(const fs::path& path, std::string_view text) {
  FileWriter writer(path);
  writer.append(text);
  writer.close();
}

}  // namespace prunenet
