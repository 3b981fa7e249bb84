// Sizes of files that are not there yet.
#include "cli/plan_output.h"

#include <filesystem>
#include <string>

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

int64_t gguf_tensor_bytes(const PlannedCut& cut, std::optional<Dtype> type) {
  uint64_t bytes = 0;
  for (const TensorSpec& tensor : cut.tensors) {
    Dtype dtype = Dtype::kF32;
    if (tensor.shape.size() == 2) {
      dtype = type.value_or(tensor.dtype == Dtype::kF64 ? Dtype::kF32 : tensor.dtype);
      if (tensor.shape[1] % dtype_block_elements(dtype) != 0) dtype = Dtype::kF16;
    }
    bytes += dtype_bytes(dtype, static_cast<uint64_t>(tensor.num_elements()));
  }
  return static_cast<int64_t>(bytes);
}

double gguf_bytes(const OpenModel& open, const PlannedCut& cut, const ToGgufOptions& options) {
  const GgufPlan plan = plan_gguf(open.checkpoint, open.model, options);
  const std::string header = format_gguf_header(plan.metadata, specs_of(plan.tensors), open.name());
  return file_disk_bytes(static_cast<double>(header.size()) + artefact_bytes(open, cut, true) +
                         static_cast<double>(gguf_tensor_bytes(cut, options.type)));
}

}  // namespace prunenet::cli
