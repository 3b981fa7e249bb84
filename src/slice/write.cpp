// Writing a cut: untouched tensors straight from the mapping, cut ones gathered through a small buffer.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/output_file.h"
#include "base/output_folder.h"
#include "checkpoint/folder_files.h"
#include "checkpoint/gguf_writer.h"
#include "slice/slice.h"
#include "slice/tensor_stream.h"
#include "slice/write_queue.h"

namespace prunenet {
namespace fs = std::filesystem;
namespace {

void require_clean(std::span<const std::byte> bytes, Dtype dtype, bool is_changed, const std::string& where) {
  const Finiteness worst = worst_value(bytes, dtype);
  if (worst == Finiteness::kNan) fail(ErrorCode::kNonFinite, where, "holds NaN");
  if (worst == Finiteness::kInfinity && is_changed) fail(ErrorCode::kNonFinite, where, "holds infinity");
}

// The bytes that are cut, in units: elements, whole blocks where columns of a quantised type go, whole rows.
void gather(std::span<const std::byte> bytes, const TensorCut& cut, const std::vector<int64_t>& shape,
            TensorStream& stream) {
  const auto axis = static_cast<size_t>(cut.axis);
  int64_t outer = 1, inner = 1;
  for (size_t d = 0; d < axis; ++d) outer *= shape[d];
  for (size_t d = axis + 1; d < shape.size(); ++d) inner *= shape[d];
  const int64_t unit = inner == 1 ? dtype_block_elements(cut.dtype) : 1;
  const size_t unit_bytes = dtype_bytes(cut.dtype, static_cast<uint64_t>(unit * inner));
  const int64_t extent = static_cast<int64_t>(bytes.size() / unit_bytes) / outer;
  if (unit == 1) {
    stream.gather(bytes, outer, extent, unit_bytes, cut.kept);
    return;
  }
  std::vector<int64_t> blocks;
  for (size_t i = 0; i < cut.kept.size(); i += static_cast<size_t>(unit))
    blocks.push_back(cut.kept[i] == kZeros ? kZeros : cut.kept[i] / unit);
  stream.gather(bytes, outer, extent, unit_bytes, blocks);
}

void write_tensor(const Checkpoint& checkpoint, const TensorCut& cut, Dtype written, TensorStream& stream) {
  const Checkpoint::Entry& entry = checkpoint.tensors()[cut.source];
  const TensorSpec& spec = entry.stored.spec;
  const bool replaced = !cut.replaced.empty();
  const auto bytes = replaced ? cut.replaced : checkpoint.bytes(entry);
  const std::string where = replaced ? fmt::format("new values of tensor '{}'", spec.name) : checkpoint.where(entry);
  require_clean(bytes, cut.dtype, replaced || !cut.kept.empty(), where);
  if (cut.kept.empty()) {
    stream.copy(bytes);
  } else if (!cut.recoded) {
    gather(bytes, cut, spec.shape, stream);
  } else {
    // New values may have fewer columns than are stored; rows are as many.
    const auto rows = static_cast<uint64_t>(spec.num_elements() / spec.shape.back());
    const uint64_t row_bytes = bytes.size() / rows;
    const auto cols = static_cast<int64_t>(row_bytes / dtype_block_bytes(cut.dtype)) * dtype_block_elements(cut.dtype);
    stream.recode(bytes, cut.dtype, cols, cut.kept, written, where);
  }
  stream.release(checkpoint, entry);
}

void write_tensors(const Checkpoint& checkpoint, const SlicePlan& plan, TensorSink& sink, Progress& progress) {
  progress.begin("writing", static_cast<double>(sink.total_bytes()));
  WriteQueue queue(sink);
  TensorStream stream(queue, progress);
  for (size_t i = 0; i < plan.cuts.size(); ++i) write_tensor(checkpoint, plan.cuts[i], plan.tensors[i].dtype, stream);
  queue.finish();
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
