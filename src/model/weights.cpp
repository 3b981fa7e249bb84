// Reading matrices: widening, un-transposing, and the check for NaN.
#include "model/weights.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace prunenet {
namespace {

// Stored rows are widened in panels of about this many elements: the panel fits a core's cache.
constexpr int64_t kPanelElements = 1 << 16;

void require_finite(const Checkpoint& checkpoint, const Checkpoint::Entry& entry, std::span<const std::byte> bytes) {
  const Finiteness worst = worst_value(bytes, entry.stored.spec.dtype);
  if (worst == Finiteness::kFinite) return;
  fail(ErrorCode::kNonFinite, checkpoint.where(entry), "holds {}", worst == Finiteness::kNan ? "NaN" : "infinity");
}

template <typename Real>
void require_representable(const Checkpoint& checkpoint, const Checkpoint::Entry& entry, std::span<const Real> values) {
  if (entry.stored.spec.dtype != Dtype::kF64 || sizeof(Real) == 8) return;
  if (std::any_of(values.begin(), values.end(), [](Real x) { return std::isinf(x); })) {
    fail(ErrorCode::kNonFinite, checkpoint.where(entry), "holds a number beyond the range of f32");
  }
}

// Rows of a matrix that is not transposed, widened one at a time.
template <typename Real>
class StoredRows {
 public:
  StoredRows(const Checkpoint& checkpoint, const MatrixRef& matrix)
      : checkpoint_(checkpoint),
        entry_(checkpoint.at(matrix.tensor)),
        row_bytes_(dtype_bytes(entry_.stored.spec.dtype, static_cast<uint64_t>(matrix.cols))),
        bytes_(checkpoint.bytes(entry_).subspan(static_cast<size_t>(matrix.first_row) * row_bytes_,
                                                static_cast<size_t>(matrix.rows) * row_bytes_)),
        values_(static_cast<size_t>(matrix.cols)) {}

  // The values stay until the next call.
  std::span<const Real> read(int64_t row) {
    const auto source = bytes_.subspan(static_cast<size_t>(row) * row_bytes_, row_bytes_);
    require_finite(checkpoint_, entry_, source);
    widen(source.data(), entry_.stored.spec.dtype, values_.size(), values_.data());
    require_representable<Real>(checkpoint_, entry_, values_);
    return values_;
  }

 private:
  const Checkpoint& checkpoint_;
  const Checkpoint::Entry& entry_;
  size_t row_bytes_;
  std::span<const std::byte> bytes_;
  std::vector<Real> values_;
};

}  // namespace

template <typename Real>
void for_each_row_of(const Checkpoint& checkpoint, const MatrixRef& matrix, std::span<const int64_t> rows,
                     const std::function<void(int64_t row, std::span<const Real> values)>& visit) {
  PRUNENET_CHECK(!matrix.transposed);
  StoredRows<Real> stored(checkpoint, matrix);
  for (int64_t row : rows) visit(row, stored.read(row));
  checkpoint.release(checkpoint.at(matrix.tensor));
}

template <typename Real>
void for_each_row(const Checkpoint& checkpoint, const MatrixRef& matrix,
                  const std::function<void(int64_t row, std::span<const Real> values)>& visit) {
  const Checkpoint::Entry& entry = checkpoint.at(matrix.tensor);
  const Dtype dtype = entry.stored.spec.dtype;
  const std::span<const std::byte> bytes = checkpoint.bytes(entry);

  if (!matrix.transposed) {
    StoredRows<Real> stored(checkpoint, matrix);
    for (int64_t row = 0; row < matrix.rows; ++row) visit(row, stored.read(row));
  } else {
    // Stored [cols, rows]: a panel of our rows is a run of columns there.
    const size_t element = dtype_size_bytes(dtype);
    require_finite(checkpoint, entry, bytes);
    const int64_t panel_rows = std::max<int64_t>(1, kPanelElements / matrix.cols);
    std::vector<Real> run(static_cast<size_t>(panel_rows)), panel(static_cast<size_t>(panel_rows * matrix.cols));
    for (int64_t first = 0; first < matrix.rows; first += panel_rows) {
      const int64_t count = std::min(panel_rows, matrix.rows - first);
      for (int64_t j = 0; j < matrix.cols; ++j) {
        const size_t offset = static_cast<size_t>(j * matrix.rows + matrix.first_row + first) * element;
        widen(bytes.data() + offset, dtype, static_cast<size_t>(count), run.data());
        for (int64_t i = 0; i < count; ++i)
          panel[static_cast<size_t>(i * matrix.cols + j)] = run[static_cast<size_t>(i)];
      }
      require_representable<Real>(checkpoint, entry, panel);
      for (int64_t i = 0; i < count; ++i) {
        visit(first + i, std::span<const Real>(panel).subspan(static_cast<size_t>(i * matrix.cols),
                                                              static_cast<size_t>(matrix.cols)));
      }
    }
  }
  checkpoint.release(entry);
}

template <typename Real>
void read_matrix(const Checkpoint& checkpoint, const MatrixRef& matrix, std::span<Real> destination) {
  PRUNENET_CHECK(static_cast<int64_t>(destination.size()) == matrix.rows * matrix.cols);
  for_each_row<Real>(checkpoint, matrix, [&](int64_t row, std::span<const Real> values) {
    std::copy(values.begin(), values.end(), destination.begin() + row * matrix.cols);
  });
}

template void for_each_row<float>(const Checkpoint&, const MatrixRef&,
                                  const std::function<void(int64_t, std::span<const float>)>&);
template void for_each_row<double>(const Checkpoint&, const MatrixRef&,
                                   const std::function<void(int64_t, std::span<const double>)>&);
template void for_each_row_of<float>(const Checkpoint&, const MatrixRef&, std::span<const int64_t>,
                                     const std::function<void(int64_t, std::span<const float>)>&);
template void read_matrix<float>(const Checkpoint&, const MatrixRef&, std::span<float>);
template void read_matrix<double>(const Checkpoint&, const MatrixRef&, std::span<double>);

std::vector<double> row_norms(const Checkpoint& checkpoint, const MatrixRef& matrix) {
  std::vector<double> norms(static_cast<size_t>(matrix.rows));
  for_each_row<double>(checkpoint, matrix, [&](int64_t row, std::span<const double> values) {
    double largest = 0;
    for (double x : values) largest = std::max(largest, std::abs(x));
    double sum = 0;
    if (largest > 0) {
      for (double x : values) sum += (x / largest) * (x / largest);
    }
    norms[static_cast<size_t>(row)] = largest * std::sqrt(sum);
  });
  return norms;
}

std::vector<double> column_norms(const Checkpoint& checkpoint, const MatrixRef& matrix) {
  // f64 squares of f32-range values cannot overflow; stored F64 beyond 1e150 would, and is scaled like rows are.
  MatrixRef flipped = matrix;
  flipped.transposed = !matrix.transposed;
  std::swap(flipped.rows, flipped.cols);
  if (matrix.transposed) return row_norms(checkpoint, flipped);
  std::vector<double> sums(static_cast<size_t>(matrix.cols)), largest(static_cast<size_t>(matrix.cols));
  for_each_row<double>(checkpoint, matrix, [&](int64_t, std::span<const double> values) {
    for (size_t j = 0; j < values.size(); ++j) {
      const double size = std::abs(values[j]);
      if (size > largest[j]) {
        const double shrink = largest[j] / size;
        sums[j] = sums[j] * shrink * shrink + 1;
        largest[j] = size;
      } else if (size > 0) {
        sums[j] += (size / largest[j]) * (size / largest[j]);
      }
    }
  });
  for (size_t j = 0; j < sums.size(); ++j) sums[j] = largest[j] * std::sqrt(sums[j]);
  return sums;
}

}  // namespace prunenet
