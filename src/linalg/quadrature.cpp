// LAPACK's stev with vectors.
#include "linalg/quadrature.h"

#include <lapacke.h>

#include "base/error.h"
#include "linalg/blas.h"

namespace prunenet {

Quadrature gauss_quadrature(std::span<const double> diagonal, std::span<const double> off_diagonal) {
  const size_t s = diagonal.size();
  PRUNENET_CHECK(s >= 1 && off_diagonal.size() + 1 >= s);
  Quadrature result;
  std::vector<double> off(off_diagonal.begin(), off_diagonal.begin() + static_cast<std::ptrdiff_t>(s - 1)), vectors(s * s);
  off.push_back(0);
  result.nodes.assign(diagonal.begin(), diagonal.end());
  const int order = blas::narrow(static_cast<int64_t>(s));
  if (LAPACKE_dstev(LAPACK_COL_MAJOR, 'V', order, result.nodes.data(), off.data(), vectors.data(), order) != 0) return {};
  for (size_t i = 0; i < s; ++i) result.weights.push_back(vectors[i * s] * vectors[i * s]);
  return result;
}

}  // namespace prunenet
