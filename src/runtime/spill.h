// Tensors that wait on the disk: the residual stream before every layer is larger than a machine's memory.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>

#include "base/scratch_file.h"

namespace prunenet {

/// Where scratch files of an engine go: `asked`, or where that is empty TMPDIR, /var/tmp (which is on a disk where /tmp
/// may be memory), or the current folder, the first that is there.
std::filesystem::path scratch_folder(const std::filesystem::path& asked);

/// Keeps f32 tensors of a device as long as it lives: where they are, or in a nameless file.
class TensorSpill {
 public:
  /// `bytes`: of all tensors to come, together. Beyond kMostBytesInMemory they go to the file.
  TensorSpill(int64_t bytes, at::Device device, const std::filesystem::path& folder);

  /// Something that `of` finds the same numbers by; in the file, they are read-only and their pages may leave memory.
  /// Throws kNoSpace, kIo.
  at::Tensor keep(const at::Tensor& tensor);
  /// The numbers on the device: a copy of its own where it is not the CPU and they wait in the file.
  at::Tensor of(const at::Tensor& kept) const { return kept.to(device_); }
  bool on_disk() const { return on_disk_; }

  static constexpr int64_t kMostBytesInMemory = int64_t{1} << 29;

 private:
  bool on_disk_;
  at::Device device_;
  ScratchFile file_;
};

}  // namespace prunenet
