// Files of the cache: a line that names the format, the hash of the numbers, the numbers.
#include "spectrum/spectrum_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/version.h"
#include "linalg/blas_info.h"

namespace prunenet {
namespace {

constexpr std::string_view kFormat = "prunenet spectrum 1\n";
constexpr std::string_view kExtension = ".spectrum";
constexpr size_t kHashDigits = 64;
constexpr uint64_t kLargestFile = uint64_t{16} << 20;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string hash_of(std::string_view text) {
  Sha256 hash;
  hash.update(bytes_of(text));
  return hash.hex_digest();
}

// As path_of() names files.
bool is_spectrum(std::string_view name) {
  return name.size() == kHashDigits + kExtension.size() && name.ends_with(kExtension) &&
         name.substr(0, kHashDigits).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What write_file_atomically() leaves of a spectrum when it is killed.
bool is_leftover(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (name.empty()) return false;
  const std::string spectrum = name.substr(1, kHashDigits + kExtension.size());
  return is_spectrum(spectrum) && partial_path(path.parent_path() / spectrum) == path;
}

}  // namespace

template <typename Real>
std::string SpectrumCache::key(const Matrix<Real>& w, std::string_view route) const {
  if (folder_.empty() || w.cols() < kFromColumns) return {};
  Sha256 hash;
  hash.update(bytes_of(fmt::format("{}f{} {} x {} {}\nprunenet {}\n{}\n", kFormat, 8 * sizeof(Real), w.rows(), w.cols(), route,
                                   PRUNENET_VERSION, arithmetic_name())));
  hash.update(std::as_bytes(std::span(w.data(), static_cast<size_t>(w.size()))));
  return hash.hex_digest();
}

std::filesystem::path SpectrumCache::path_of(const std::string& key) const { return folder_ / (key + std::string(kExtension)); }

std::optional<Spectrum> SpectrumCache::find(const std::string& key, int64_t count) const {
  if (key.empty()) return std::nullopt;
  std::string text;
  try {
    text = read_text_file(path_of(key), kLargestFile);
  } catch (const Error&) {
    return std::nullopt;
  }
  const size_t start = kFormat.size() + kHashDigits;
  if (text.size() != start + static_cast<size_t>(count) * sizeof(double) || !text.starts_with(kFormat)) return std::nullopt;
  const std::string_view numbers = std::string_view(text).substr(start);
  if (text.compare(kFormat.size(), kHashDigits, hash_of(key + std::string(numbers))) != 0) return std::nullopt;
  Spectrum spectrum;
  spectrum.singular_values.resize(numbers.size() / sizeof(double));
  std::memcpy(spectrum.singular_values.data(), numbers.data(), numbers.size());
  const auto& values = spectrum.singular_values;
  if (!std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value) && value >= 0; }) ||
      !std::is_sorted(values.rbegin(), values.rend())) {
    return std::nullopt;
  }
  return spectrum;
}

void SpectrumCache::put(const std::string& key, const Spectrum& spectrum) const {
  if (key.empty() || !spectrum.converged || spectrum.singular_values.empty()) return;
  const std::string numbers(reinterpret_cast<const char*>(spectrum.singular_values.data()),
                            spectrum.singular_values.size() * sizeof(double));
  try {
    std::filesystem::create_directories(folder_);
    write_file_atomically(path_of(key), std::string(kFormat) + hash_of(key + numbers) + numbers, true);
    make_room();
  } catch (const std::exception&) {  // a full disk, a folder that takes no files: next time it is computed again
  }
}

void SpectrumCache::make_room() const {
  struct File {
    std::filesystem::file_time_type written;
    std::filesystem::path path;
    uint64_t bytes;
  };
  std::vector<File> files;
  uint64_t total = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    if (!entry.is_regular_file()) continue;
    if (is_leftover(entry.path())) {  // of a writer that still lives it is a moment old
      if (entry.last_write_time() < std::filesystem::file_time_type::clock::now() - std::chrono::hours(1)) {
        std::filesystem::remove(entry.path());
      }
      continue;
    }
    if (!is_spectrum(entry.path().filename().string())) continue;
    files.push_back({entry.last_write_time(), entry.path(), entry.file_size()});
    total += files.back().bytes;
  }
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.written < b.written; });
  for (const File& file : files) {
    if (total <= most_bytes_) break;
    std::filesystem::remove(file.path);
    total -= file.bytes;
  }
}

template std::string SpectrumCache::key<float>(const Matrix<float>&, std::string_view) const;
template std::string SpectrumCache::key<double>(const Matrix<double>&, std::string_view) const;

}  // namespace prunenet
