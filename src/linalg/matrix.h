// Dense matrices: Eigen's, row-major as checkpoints store them.
#pragma once

#include <Eigen/Core>

namespace prunenet {

template <typename Real>
using Matrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename Real>
using Vector = Eigen::Matrix<Real, Eigen::Dynamic, 1>;

}  // namespace prunenet
