// Reading matrices of a model as f32 or f64, whatever their stored type, layout or stacking.
#pragma once

#include <functional>
#include <span>

#include "model/description.h"

namespace prunenet {

/// Calls `visit(row, values)` for every row (values: `cols` numbers in Real) in order. For a transposed matrix the rows are
/// gathered from columns a panel at a time. Throws kNonFinite naming the tensor when it holds NaN or infinity.
/// The mapping's pages are released afterwards.
template <typename Real>
void for_each_row(const Checkpoint& checkpoint, const MatrixRef& matrix,
                  const std::function<void(int64_t row, std::span<const Real> values)>& visit);

/// Fills `destination` [rows, cols], row-major.
template <typename Real>
void read_matrix(const Checkpoint& checkpoint, const MatrixRef& matrix, std::span<Real> destination);

/// Euclidean norms: of every row [rows], or of every column [cols]. Accumulated in f64, in a fixed order. The largest
/// magnitude is divided out, so that no square overflows.
std::vector<double> row_norms(const Checkpoint& checkpoint, const MatrixRef& matrix);
std::vector<double> column_norms(const Checkpoint& checkpoint, const MatrixRef& matrix);

/// The bytes of the stored tensor of `matrix` when its values become `values` [matrix.rows, cols], row-major and logical
/// [out, in]: of its stored type (rounded to nearest, ties to even) and layout (Conv1D is transposed); cols is what the
/// size of `values` makes it. Throws kUnsupported for a matrix that shares its tensor with others, kNonFinite naming the
/// tensor when a value is not finite or lies beyond the range of the stored type.
std::vector<std::byte> encode_matrix(const Checkpoint& checkpoint, const MatrixRef& matrix, std::span<const float> values);
/// Likewise of a vector (a bias), of any length.
std::vector<std::byte> encode_vector(const Checkpoint& checkpoint, const std::string& tensor, std::span<const float> values);

}  // namespace prunenet
