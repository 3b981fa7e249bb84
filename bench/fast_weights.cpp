// The generator behind FastMatrix: a counter-based hash for the noise, small vectors for everything else.
#include "fast_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/random.h"

namespace prunenet {
namespace {

constexpr int64_t kRank = 16;
constexpr int64_t kTile = 512;  // columns of a row worked on at once: their sums stay in the first cache
constexpr float kDeviation = 0.02f;

// Near-Gaussian with mean 0 and variance 1: four bytes of a word, summed. 147.8 = sqrt(4 (2^16 - 1) / 12).
inline float normal_from_bits(uint32_t bits) {
  const uint32_t sum = (bits & 0xffu) + ((bits >> 8) & 0xffu) + ((bits >> 16) & 0xffu) + (bits >> 24);
  return static_cast<float>(static_cast<int32_t>(sum) - 510) * (1.0f / 147.8f);
}

// The mixer "lowbias32" (C. Wellons, "Prospecting for hash functions", 2018) with a second key in its middle, so that
// rows whose counters overlap still differ. 32 bits wide: compilers make vector code of it.
inline uint32_t mix(uint32_t counter, uint32_t key) {
  uint32_t x = counter;
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= key;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return x;
}

// bf16_from_f32 without its care for NaN, and where the compiler can see it: it runs once an entry.
inline uint16_t bf16_bits(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

void store(const float* values, int64_t count, Dtype dtype, std::byte* out) {
  if (dtype == Dtype::kF32) {
    std::memcpy(out, values, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  uint16_t bits[kTile];
  for (int64_t j = 0; j < kTile; ++j) bits[j] = bf16_bits(values[j]);
  std::memcpy(out, bits, static_cast<size_t>(count) * sizeof(uint16_t));
}

}  // namespace

FastMatrix::FastMatrix(const WeightAddress& address, int64_t rows, int64_t cols)
    : rows_(rows), cols_(cols), padded_cols_((cols + kTile - 1) / kTile * kTile) {
  RandomStream stream(address.seed, RandomStage::kBench, address.layer, address.slot);
  const auto normals = [&](std::vector<float>& values, int64_t count) {
    values.resize(static_cast<size_t>(count));
    for (float& value : values) value = normal_from_bits(stream.next_u32());
  };
  // Few rows are large: 0.6 / sqrt(u) has a power-law tail, cut at 4 so that no row outweighs all the others.
  row_scale_.resize(static_cast<size_t>(rows));
  for (float& scale : row_scale_) scale = static_cast<float>(std::min(4.0, 0.6 / std::sqrt(stream.next_open())));
  // About one column in 256 is an outlier.
  col_scale_.assign(static_cast<size_t>(padded_cols_), 0.0f);
  for (int64_t j = 0; j < cols; ++j) {
    const bool outlier = stream.next_u32() < (1u << 24);
    col_scale_[static_cast<size_t>(j)] =
        static_cast<float>(outlier ? stream.next_uniform(3.0, 8.0) : stream.next_uniform(0.7, 1.3));
  }
  normals(left_, rows * kRank);
  normals(right_, kRank * padded_cols_);
  // Noise alone has its largest singular value near sqrt(rows) + sqrt(cols), a part s left right^T has s sqrt(rows
  // cols): the first part stands out five-fold, the k-th by 5 / sqrt(k).
  const double edge = 1.0 / std::sqrt(static_cast<double>(rows)) + 1.0 / std::sqrt(static_cast<double>(cols));
  for (size_t i = 0; i < left_.size(); ++i) {
    const double k = static_cast<double>(i % kRank + 1);
    left_[i] *= static_cast<float>(5.0 * edge / std::sqrt(k));
  }
  row_keys_.resize(static_cast<size_t>(2 * rows));
  for (uint32_t& key : row_keys_) key = stream.next_u32();
}

void FastMatrix::fill_row(int64_t row, Dtype dtype, std::byte* out) const {
  const uint32_t counter = row_keys_[static_cast<size_t>(2 * row)], key = row_keys_[static_cast<size_t>(2 * row + 1)];
  const float scale = row_scale_[static_cast<size_t>(row)];
  const float* left = left_.data() + row * kRank;
  const size_t element = dtype_size_bytes(dtype);
  alignas(64) float sum[kTile];
  for (int64_t start = 0; start < cols_; start += kTile) {
    const float* col_scale = col_scale_.data() + start;
    for (int64_t j = 0; j < kTile; ++j) {
      sum[j] = scale * col_scale[j] * normal_from_bits(mix(counter + static_cast<uint32_t>(start + j), key));
    }
    for (int64_t k = 0; k < kRank; k += 4) {
      const float* right = right_.data() + k * padded_cols_ + start;
      const float *right1 = right + padded_cols_, *right2 = right1 + padded_cols_, *right3 = right2 + padded_cols_;
      for (int64_t j = 0; j < kTile; ++j) {
        sum[j] += left[k] * right[j] + left[k + 1] * right1[j] + left[k + 2] * right2[j] + left[k + 3] * right3[j];
      }
    }
    for (int64_t j = 0; j < kTile; ++j) sum[j] *= kDeviation;
    store(sum, std::min(kTile, cols_ - start), dtype, out + static_cast<size_t>(start) * element);
  }
}

void FastMatrix::fill_rows(int64_t first, int64_t count, Dtype dtype, std::byte* out) const {
  PRUNENET_CHECK(first >= 0 && count >= 0 && first + count <= rows_);
  PRUNENET_CHECK(dtype == Dtype::kF32 || dtype == Dtype::kBf16);
  const size_t row_bytes = static_cast<size_t>(cols_) * dtype_size_bytes(dtype);
#pragma omp parallel for schedule(dynamic, 16)
  for (int64_t i = 0; i < count; ++i) fill_row(first + i, dtype, out + static_cast<size_t>(i) * row_bytes);
}

std::vector<std::byte> fast_vector(const WeightAddress& address, int64_t size, double mean, double deviation,
                                   Dtype dtype) {
  RandomStream stream(address.seed, RandomStage::kBench, address.layer, address.slot);
  std::vector<std::byte> bytes(static_cast<size_t>(size) * dtype_size_bytes(dtype));
  for (int64_t i = 0; i < size; ++i) {
    const auto value = static_cast<float>(mean + deviation * normal_from_bits(stream.next_u32()));
    std::byte* out = bytes.data() + static_cast<size_t>(i) * dtype_size_bytes(dtype);
    const uint16_t half = bf16_bits(value);
    if (dtype == Dtype::kF32) std::memcpy(out, &value, sizeof value);
    if (dtype == Dtype::kBf16) std::memcpy(out, &half, sizeof half);
  }
  return bytes;
}

}  // namespace prunenet
