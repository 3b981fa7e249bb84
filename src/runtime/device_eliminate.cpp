// One removal after another, without asking the device which it was until a panel is full.
#include "runtime/device_eliminate.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "runtime/device_matrix.h"
#include "surgeon/elimination_problem.h"

namespace prunenet {
namespace {

constexpr int64_t kPanelRows = 128;  // removals that wait for the matrix product, as on the host
constexpr double kNever = std::numeric_limits<double>::infinity();

// H and A over the groups that are left, both triangles. Letters and formulas as in surgeon/elimination_state.h.
class DeviceState {
 public:
  DeviceState(at::Tensor h, at::Tensor a, int64_t group_size)
      : s_(group_size), h_(std::move(h)), a_(std::move(a)), groups_(static_cast<size_t>(h_.size(0) / s_)) {
    std::iota(groups_.begin(), groups_.end(), 0);
    const int64_t count = stored_groups();
    const at::TensorOptions wide = h_.options().dtype(at::kDouble), whole = h_.options().dtype(at::kLong);
    alive_ = at::ones({count}, h_.options().dtype(at::kBool));
    order_ = at::arange(count, whole);
    within_ = at::arange(s_, whole);
    h_blocks_ = diagonal_blocks(h_);
    a_blocks_ = diagonal_blocks(a_);
    settled_ = at::ones({}, h_.options().dtype(at::kBool));
    rows_ = std::max(kPanelRows, s_);
    for (at::Tensor* waiting : {&r_, &t_, &u_}) *waiting = at::empty({rows_, h_.size(0)}, h_.options());
    which_ = at::empty({rows_}, whole);
    losses_ = at::empty({rows_}, wide);
    score();
  }

  struct Removal {
    int64_t slot;  // of the group, as the groups were given
    double loss;
  };

  // Removes `count` groups, each time the one of least loss (equal losses: the last). False when H is no longer
  // positive definite to working precision; what was removed by then is then worthless.
  bool remove(int64_t count, std::vector<Removal>& removals, void (*throw_if_cancelled)()) {
    while (count > 0) {
      if (throw_if_cancelled != nullptr) throw_if_cancelled();
      const int64_t now = std::min(count, rows_ / s_);
      for (int64_t i = 0; i < now; ++i) remove_best(i);
      if (!settled_.item<bool>()) return false;
      const std::vector<int64_t> slots = to_host_indices(which_.narrow(0, 0, now));
      const std::vector<double> losses = to_host_numbers(losses_.narrow(0, 0, now));
      for (size_t i = 0; i < slots.size(); ++i) {
        removals.push_back({groups_[static_cast<size_t>(slots[i])], losses[i]});
      }
      count -= now;
      dead_ += now;
      if (count == 0) break;
      apply_pending(now * s_);
      if (8 * dead_ > stored_groups()) compact();
    }
    return true;
  }

 private:
  int64_t stored_groups() const { return static_cast<int64_t>(groups_.size()); }

  // [groups, s, s] in f64.
  at::Tensor diagonal_blocks(const at::Tensor& matrix) const {
    const int64_t count = stored_groups();
    if (s_ == 1) return matrix.diagonal().to(at::kDouble, false, true).view({count, 1, 1});
    return matrix.view({count, s_, count, s_}).diagonal(0, 0, 2).permute({2, 0, 1}).to(at::kDouble).contiguous();
  }

  // tr(A_gg H_gg^-1) for every group that is left; what rounding brings below zero is zero. Groups that are gone never
  // come again; nor do those where something is wrong, which `settled_` remembers: so a choice is always in range.
  void score() {
    at::Tensor loss, bad;
    if (s_ == 1) {
      const at::Tensor h = h_blocks_.view({-1});
      loss = a_blocks_.view({-1}) / h;
      bad = h.gt(0).logical_not();
    } else {
      const at::Tensor identity = at::eye(s_, h_blocks_.options());
      const at::Tensor blocks = at::where(alive_.view({-1, 1, 1}), h_blocks_, identity);
      const auto [factor, info] = at::linalg_cholesky_ex(blocks);
      loss = at::cholesky_solve(a_blocks_, factor).diagonal(0, -2, -1).sum(-1);
      bad = info.ne(0);
    }
    bad = bad.logical_or(at::isfinite(loss).logical_not());
    settled_ = settled_.logical_and(bad.logical_and(alive_).any().logical_not());
    scores_ = loss.clamp_min(0).masked_fill(bad.logical_or(alive_.logical_not()), kNever);
  }

  // The i-th removal of the panel.
  void remove_best(int64_t i) {
    const at::Tensor least = at::amin(scores_);
    const at::Tensor slot = at::amax(order_.masked_fill(scores_.ne(least), -1)).view({1});
    which_.narrow(0, i, 1).copy_(slot);
    losses_.narrow(0, i, 1).copy_(least.view({1}));
    const at::Tensor columns = slot * s_ + within_;  // [s]
    const int64_t first = i * s_;

    // Rows g of H and A as they are now: what is stored, less what waits.
    at::Tensor r = h_.index_select(0, columns), a = a_.index_select(0, columns);
    if (first > 0) {
      const at::Tensor t = t_.narrow(0, 0, first), u = u_.narrow(0, 0, first);
      const auto of = [&](const at::Tensor& rows) { return rows.narrow(0, 0, first).index_select(1, columns).t(); };
      r = r - at::mm(of(r_), t);
      a = a - at::mm(of(u_), t) - at::mm(of(t_), u);
    }
    const at::Tensor h_gg = r.index_select(1, columns).to(at::kDouble);
    const at::Tensor a_gg = a.index_select(1, columns).to(at::kDouble);
    at::Tensor inverse, good;
    if (s_ == 1) {
      inverse = h_gg.reciprocal();
      good = h_gg.gt(0).all();
    } else {
      const auto [factor, info] = at::linalg_cholesky_ex(h_gg);
      inverse = at::cholesky_inverse(factor);
      good = info.eq(0).all();
    }
    settled_ = settled_.logical_and(good).logical_and(at::isfinite(a_gg).all());
    const at::Tensor t = at::mm(inverse.to(r.scalar_type()), r);
    const at::Tensor u = a - at::mm((0.5 * a_gg).to(r.scalar_type()), t);
    r_.narrow(0, first, s_).copy_(r);
    t_.narrow(0, first, s_).copy_(t);
    u_.narrow(0, first, s_).copy_(u);
    alive_.index_fill_(0, slot, false);
    downdate_blocks(r, t, u);
    score();
  }

  void downdate_blocks(const at::Tensor& r, const at::Tensor& t, const at::Tensor& u) {
    const int64_t count = stored_groups();
    const auto across = [&](const at::Tensor& rows) {
      return rows.to(at::kDouble).view({s_, count, s_}).transpose(0, 1);
    };
    const at::Tensor left = across(t).transpose(1, 2);  // [groups, x, p]
    if (s_ == 1) {
      h_blocks_.sub_(left * across(r));
      a_blocks_.sub_(left * across(u), 2);
      return;
    }
    const auto symmetric = [](const at::Tensor& blocks) { return 0.5 * (blocks + blocks.transpose(1, 2)); };
    h_blocks_.sub_(symmetric(at::bmm(left, across(r))));
    a_blocks_.sub_(symmetric(at::bmm(left, across(u))), 2);
  }

  void apply_pending(int64_t rows) {
    const at::Tensor r = r_.narrow(0, 0, rows), t = t_.narrow(0, 0, rows), u = u_.narrow(0, 0, rows);
    h_.addmm_(t.t(), r, 1, -1);
    a_.addmm_(t.t(), u, 1, -1);
    a_.addmm_(u.t(), t, 1, -1);
  }

  // Closes the gaps of the groups that are gone.
  void compact() {
    const at::Tensor left = alive_.nonzero().view({-1});
    const at::Tensor columns = (left.unsqueeze(1) * s_ + within_).view({-1});
    for (at::Tensor* matrix : {&h_, &a_}) {
      *matrix = matrix->index_select(0, columns);  // one at a time: what it was is free before the next
      *matrix = matrix->index_select(1, columns);
    }
    std::vector<int64_t> groups;
    for (const int64_t slot : to_host_indices(left)) groups.push_back(groups_[static_cast<size_t>(slot)]);
    groups_ = std::move(groups);
    h_blocks_ = h_blocks_.index_select(0, left);
    a_blocks_ = a_blocks_.index_select(0, left);
    scores_ = scores_.index_select(0, left);
    alive_ = alive_.index_select(0, left);
    order_ = order_.narrow(0, 0, stored_groups());
    for (at::Tensor* waiting : {&r_, &t_, &u_}) *waiting = at::empty({rows_, h_.size(0)}, h_.options());
    dead_ = 0;
  }

  int64_t s_;
  at::Tensor h_, a_;                // [n, n]
  std::vector<int64_t> groups_;     // stored groups, ascending
  at::Tensor alive_, order_;        // of stored groups; 0, 1, 2 ...
  at::Tensor within_;               // 0 .. s - 1
  at::Tensor h_blocks_, a_blocks_;  // f64 [stored groups, s, s], up to date
  at::Tensor scores_;               // f64, of stored groups; infinite: never to be chosen
  at::Tensor settled_;              // false from where H was not positive definite
  int64_t rows_ = 0, dead_ = 0;     // of a panel; stored groups that are gone
  at::Tensor r_, t_, u_;            // [rows, n]: what waits
  at::Tensor which_, losses_;       // of the panel's removals
};

// W^T G W over scaled columns.
at::Tensor weight_gram(const EliminationProblem& problem, std::span<const int64_t> columns, Place place) {
  const at::Tensor whole = on_device(problem.w, {place.device, at::kFloat});
  const at::Tensor w = scaled_columns_on(whole, problem.scaling, columns, place, problem.options.where);
  if (problem.sensitivity == nullptr) return at::mm(w.t(), w);
  const at::Tensor g = whole_symmetric(on_device(*problem.sensitivity, place));
  if (!all_finite(g)) fail(ErrorCode::kNonFinite, problem.options.where, "the sensitivity holds NaN or infinity");
  return at::mm(w.t(), at::mm(g, w));
}

// False when this damping does not do. result.removed and error get the live removals.
bool try_to_eliminate(const EliminationProblem& problem, int64_t count, double damping, Place place,
                      Elimination& result, void (*throw_if_cancelled)()) {
  const std::vector<int64_t> columns = columns_of_groups(problem.live, problem.options.group_size);
  // Columns that are dead within a live group stand alone: unit moments, and no weight.
  at::Tensor a = weight_gram(problem, columns, place);
  at::Tensor h = scaled_moments_on(problem.moments, problem.scaling, columns, place, problem.options.where);
  result.energy = inner_product_of(a, h);
  h.diagonal().add_(damping);
  {
    const auto [factor, info] = at::linalg_cholesky_ex(h);
    if (info.item<int>() != 0) return false;
    h = at::cholesky_inverse(factor);
  }
  DeviceState state(std::move(h), std::move(a), problem.options.group_size);
  std::vector<DeviceState::Removal> removals;
  if (!state.remove(count, removals, throw_if_cancelled)) return false;
  double error = 0;
  for (const DeviceState::Removal& removal : removals) {
    error += removal.loss;
    result.removed.push_back(problem.live[static_cast<size_t>(removal.slot)]);
    result.error.push_back(error);
  }
  return true;
}

}  // namespace

Elimination eliminate_on(at::Device device, const Moments& moments, const Matrix<float>& w,
                         const Matrix<float>* sensitivity, const EliminationOptions& options,
                         void (*throw_if_cancelled)()) {
  const at::NoGradGuard no_grad;
  const auto attempt = [&](const EliminationProblem& problem, int64_t count, double damping, Precision precision,
                           Elimination& result) {
    const Place place{device, precision == Precision::kF64 ? at::kDouble : at::kFloat};
    return try_to_eliminate(problem, count, damping, place, result, throw_if_cancelled);
  };
  return eliminate_by(attempt, moments, w, sensitivity, options);
}

}  // namespace prunenet
