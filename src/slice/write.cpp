// Writing a cut into a folder or a GGUF file, whole or not at all.
#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/output_file.h"
#include "base/output_folder.h"
#include "checkpoint/folder_files.h"
#include "checkpoint/gguf_writer.h"
#include "slice/cut_writer.h"
#include "slice/slice.h"

namespace prunenet {
namespace fs = std::filesystem;
namespace {

// Checking and gathering take about twice as long as the kernel's part, which one thread at a time can do.
constexpr unsigned kMaxThreads = 4;

int useful_threads() {
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, kMaxThreads));
}

void write_tensors(const Checkpoint& checkpoint, const SlicePlan& plan, TensorSink& sink, Progress& progress) {
  progress.begin("writing", static_cast<double>(sink.total_bytes()));
  CutWriter(checkpoint, plan, sink, progress).run(useful_threads());
  sink.finish();
  progress.end();
}

uint64_t write_folder(const Checkpoint& checkpoint, const SlicePlan& plan, const fs::path& target,
                      const SliceOptions& options, Progress& progress) {
  OutputFolder folder(target, options.overwrite);
  const Checkpoint::SideFiles side = checkpoint.side_files();
  CheckpointWriter writer(folder.staging(), plan.tensors, checkpoint.metadata(), options.max_shard_bytes);
  folder.require_space(writer.total_bytes() + size_bytes(side));
  write_tensors(checkpoint, plan, writer, progress);

  write_new_file(folder.staging() / "config.json", plan.config_text);
  copy_side_files(side, folder.staging());
  for (const auto& [name, text] : plan.extra_files) write_new_file(folder.staging() / name, text);
  for (const auto& [name, text] : options.extra_files) write_new_file(folder.staging() / name, text);
  folder.commit();
  return writer.total_bytes();
}

uint64_t write_gguf(const Checkpoint& checkpoint, const SlicePlan& plan, const fs::path& target,
                    const SliceOptions& options, Progress& progress) {
  GgufMetadata metadata = plan.metadata;
  for (const auto& [key, value] : plan.metadata.items()) {
    if (key.starts_with("prunenet.")) metadata.erase(key);  // of an earlier cut
  }
  for (const auto& [name, text] : options.extra_files) metadata.set(metadata_key(name), GgufValue::of_text(text));
  OutputFile file(target, options.overwrite, is_gguf_file);
  GgufWriter writer(file.staging(), metadata, plan.tensors);
  file.require_space(writer.total_bytes());
  write_tensors(checkpoint, plan, writer, progress);
  file.commit();
  return writer.total_bytes();
}

}  // namespace

std::string metadata_key(const std::string& file_name) {
  const std::string stem = fs::path(file_name).stem().string();
  return stem == "prunenet" ? file_name : "prunenet." + stem;
}

void require_output_possible(const Checkpoint& checkpoint, const fs::path& target, bool overwrite) {
  const fs::path out = resolved_path(target);
  require_apart(checkpoint, out);
  if (checkpoint.gguf() != nullptr) {
    const OutputFile trial(out, overwrite, is_gguf_file);
  } else {
    const OutputFolder trial(out, overwrite);
  }
}

uint64_t write_slice(const Checkpoint& checkpoint, const SlicePlan& plan, const fs::path& target,
                     const SliceOptions& options, Progress& progress) {
  require_output_possible(checkpoint, target, options.overwrite);
  const auto write = checkpoint.gguf() != nullptr ? write_gguf : write_folder;
  return write(checkpoint, plan, target, options, progress);
}

}  // namespace prunenet
