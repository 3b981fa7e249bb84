// The state of an elimination: H and A over the groups that are left, and what the removals of the current block have
// changed in them. See eliminate.h for the mathematics.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "linalg/block.h"

namespace prunenet {

template <typename Real>
class EliminationState {
 public:
  struct Removal {
    int64_t slot;  // of the group, as the groups were given
    double loss;
  };

  /// Takes H and A [n, n] (upper triangles), n / group_size groups.
  EliminationState(Matrix<Real> h, Matrix<Real> a, int64_t group_size);

  /// Removes the group of least loss (equal losses: the last). Nothing when H is no longer positive definite to working
  /// precision. At least one group must be left.
  std::optional<Removal> remove_best();

 private:
  static constexpr int64_t kBlockRows = 128;        // removals that wait for the matrix product; eliminate.h states it
  static constexpr int64_t kColumnsOfATile = 2048;  // of rows that are brought up to date together

  int64_t stored_groups() const { return static_cast<int64_t>(groups_.size()); }
  Real* pending(Matrix<Real>& rows, int64_t row) const { return rows.data() + row * rows.cols(); }
  bool score(int64_t slot);
  void current_rows(int64_t slot);
  bool finish_rows(int64_t slot);
  bool downdate_blocks();
  void apply_pending();
  void compact();

  int64_t s_, n_;                            // group size; columns stored
  Matrix<Real> h_, a_;                       // rows keep their first length: [n at first]
  std::vector<int64_t> groups_;              // stored groups, ascending
  std::vector<bool> alive_;                  // of stored groups
  std::vector<double> scores_;               // of stored groups
  std::vector<double> h_blocks_, a_blocks_;  // the diagonal blocks [stored groups, s, s], up to date
  int64_t pending_ = 0, dead_ = 0;           // rows that wait; stored groups that are gone
  Matrix<Real> r_, t_,
      u_;  // the rows that wait: H_g., H_gg^-1 H_g., A_g. - A_gg T / 2; so H -= T^T R, A -= T^T U + U^T T
};

}  // namespace prunenet
