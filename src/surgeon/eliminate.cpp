// Preparing H and A, and the removals.
#include "surgeon/eliminate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/cancel.h"
#include "base/error.h"
#include "linalg/cholesky.h"
#include "linalg/product.h"
#include "surgeon/elimination_problem.h"
#include "surgeon/elimination_state.h"

namespace prunenet {
namespace {

// Upper triangle of W^T G W over scaled columns.
template <typename Real>
Matrix<Real> weight_gram(const EliminationProblem& problem, std::span<const int64_t> columns) {
  const Matrix<Real> w = scaled_columns<Real>(problem.w, problem.scaling, columns, problem.options.where);
  Matrix<Real> gram(w.cols(), w.cols());
  const Block<const Real> plain = block_of(w);
  if (problem.sensitivity == nullptr) {
    symmetric_product<Real>(1, plain, plain, 0, block_of(gram));
    return gram;
  }
  Matrix<Real> g(w.rows(), w.rows());
  for (int64_t i = 0; i < g.rows(); ++i) {
    for (int64_t j = i; j < g.cols(); ++j) g(j, i) = g(i, j) = static_cast<Real>((*problem.sensitivity)(i, j));
  }
  if (!g.allFinite()) fail(ErrorCode::kNonFinite, problem.options.where, "the sensitivity holds NaN or infinity");
  Matrix<Real> weighted(w.rows(), w.cols());
  product<Real>(Transpose::kNo, Transpose::kNo, 1, as_const(block_of(g)), plain, 0, block_of(weighted));
  symmetric_product<Real>(1, plain, as_const(block_of(weighted)), 0, block_of(gram));
  return gram;
}

// Sum of a_ij c_ij over whole symmetric matrices, from their upper triangles.
template <typename Real>
double symmetric_inner_product(const Matrix<Real>& a, const Matrix<Real>& c) {
  double total = 0;
  for (int64_t i = 0; i < a.rows(); ++i) {
    double row = 0.5 * static_cast<double>(a(i, i)) * static_cast<double>(c(i, i));
    for (int64_t j = i + 1; j < a.cols(); ++j) row += static_cast<double>(a(i, j)) * static_cast<double>(c(i, j));
    total += 2 * row;
  }
  return total;
}

// False when this damping does not do. result.removed and error get the live removals.
template <typename Real>
bool try_to_eliminate(const EliminationProblem& problem, int64_t count, double damping, Elimination& result) {
  const std::vector<int64_t> columns = columns_of_groups(problem.live, problem.options.group_size);
  const auto n = static_cast<int64_t>(columns.size());
  // Columns that are dead within a live group stand alone: unit moments, and no weight.
  Scaling scaling = problem.scaling;
  Matrix<Real> a = weight_gram<Real>(problem, columns), h(n, n);
  std::vector<int64_t> dead;
  for (int64_t i = 0; i < n; ++i) {
    double& scale = scaling.scale[static_cast<size_t>(columns[static_cast<size_t>(i)])];
    if (scale > 0) continue;
    scale = 1;
    dead.push_back(i);
  }
  fill_scaled_moments<Real>(problem.moments, scaling, columns, block_of(h), problem.options.where);
  for (const int64_t i : dead) {
    h.col(i).head(i).setZero();
    h.row(i).tail(n - i - 1).setZero();
  }
  result.energy = symmetric_inner_product(a, h);
  add_to_diagonal<Real>(static_cast<Real>(damping), block_of(h));
  if (!invert_positive_definite(block_of(h))) return false;
  EliminationState<Real> state(std::move(h), std::move(a), problem.options.group_size);
  double error = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (i % 16 == 0) throw_if_cancelled();
    const auto removal = state.remove_best();
    if (!removal) return false;
    error += removal->loss;
    result.removed.push_back(problem.live[static_cast<size_t>(removal->slot)]);
    result.error.push_back(error);
  }
  return true;
}

}  // namespace

Elimination eliminate(const Moments& moments, const Matrix<float>& w, const Matrix<float>* sensitivity,
                      const EliminationOptions& options) {
  const auto attempt = [](const EliminationProblem& problem, int64_t count, double damping, Precision precision,
                          Elimination& result) {
    return precision == Precision::kF64 ? try_to_eliminate<double>(problem, count, damping, result)
                                        : try_to_eliminate<float>(problem, count, damping, result);
  };
  return eliminate_by(attempt, moments, w, sensitivity, options);
}

std::vector<int64_t> kept_groups(const Elimination& elimination, int64_t groups, int64_t count) {
  PRUNENET_CHECK(count >= 0 && count <= static_cast<int64_t>(elimination.removed.size()));
  std::vector<bool> gone(static_cast<size_t>(groups));
  for (int64_t i = 0; i < count; ++i) gone[static_cast<size_t>(elimination.removed[static_cast<size_t>(i)])] = true;
  std::vector<int64_t> kept;
  for (int64_t g = 0; g < groups; ++g) {
    if (!gone[static_cast<size_t>(g)]) kept.push_back(g);
  }
  return kept;
}

std::vector<int64_t> columns_of_groups(const std::vector<int64_t>& groups, int64_t group_size) {
  std::vector<int64_t> columns;
  for (const int64_t group : groups) {
    for (int64_t p = 0; p < group_size; ++p) columns.push_back(group * group_size + p);
  }
  return columns;
}

}  // namespace prunenet
