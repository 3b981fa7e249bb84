// Short measurements.
#include "cost/machine_speed.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "base/scratch_file.h"
#include "base/system.h"
#include "engine/streaming.h"
#include "linalg/eigenvalues.h"
#include "linalg/parallel.h"
#include "linalg/product.h"
#include "linalg/symv.h"

namespace prunenet {
namespace {

// The shortest of some calls: what disturbs them only makes them longer.
template <typename Call>
double shortest_s(int times, const Call& call) {
  double shortest = 0;
  for (int i = 0; i < times; ++i) {
    const Stopwatch watch;
    call();
    const double elapsed_s = watch.elapsed_s();
    if (i == 0 || elapsed_s < shortest) shortest = elapsed_s;
  }
  return std::max(shortest, 1e-9);
}

// Of products of panels of a thousand rows, as moments and the surgeon make them: of a third of a second of them, as a
// processor that has had nothing to do is faster at first, or of the shortest.
template <typename Real>
double product_flops_per_s(bool at_best) {
  constexpr int64_t kRows = 1024, kOrder = 2048;
  constexpr double kFlops = 2.0 * kRows * kOrder * kOrder;
  const Matrix<Real> a = Matrix<Real>::Constant(kRows, kOrder, Real(0.5));
  Matrix<Real> c(kOrder, kOrder);
  const auto one = [&] { product<Real>(Transpose::kYes, Transpose::kNo, 1, block_of(a), block_of(a), 0, block_of(c)); };
  if (at_best) return kFlops / shortest_s(5, one);
  one();  // threads and buffers come up
  const Stopwatch watch;
  double flops = 0;
  while (watch.elapsed_s() < 0.35) {
    one();
    flops += kFlops;
  }
  return flops / watch.elapsed_s();
}

// The kernel that bounds tridiagonalisation, on a matrix of that order and on halves of it, as the columns that are
// left shrink: from memory at first, from caches at the end. The bytes of a whole run over its time.
template <typename Real>
double symv_bytes_per_s(int64_t order) {
  constexpr int64_t kRows = 64;
  const Matrix<Real> a = Matrix<Real>::Constant(order, order, Real(0.5));
  const Vector<Real> x = Vector<Real>::Constant(order, Real(0.5));
  Vector<Real> dots(order);
  const auto pass_s = [&](int64_t n) {
    return shortest_s(n > 2048 ? 3 : 7, [&] {
#pragma omp parallel num_threads(num_threads()) if (n > 512)
      {
        std::vector<Real> z(static_cast<size_t>(n));
#pragma omp for schedule(dynamic, 1)
        for (int64_t first = 0; first < n; first += kRows)
          kernel::symv_rows(a.data(), order, n, first, std::min(first + kRows, n), x.data(), dots.data(), z.data());
      }
    });
  };
  double elapsed_s = 0, bytes = 0;
  for (int64_t n = order; n >= 1; n /= 2) {  // columns n / 2 .. n cost about as much as three quarters of n
    const double columns = static_cast<double>(n - n / 2), middle = 0.75 * static_cast<double>(n);
    const double of_middle = middle * middle / 2 * static_cast<double>(sizeof(Real));
    elapsed_s += columns * pass_s(std::max<int64_t>(1, n * 3 / 4));
    bytes += columns * of_middle;
  }
  return bytes / elapsed_s;
}

double rotations_per_s() {
  constexpr int64_t kOrder = 384;
  Matrix<float> a = Matrix<float>::Zero(kOrder, kOrder);
  for (int64_t i = 0; i < kOrder; ++i) {
    a(i, i) = static_cast<float>(1 + i % 7);
    if (i + 1 < kOrder) a(i, i + 1) = 1.0F;
  }
  const double elapsed_s = shortest_s(2, [&] {
    Matrix<float> copy = a;
    symmetric_eigenvalues(copy);
  });
  return static_cast<double>(kOrder * kOrder) / elapsed_s;
}

// As Gaussian inputs are drawn, in f64, and activations computed, in f32: three of each.
double functions_per_s() {
  constexpr int64_t kNumbers = 1 << 15;
  constexpr double kEach = 6;
  std::vector<float> values(static_cast<size_t>(kNumbers));
  const double elapsed_s = shortest_s(2, [&] {
#pragma omp parallel for schedule(static) num_threads(num_threads())
    for (int64_t i = 0; i < kNumbers; ++i) {
      const double open = (static_cast<double>(i) + 0.5) / kNumbers;
      const double angle = 6 * open, radius = std::log(open);
      float value = static_cast<float>(radius * std::cos(angle) + std::sin(angle));
      for (int j = 0; j < 3; ++j) value = value / (1 + std::exp(-value));
      values[static_cast<size_t>(i)] = value;
    }
  });
  return kEach * kNumbers / elapsed_s;
}

// What a column takes beside the kernel's bytes and its share of products: threads that wait for each other, twice.
template <typename Real>
double columns_per_s(int64_t order, double flops_per_s, double squares_per_s) {
  constexpr int64_t kMostColumns = 1024;
  const int64_t n = std::min(order, kMostColumns);
  Matrix<Real> a = Matrix<Real>::Constant(n, n, Real(0.01));
  for (int64_t i = 0; i < n; ++i) a(i, i) = static_cast<Real>(1 + i % 7);
  const double elapsed_s = shortest_s(2, [&] {
    Matrix<Real> copy = a;
    symmetric_eigenvalues(copy);
  });
  const double size = static_cast<double>(n), cube = size * size * size;
  const double counted_s = cube / 6 * double{sizeof(Real)} / symv_bytes_per_s<Real>(n) + 2.0 / 3 * cube / flops_per_s +
                           size * size / squares_per_s;
  return size / std::max(elapsed_s - counted_s, 0.02 * elapsed_s);
}

// Of matrices that are too large for caches.
double memory_bytes_per_s() {
  constexpr int64_t kMostBytes = int64_t{256} << 20, kShare = 16;
  const int64_t usable = usable_memory_bytes();
  const auto bytes = static_cast<size_t>(usable > 0 ? std::min(kMostBytes, usable / kShare) : kMostBytes / 4);
  std::vector<char> from(bytes, 1), to(bytes);
  const double elapsed_s = shortest_s(2, [&] { std::copy(from.begin(), from.end(), to.begin()); });
  return 2.0 * static_cast<double>(from.size()) / elapsed_s;
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value() const { return value_; }

 private:
  int value_;
};

constexpr double kAssumedDisk = 500e6;  // where it cannot be measured

// Pieces from all over the mapping, so that what happens to be cached counts as much as it is.
double read_bytes_per_s(std::span<const std::byte> stored) {
  constexpr size_t kPieces = 24;
  const size_t length = std::min<size_t>(stored.size() / kPieces, 4 << 20);
  if (length == 0) return kAssumedDisk;
  const Stopwatch watch;
  double bytes = 0;
  uint64_t sum = 0;
  for (size_t i = 0; i < kPieces && watch.elapsed_s() < 0.3; ++i) {
    const auto piece = stored.subspan(stored.size() / kPieces * ((i * 7) % kPieces), length);
    for (size_t at = 0; at + 8 <= piece.size(); at += 8) {
      uint64_t word = 0;
      std::memcpy(&word, piece.data() + at, 8);
      sum += word;
    }
    bytes += static_cast<double>(length);
  }
  volatile uint64_t seen = sum;  // or nothing would be read
  static_cast<void>(seen);
  return bytes / std::max(watch.elapsed_s(), 1e-9);
}

double hash_bytes_per_s() {
  const std::vector<std::byte> bytes(8 << 20);
  const double elapsed_s = shortest_s(3, [&] {
    Sha256 hash;
    hash.update(bytes);
    hash.hex_digest();
  });
  return static_cast<double>(bytes.size()) / elapsed_s;
}

struct WriteSpeed {
  double buffered = kAssumedDisk;  // into memory
  double disk = kAssumedDisk;      // until it is on the disk
};

// Into a nameless file of the same file system, by as many threads as the writer of a result has.
WriteSpeed write_bytes_per_s(const std::filesystem::path& wanted) {
  constexpr int64_t kBlocks = 64, kBytes = 1 << 20;
  constexpr double kShareOfRoom = 0.1;
  constexpr int kMostThreads = 4;
  const std::filesystem::path folder = nearest_folder(wanted);
  const Descriptor out(::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (out.value() < 0 || error) return {};
  const auto blocks =
      std::min(kBlocks, static_cast<int64_t>(kShareOfRoom * static_cast<double>(space.available) / kBytes));
  const int threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, unsigned{kMostThreads}));
  const std::vector<char> block(static_cast<size_t>(kBytes), 1);
  const Stopwatch watch;
  double bytes = 0;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) reduction(+ : bytes)
  for (int64_t i = 0; i < blocks; ++i) {
    if (watch.elapsed_s() > 0.3) continue;
    const ssize_t count = ::pwrite(out.value(), block.data(), block.size(), i * kBytes);
    if (count > 0) bytes += static_cast<double>(count);
  }
  const double buffered_s = watch.elapsed_s();
  const bool is_there = ::fdatasync(out.value()) == 0;
  if (bytes == 0 || !is_there) return {};
  return {bytes / std::max(buffered_s, 1e-9), bytes / std::max(watch.elapsed_s(), 1e-9)};
}

}  // namespace

void measure_machine(const Work& work, const MachineProbe& probe, Speeds& speeds) {
  const auto measure = [&](WorkKind kind, const auto& rate) {
    if (work[kind] > 0 && speeds[kind] == 0) speeds[kind] = rate();
  };
  measure(WorkKind::kProductF32, [&] { return product_flops_per_s<float>(probe.at_best); });
  measure(WorkKind::kProductF64, [&] { return product_flops_per_s<double>(probe.at_best); });
  const int64_t order = std::max<int64_t>(1, probe.symmetric_order);
  measure(WorkKind::kSymvF32, [&] { return symv_bytes_per_s<float>(order); });
  measure(WorkKind::kSymvF64, [&] { return symv_bytes_per_s<double>(order); });
  measure(WorkKind::kRotations, rotations_per_s);
  measure(WorkKind::kColumns, [&] {
    return work[WorkKind::kSymvF64] > 0
               ? columns_per_s<double>(order, speeds[WorkKind::kProductF64], speeds[WorkKind::kRotations])
               : columns_per_s<float>(order, speeds[WorkKind::kProductF32], speeds[WorkKind::kRotations]);
  });
  measure(WorkKind::kFunction, functions_per_s);
  measure(WorkKind::kMemory, memory_bytes_per_s);
  measure(WorkKind::kRead, [&] { return read_bytes_per_s(probe.stored); });
  measure(WorkKind::kHash, hash_bytes_per_s);
  if ((work[WorkKind::kWrite] > 0 && speeds[WorkKind::kWrite] == 0) ||
      (work[WorkKind::kBuffer] > 0 && speeds[WorkKind::kBuffer] == 0)) {
    const WriteSpeed speed = write_bytes_per_s(probe.output_folder);
    speeds[WorkKind::kWrite] = speed.disk;
    speeds[WorkKind::kBuffer] = speed.buffered;
  }
}

}  // namespace prunenet
