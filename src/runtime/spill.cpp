// Keeping tensors in a scratch file.
#include "runtime/spill.h"

#include <cstdlib>
#include <system_error>

#include "runtime/site.h"

namespace prunenet {

std::filesystem::path scratch_folder(const std::filesystem::path& asked) {
  if (!asked.empty()) return asked;
  const char* said = std::getenv("TMPDIR");
  std::error_code error;
  for (const char* folder : {said != nullptr ? said : "", "/var/tmp"}) {
    if (*folder != '\0' && std::filesystem::is_directory(folder, error)) return folder;
  }
  return ".";
}

TensorSpill::TensorSpill(int64_t bytes, at::Device device, const std::filesystem::path& folder)
    : on_disk_(bytes > kMostBytesInMemory), device_(device), file_(scratch_folder(folder)) {}

at::Tensor TensorSpill::keep(const at::Tensor& tensor) {
  if (!on_disk_) return tensor;
  const at::Tensor plain = tensor.cpu().contiguous();
  const std::span<const std::byte> bytes = file_.put(std::as_bytes(numbers_of(plain)));
  // torch has no read-only tensors; nothing writes to this one, and the mapping would refuse it.
  return at::from_blob(const_cast<std::byte*>(bytes.data()), plain.sizes(), plain.options());
}

}  // namespace prunenet
