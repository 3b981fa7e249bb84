// One removal after another; the matrices follow in blocks.
#include "surgeon/elimination_state.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "linalg/parallel.h"
#include "linalg/product.h"
#include "linalg/tiles.h"
#include "surgeon/pending.h"

namespace prunenet {
namespace {

using Square = Eigen::Map<const Matrix<double>>;

// y [rows, n] = or += m [rows, rows] x, by axpys in the order of x's rows.
template <typename Real>
void add_multiple(const Matrix<double>& m, double factor, const Real* x, Real* y, int64_t stride, int64_t first,
                  int64_t last) {
  for (int64_t p = 0; p < m.rows(); ++p) {
    for (int64_t q = 0; q < m.cols(); ++q) {
      const Real c = static_cast<Real>(factor * m(p, q));
      const Real* source = x + q * stride;
      Real* target = y + p * stride;
      for (int64_t j = first; j < last; ++j) target[j] += c * source[j];
    }
  }
}

}  // namespace

template <typename Real>
EliminationState<Real>::EliminationState(Matrix<Real> h, Matrix<Real> a, int64_t group_size)
    : s_(group_size),
      n_(h.cols()),
      h_(std::move(h)),
      a_(std::move(a)),
      groups_(static_cast<size_t>(n_ / s_)),
      alive_(groups_.size(), true),
      scores_(groups_.size()),
      h_blocks_(static_cast<size_t>(n_ * s_)),
      a_blocks_(static_cast<size_t>(n_ * s_)) {
  PRUNENET_CHECK(n_ % s_ == 0 && a_.cols() == n_);
  std::iota(groups_.begin(), groups_.end(), 0);
  const int64_t rows = std::max(kBlockRows, s_);
  for (Matrix<Real>* waiting : {&r_, &t_, &u_}) waiting->resize(rows, n_);
  for (int64_t g = 0; g < stored_groups(); ++g) {
    for (int64_t p = 0; p < s_; ++p) {
      for (int64_t q = 0; q < s_; ++q) {
        const int64_t i = g * s_ + std::min(p, q), j = g * s_ + std::max(p, q);
        h_blocks_[static_cast<size_t>((g * s_ + p) * s_ + q)] = static_cast<double>(h_(i, j));
        a_blocks_[static_cast<size_t>((g * s_ + p) * s_ + q)] = static_cast<double>(a_(i, j));
      }
    }
    if (!score(g)) scores_[static_cast<size_t>(g)] = std::nan("");
  }
}

// tr(A_gg H_gg^-1); false when H_gg is not positive definite. What rounding brings below zero is zero.
template <typename Real>
bool EliminationState<Real>::score(int64_t slot) {
  const auto first = static_cast<size_t>(slot * s_ * s_);
  double loss;
  if (s_ == 1) {
    if (!(h_blocks_[first] > 0)) return false;
    loss = a_blocks_[first] / h_blocks_[first];
  } else {
    const Square h(h_blocks_.data() + first, s_, s_), a(a_blocks_.data() + first, s_, s_);
    const Eigen::LLT<Eigen::MatrixXd> factor(h);
    if (factor.info() != Eigen::Success) return false;
    loss = factor.solve(a).trace();
  }
  scores_[static_cast<size_t>(slot)] = std::max(loss, 0.0);
  return std::isfinite(loss);
}

template <typename Real>
std::optional<typename EliminationState<Real>::Removal> EliminationState<Real>::remove_best() {
  if (pending_ + s_ > r_.rows()) {
    apply_pending();
    if (8 * dead_ > stored_groups()) compact();
  }
  int64_t best = -1;
  for (int64_t g = 0; g < stored_groups(); ++g) {
    const auto at = static_cast<size_t>(g);
    if (!alive_[at]) continue;
    if (std::isnan(scores_[at])) return std::nullopt;
    if (best < 0 || scores_[at] <= scores_[static_cast<size_t>(best)]) best = g;
  }
  PRUNENET_CHECK(best >= 0);
  const Removal removal{groups_[static_cast<size_t>(best)], scores_[static_cast<size_t>(best)]};
  current_rows(best);
  if (!finish_rows(best)) return std::nullopt;
  alive_[static_cast<size_t>(best)] = false;
  ++dead_;
  const bool settled = downdate_blocks();
  pending_ += s_;
  if (!settled) return std::nullopt;
  return removal;
}

// Rows g of H and A as they are now, into r_ and u_: what is stored (the lower half as a column), less what waits.
template <typename Real>
void EliminationState<Real>::current_rows(int64_t slot) {
  const int64_t stride = r_.cols(), tiles = (n_ + kColumnsOfATile - 1) / kColumnsOfATile;
  std::vector<Real> of(static_cast<size_t>(3 * s_ * std::max<int64_t>(pending_, 1)));
  for (int64_t p = 0; p < s_; ++p) {
    for (int64_t k = 0; k < pending_; ++k) {
      const int64_t i = slot * s_ + p;
      Real* const mine = of.data() + 3 * p * pending_ + k;
      mine[0] = pending(r_, k)[i];
      mine[pending_] = pending(u_, k)[i];
      mine[2 * pending_] = pending(t_, k)[i];
    }
  }
#pragma omp parallel for schedule(static) \
    num_threads(num_threads()) if (n_ * s_ * (pending_ + 16) > kParallelFromOperations)
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t first = tile * kColumnsOfATile, last = std::min(first + kColumnsOfATile, n_);
    for (int64_t p = 0; p < s_; ++p) {
      const int64_t i = slot * s_ + p;
      Real* const h = pending(r_, pending_ + p);
      Real* const a = pending(u_, pending_ + p);
      for (int64_t j = first; j < std::min(i, last); ++j) {
        h[j] = h_.data()[j * h_.cols() + i];
        a[j] = a_.data()[j * a_.cols() + i];
      }
      const int64_t right = std::max(i, first);
      if (right < last) {
        std::copy(h_.data() + i * h_.cols() + right, h_.data() + i * h_.cols() + last, h + right);
        std::copy(a_.data() + i * a_.cols() + right, a_.data() + i * a_.cols() + last, a + right);
      }
      const Real* const mine = of.data() + 3 * p * pending_;
      kernel::subtract_pending(t_.data(), u_.data(), stride, pending_, mine, mine + pending_, mine + 2 * pending_,
                               first, last, h, a);
    }
  }
}

// T = H_gg^-1 R and U = A_g. - A_gg T / 2. False when H_gg is not positive definite.
template <typename Real>
bool EliminationState<Real>::finish_rows(int64_t slot) {
  const int64_t stride = r_.cols();
  Real* const r = pending(r_, pending_);
  Real* const t = pending(t_, pending_);
  Real* const u = pending(u_, pending_);
  Matrix<double> h(s_, s_), a(s_, s_);
  for (int64_t p = 0; p < s_; ++p) {
    for (int64_t q = 0; q < s_; ++q) {
      const int64_t low = std::min(p, q), column = slot * s_ + std::max(p, q);
      h(p, q) = static_cast<double>(r[low * stride + column]);
      a(p, q) = static_cast<double>(u[low * stride + column]);
    }
  }
  const Eigen::LLT<Eigen::MatrixXd> factor{Eigen::MatrixXd(h)};
  if (factor.info() != Eigen::Success || !h.allFinite() || !a.allFinite()) return false;
  const Matrix<double> inverse = factor.solve(Eigen::MatrixXd::Identity(s_, s_));
  const int64_t tiles = (n_ + kColumnsOfATile - 1) / kColumnsOfATile;
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (n_ * s_ * s_ > kParallelFromOperations)
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t first = tile * kColumnsOfATile, last = std::min(first + kColumnsOfATile, n_);
    for (int64_t p = 0; p < s_; ++p) std::fill(t + p * stride + first, t + p * stride + last, Real{0});
    add_multiple(inverse, 1, r, t, stride, first, last);
    add_multiple(a, -0.5, t, u, stride, first, last);
  }
  return true;
}

// The diagonal blocks and the scores of the groups that are left. False when one of H is not positive definite.
template <typename Real>
bool EliminationState<Real>::downdate_blocks() {
  const int64_t stride = r_.cols();
  const Real* const r = pending(r_, pending_);
  const Real* const t = pending(t_, pending_);
  const Real* const u = pending(u_, pending_);
  std::atomic<bool> settled = true;
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (n_ * s_ * s_ > kParallelFromOperations)
  for (int64_t g = 0; g < stored_groups(); ++g) {
    if (!alive_[static_cast<size_t>(g)]) continue;
    for (int64_t x = 0; x < s_; ++x) {
      for (int64_t y = x; y < s_; ++y) {
        const int64_t i = g * s_ + x, j = g * s_ + y;
        double of_h = 0, of_a = 0;
        for (int64_t p = 0; p < s_; ++p) {
          const int64_t row = p * stride;
          const double ti = static_cast<double>(t[row + i]), tj = static_cast<double>(t[row + j]);
          of_h += ti * static_cast<double>(r[row + j]);
          of_a += ti * static_cast<double>(u[row + j]) + tj * static_cast<double>(u[row + i]);
        }
        const auto upper = static_cast<size_t>(i * s_ + y), lower = static_cast<size_t>(j * s_ + x);
        h_blocks_[upper] -= of_h;
        a_blocks_[upper] -= of_a;
        h_blocks_[lower] = h_blocks_[upper];
        a_blocks_[lower] = a_blocks_[upper];
      }
    }
    if (!score(g)) settled = false;
  }
  return settled;
}

template <typename Real>
void EliminationState<Real>::apply_pending() {
  const auto waiting = [&](const Matrix<Real>& rows) { return block_of(rows).part(0, pending_, 0, n_); };
  const Block<Real> h = block_of(h_).part(0, n_, 0, n_), a = block_of(a_).part(0, n_, 0, n_);
  symmetric_product<Real>(-1, waiting(t_), waiting(r_), 1, h);
  symmetric_product<Real>(-1, waiting(t_), waiting(u_), 1, a);
  symmetric_product<Real>(-1, waiting(u_), waiting(t_), 1, a);
  pending_ = 0;
}

// Closes the gaps of the groups that are gone, in place: every number moves up or left, in the order of reading.
template <typename Real>
void EliminationState<Real>::compact() {
  std::vector<int64_t> columns;
  size_t left = 0;
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (!alive_[g]) continue;
    for (int64_t p = 0; p < s_; ++p) columns.push_back(static_cast<int64_t>(g) * s_ + p);
    std::copy_n(h_blocks_.begin() + static_cast<int64_t>(g) * s_ * s_, s_ * s_,
                h_blocks_.begin() + static_cast<int64_t>(left) * s_ * s_);
    std::copy_n(a_blocks_.begin() + static_cast<int64_t>(g) * s_ * s_, s_ * s_,
                a_blocks_.begin() + static_cast<int64_t>(left) * s_ * s_);
    scores_[left] = scores_[g];
    groups_[left++] = groups_[g];
  }
  groups_.resize(left);
  scores_.resize(left);
  alive_.assign(left, true);
  dead_ = 0;
  n_ = static_cast<int64_t>(columns.size());
  Matrix<Real>* const matrices[2] = {&h_, &a_};
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (n_ * n_ > kParallelFromOperations)
  for (int m = 0; m < 2; ++m) {
    const int64_t stride = matrices[m]->cols();
    Real* const data = matrices[m]->data();
    for (int64_t i = 0; i < n_; ++i) {
      const Real* const from = data + columns[static_cast<size_t>(i)] * stride;
      for (int64_t j = i; j < n_; ++j) data[i * stride + j] = from[columns[static_cast<size_t>(j)]];
    }
  }
}

template class EliminationState<float>;
template class EliminationState<double>;

}  // namespace prunenet
