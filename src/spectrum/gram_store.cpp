// GramStore: memory first, then a nameless file.
#include "spectrum/gram_store.h"

#include <fcntl.h>
#include <unistd.h>

namespace prunenet {
namespace {

bool write_all(int descriptor, const char* data, size_t size, uint64_t offset) {
  while (size > 0) {
    const ssize_t count = ::pwrite(descriptor, data, size, static_cast<off_t>(offset));
    if (count <= 0) return false;
    data += count;
    offset += static_cast<uint64_t>(count);
    size -= static_cast<size_t>(count);
  }
  return true;
}

bool read_all(int descriptor, char* data, size_t size, uint64_t offset) {
  while (size > 0) {
    const ssize_t count = ::pread(descriptor, data, size, static_cast<off_t>(offset));
    if (count <= 0) return false;
    data += count;
    offset += static_cast<uint64_t>(count);
    size -= static_cast<size_t>(count);
  }
  return true;
}

}  // namespace

template <typename Real>
GramStore<Real>::GramStore(std::filesystem::path scratch_folder, uint64_t memory_limit_bytes)
    : folder_(std::move(scratch_folder)), memory_limit_bytes_(memory_limit_bytes) {}

template <typename Real>
GramStore<Real>::~GramStore() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

template <typename Real>
void GramStore<Real>::put(int64_t layer, const Matrix<Real>& gram) {
  if (in_memory_.contains(layer) || in_file_.contains(layer)) return;
  const auto bytes = static_cast<uint64_t>(gram.size()) * sizeof(Real);
  if (memory_bytes_ + bytes <= memory_limit_bytes_) {
    in_memory_.emplace(layer, gram);
    memory_bytes_ += bytes;
    return;
  }
  if (file_failed_) return;
  if (descriptor_ < 0) descriptor_ = ::open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor_ < 0 || !write_all(descriptor_, reinterpret_cast<const char*>(gram.data()), bytes, file_bytes_)) {
    // No room: what is remembered stays, the rest is computed again each time. The space goes to those who need it more.
    file_failed_ = true;
    if (descriptor_ >= 0 && ::ftruncate(descriptor_, static_cast<off_t>(file_bytes_)) != 0) in_file_.clear();
    return;
  }
  in_file_[layer] = {file_bytes_, gram.rows()};
  file_bytes_ += bytes;
}

template <typename Real>
const Matrix<Real>* GramStore<Real>::find(int64_t layer, Matrix<Real>& buffer) const {
  if (const auto found = in_memory_.find(layer); found != in_memory_.end()) return &found->second;
  const auto found = in_file_.find(layer);
  if (found == in_file_.end()) return nullptr;
  buffer.resize(found->second.order, found->second.order);
  const bool read = read_all(descriptor_, reinterpret_cast<char*>(buffer.data()),
                             static_cast<size_t>(buffer.size()) * sizeof(Real), found->second.offset);
  return read ? &buffer : nullptr;
}

template <typename Real>
bool GramStore<Real>::get(int64_t layer, Matrix<Real>& gram) const {
  const Matrix<Real>* found = find(layer, gram);
  if (found == nullptr) return false;
  if (found != &gram) gram = *found;
  return true;
}

template class GramStore<float>;
template class GramStore<double>;

}  // namespace prunenet
