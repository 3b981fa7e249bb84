// Sizes of files that are not there yet.
#include "cli/plan_output.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/dtype.h"
#include "checkpoint/gguf_writer.h"
#include "cost/disk.h"

namespace prunenet::cli {
namespace {

double tensor_bytes(const PlannedCut& cut) {
  return static_cast<double>(cut.change.after.bytes);
}

}  // namespace

double artefact_bytes(const OpenModel& open, const PlannedCut& cut, bool is_self) {
  constexpr double kHead = 1200, kLayer = 110, kLayerOfSelf = 700;  // what is measured at its two sites, too
  double bytes = kHead + static_cast<double>(cut.widths.size()) * (is_self ? kLayerOfSelf : kLayer);
  for (size_t l = 0; l < cut.widths.size(); ++l) {
    const size_t digits = std::to_string(open.model.layers[l].ffn.neurons.width).size();
    bytes += static_cast<double>(cut.widths[l]) * static_cast<double>(digits + 1);
  }
  return bytes;
}

double written_bytes(const OpenModel& open, const PlannedCut& cut, bool is_self) {
  const double artefact = artefact_bytes(open, cut, is_self);
  const std::vector<TensorSpec> tensors = open.tensors();
  if (const GgufFile* gguf = open.checkpoint.gguf()) {
    const std::string header = format_gguf_header(gguf->metadata(), tensors, open.name());
    return file_disk_bytes(static_cast<double>(header.size()) + artefact + tensor_bytes(cut));
  }
  constexpr double kHeaderOfTensor = 128;
  double bytes = kDiskBlock + file_disk_bytes(artefact);  // the folder itself
  bytes += file_disk_bytes(tensor_bytes(cut) + kHeaderOfTensor * static_cast<double>(tensors.size()));
  bytes += file_disk_bytes(static_cast<double>(open.checkpoint.config_text().size()));
  for (const Checkpoint::SideFile& file : open.checkpoint.side_files().copied) {
    std::error_code error;
    const auto size = std::filesystem::file_size(file.source, error);
    if (!error) bytes += file_disk_bytes(static_cast<double>(size));
  }
  return bytes;
}

int64_t gguf_tensor_bytes(const OpenModel& open, std::span<const TensorSpec> cut, const GgufPlan& whole,
                          std::optional<Dtype> asked) {
  std::map<std::string_view, const TensorSpec*> left;
  for (const TensorSpec& tensor : cut) left[tensor.name] = &tensor;
  uint64_t bytes = 0;
  for (const ConvertedTensor& tensor : whole.tensors) {
    if (!tensor.values.empty()) {
      bytes += tensor.spec.size_bytes();
      continue;
    }
    const auto found = left.find(tensor.source.tensor);
    if (found == left.end()) continue;  // its layer goes
    const TensorSpec& source = open.checkpoint.at(tensor.source.tensor).stored.spec;
    const TensorSpec& stays = *found->second;
    // A share of a stack, or all of a tensor, but for rows that the file does not have: in the same proportion.
    const double share = static_cast<double>(stays.num_elements()) / static_cast<double>(source.num_elements());
    const auto elements = std::llround(share * static_cast<double>(tensor.spec.num_elements()));
    Dtype dtype = tensor.spec.dtype;
    if (tensor.spec.shape.size() == 2) {
      const Dtype wanted = asked.value_or(source.dtype == Dtype::kF64 ? Dtype::kF32 : source.dtype);
      const auto in_blocks = [&](int64_t cols) {
        return cols % dtype_block_elements(wanted) == 0 ? wanted : Dtype::kF16;
      };
      const size_t along = tensor.source.transposed ? 0 : 1;
      // Learned positions are F32 whatever is asked for.
      if (dtype == in_blocks(tensor.spec.shape[1])) dtype = in_blocks(stays.shape.at(along));
    }
    bytes += dtype_bytes(dtype, static_cast<uint64_t>(elements));
  }
  return static_cast<int64_t>(bytes);
}

GgufSize gguf_size(const OpenModel& open, const PlannedCut& cut, const ToGgufOptions& options) {
  const GgufPlan plan = plan_gguf(open.checkpoint, open.model, options);
  const std::string header = format_gguf_header(plan.metadata, specs_of(plan.tensors), open.name());
  GgufSize size;
  if (cut.tensors.empty()) {  // --ratio-total has not found its mix yet: all tensors in proportion
    const double share = tensor_bytes(cut) / static_cast<double>(cut.change.before.bytes);
    const auto whole = static_cast<double>(gguf_tensor_bytes(open, open.tensors(), plan, options.type));
    size.tensor_bytes = std::llround(share * whole);
  } else {
    size.tensor_bytes = gguf_tensor_bytes(open, cut.tensors, plan, options.type);
  }
  size.file_bytes = file_disk_bytes(static_cast<double>(header.size()) + artefact_bytes(open, cut, true) +
                                    static_cast<double>(size.tensor_bytes));
  return size;
}

double sharding_bytes(const PlannedCut& cut, uint64_t max_shard_bytes) {
  constexpr double kIndexLine = 100;  // a name, and its file's
  uint64_t shards = 0, filled = max_shard_bytes;
  for (const TensorSpec& tensor : cut.tensors) {
    if (tensor.size_bytes() > max_shard_bytes - std::min(filled, max_shard_bytes)) {
      ++shards;
      filled = 0;
    }
    filled += tensor.size_bytes();
  }
  if (shards < 2) return 0;
  return static_cast<double>(shards - 1) * kDiskBlock +
         file_disk_bytes(kIndexLine * static_cast<double>(cut.tensors.size()));
}

}  // namespace prunenet::cli
