// Keeps the Gram matrix of every layer between episodes: in memory while they are small, else in a nameless scratch file,
// so that memory stays bounded by a layer. Losing the store costs time, never a result.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>

#include "linalg/matrix.h"

namespace prunenet {

template <typename Real>
class GramStore {
 public:
  /// The scratch file, once needed, is made in `scratch_folder`; it has no name and is gone with the process.
  GramStore(std::filesystem::path scratch_folder, uint64_t memory_limit_bytes = 256u << 20);
  ~GramStore();
  GramStore(const GramStore&) = delete;
  GramStore& operator=(const GramStore&) = delete;

  /// Remembers, if there is room.
  void put(int64_t layer, const Matrix<Real>& gram);
  /// Fills `gram`; false when the layer is not remembered.
  bool get(int64_t layer, Matrix<Real>& gram) const;
  /// The matrix itself, without a copy where it is in memory, else read into `buffer`; null when it is not remembered.
  /// Until the next call that changes either.
  const Matrix<Real>* find(int64_t layer, Matrix<Real>& buffer) const;

 private:
  struct Place {
    uint64_t offset = 0;
    int64_t order = 0;
  };
  std::filesystem::path folder_;
  uint64_t memory_limit_bytes_, memory_bytes_ = 0, file_bytes_ = 0;
  std::map<int64_t, Matrix<Real>> in_memory_;
  std::map<int64_t, Place> in_file_;
  int descriptor_ = -1;
  bool file_failed_ = false;
};

}  // namespace prunenet
