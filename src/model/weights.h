// Reading matrices of a model as f32 or f64, whatever their stored type, layout or stacking. Writing is in encode.h.
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
/// The same of the `rows` of a matrix that is not transposed, in that order.
template <typename Real>
void for_each_row_of(const Checkpoint& checkpoint, const MatrixRef& matrix, std::span<const int64_t> rows,
                     const std::function<void(int64_t row, std::span<const Real> values)>& visit);

/// Fills `destination` [rows, cols], row-major.
template <typename Real>
void read_matrix(const Checkpoint& checkpoint, const MatrixRef& matrix, std::span<Real> destination);

/// Euclidean norms: of every row [rows], or of every column [cols]. Accumulated in f64, in a fixed order. The largest
/// magnitude is divided out, so that no square overflows.
std::vector<double> row_norms(const Checkpoint& checkpoint, const MatrixRef& matrix);
std::vector<double> column_norms(const Checkpoint& checkpoint, const MatrixRef& matrix);

}  // namespace prunenet
