// Spectra of whole matrices on disk, found again by the content of the matrix: the same layer is looked at by every
// training, report and comparison.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "linalg/matrix.h"
#include "spectrum/spectrum.h"

namespace prunenet {

class SpectrumCache {
 public:
  /// All of its files together; beyond it the oldest go. Whatever else lies in the folder stays.
  static constexpr uint64_t kMostBytes = uint64_t{256} << 20;
  /// Fewer columns than this and a spectrum costs about as much as the hash and a file: such are not cached.
  static constexpr int64_t kFromColumns = 256;

  /// One that remembers nothing.
  SpectrumCache() = default;
  /// Made with its parents at the first `put`. Trouble with it is no error: the spectrum is computed again.
  explicit SpectrumCache(std::filesystem::path folder, uint64_t most_bytes = kMostBytes)
      : folder_(std::move(folder)), most_bytes_(most_bytes) {}

  /// Names what is computed of w: SHA-256 of precision, shape, numbers, `route`, and what decides the bits beside them: this
  /// version of the program, the BLAS and the instruction set. Empty, which nothing is found under, where nothing is to be
  /// cached. Cost: hashing the matrix, serial.
  template <typename Real>
  std::string key(const Matrix<Real>& w, std::string_view route) const;
  /// The same bits as were put. A file that is damaged, or holds anything but `count` values that are finite, not negative
  /// and descending, is as good as none.
  std::optional<Spectrum> find(const std::string& key, int64_t count) const;
  /// Only spectra that settled.
  void put(const std::string& key, const Spectrum& spectrum) const;

 private:
  std::filesystem::path path_of(const std::string& key) const;
  void make_room() const;  // and clears away what writers left that were killed

  std::filesystem::path folder_;
  uint64_t most_bytes_ = kMostBytes;
};

}  // namespace prunenet
