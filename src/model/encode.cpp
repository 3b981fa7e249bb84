// Encoding: the rule for types, and rows as bytes.
#include "model/encode.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace prunenet {
namespace {

// Rows as bytes; `what` is what they are called in errors: "a new value".
std::vector<std::byte> encode(std::span<const float> values, int64_t cols, Dtype dtype, const std::string& where,
                              std::string_view what) {
  for (float value : values) {
    if (!std::isfinite(value)) fail(ErrorCode::kNonFinite, where, "{} is {}", what, value);
  }
  const size_t row_bytes = dtype_bytes(dtype, static_cast<uint64_t>(cols));
  const size_t rows = cols == 0 ? 0 : values.size() / static_cast<size_t>(cols);
  PRUNENET_CHECK(rows * static_cast<size_t>(cols) == values.size());
  std::vector<std::byte> bytes(rows * row_bytes);
  for (size_t i = 0; i < rows; ++i) {
    const auto row = values.subspan(i * static_cast<size_t>(cols), static_cast<size_t>(cols));
    if (narrow(row.data(), row.size(), dtype, bytes.data() + i * row_bytes)) continue;
    const float largest =
        *std::max_element(row.begin(), row.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
    fail(ErrorCode::kNonFinite, where, "{} ({}) is beyond the range of {}", what, largest, dtype_name(dtype));
  }
  return bytes;
}

}  // namespace

Dtype replacement_dtype(Dtype stored, int64_t cols) {
  if (!dtype_is_quantised(stored)) return stored;
  return cols % dtype_block_elements(Dtype::kQ8_0) == 0 ? Dtype::kQ8_0 : Dtype::kF16;
}

ColumnCut column_cut(Dtype stored, std::span<const int64_t> kept) {
  const auto block = static_cast<size_t>(dtype_block_elements(stored));
  bool fills = kept.size() % block == 0;
  for (size_t first = 0; fills && first < kept.size(); first += block) {
    const int64_t start = kept[first];
    fills = start < 0 || static_cast<size_t>(start) % block == 0;
    for (size_t i = 1; fills && i < block; ++i)
      fills = start < 0 ? kept[first + i] < 0 : kept[first + i] == start + static_cast<int64_t>(i);
  }
  if (fills) return {stored, true};
  return {replacement_dtype(stored, static_cast<int64_t>(kept.size())), false};
}

std::vector<std::byte> encode_rows(const Checkpoint& checkpoint, const std::string& tensor,
                                   std::span<const float> values, int64_t cols) {
  const Checkpoint::Entry& entry = checkpoint.at(tensor);
  const Dtype dtype = replacement_dtype(entry.stored.spec.dtype, cols);
  if (!dtype_can_be_written(dtype))
    fail(ErrorCode::kUnsupported, checkpoint.where(entry), "is {}, which takes no new values", dtype_name(dtype));
  return encode(values, cols, dtype, checkpoint.where(entry), "a new value");
}

std::vector<std::byte> encode_matrix(const Checkpoint& checkpoint, const MatrixRef& matrix,
                                     std::span<const float> values) {
  const Checkpoint::Entry& entry = checkpoint.at(matrix.tensor);
  const std::vector<int64_t>& shape = entry.stored.spec.shape;
  PRUNENET_CHECK(shape.size() == 2 && matrix.rows > 0);
  if (matrix.first_row != 0 || shape[matrix.transposed ? 1 : 0] != matrix.rows) {
    fail(ErrorCode::kUnsupported, checkpoint.where(entry),
         "stacks several matrices, of which one alone cannot be replaced");
  }
  const auto rows = static_cast<size_t>(matrix.rows), cols = values.size() / rows;
  PRUNENET_CHECK(cols * rows == values.size());
  if (!matrix.transposed) return encode_rows(checkpoint, matrix.tensor, values, static_cast<int64_t>(cols));
  std::vector<float> stored(values.size());
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < cols; ++j) stored[j * rows + i] = values[i * cols + j];
  }
  return encode_rows(checkpoint, matrix.tensor, stored, matrix.rows);
}

std::vector<std::byte> encode_vector(const Checkpoint& checkpoint, const std::string& tensor,
                                     std::span<const float> values) {
  return encode_rows(checkpoint, tensor, values, static_cast<int64_t>(values.size()));
}

void round_to(Dtype dtype, int64_t cols, std::span<float> values, const std::string& where) {
  const std::vector<std::byte> bytes = encode(values, cols, dtype, where, "a value");
  widen<float>(bytes.data(), dtype, values.size(), values.data());
}

}  // namespace prunenet
