// Which inputs of a linear map can go: optimal brain surgeon (Hassibi and Stork 1993) for whole columns, in blocks.
// Plain matrices; knows no model. Refitting against other targets is in refit.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moments/moments.h"
#include "surgeon/damping.h"

namespace prunenet {

struct EliminationOptions {
  int64_t group_size = 1;     // columns [g s, (g + 1) s) live and die together: 1 for neurons, heads_per_kv * head_dim
  int64_t remove_groups = 0;  // 0 <= remove_groups <= F / group_size
  bool centred = false;       // a bias takes up the means: covariances count instead of second moments
  std::optional<double> damping;  // in scaled coordinates; none: automatic_damping
  Precision precision = Precision::kAuto;
  std::string where;  // names the layer in errors
};

struct Elimination {
  std::vector<int64_t> removed;  // groups, in the order in which they went
  std::vector<double> error;     // after each: E|W h - W' h'|^2_G of the best W' on what is left, damping included
  double energy = 0;             // E|W h|^2_G, of which the errors are parts (centred: of h - E[h])
  double damping = 0;            // what was added to the diagonal
  int damping_raised = 0;        // times it had to grow (each 10-fold) before the moments were positive definite
  int64_t dead_groups = 0;       // with no energy at all; they are first in `removed` and cost nothing
};

/// Removes groups one by one, each time the one whose loss is least after all that stays is refitted.
///
/// In scaled coordinates (h_i / sqrt(C_ii), W_i sqrt(C_ii)), with H = (C + damping I)^-1 over the columns that are left
/// and A = W^T G W [F, F], the loss of group g is tr(A_gg H_gg^-1). Its removal downdates both, with T = H_gg^-1 H_g.:
/// H -= H_.g T, A -= A_.g T + T^T A_g. - T^T A_gg T, which is A of the refitted W: W itself is never formed.
/// The sum of losses is the exact error of the damped least squares for what is kept, ridge towards the dense columns.
/// Greedy: each step is the best single removal given the earlier ones, the set need not be the best of its size.
///
/// `moments` of F inputs (tokens > 0 for automatic damping); `w` [D, F]; `sensitivity` G [D, D] (upper triangle) or
/// null for the identity. Rescaling a neuron (h_i by s, column i of w by 1/s) changes nothing; for powers of two, not a
/// bit. Equal losses: the group of higher index goes. A column with C_ii = 0 (or of constant input, when centred) is
/// dead; groups of dead columns go first at no cost.
///
/// Cost in flops: F^3 (inverse) + D F^2 (A; with G 2 D^2 F more) + 3 F^2 R (R columns removed), as matrix products on
/// fixed tiles: the same bits for any number of threads. Memory: two F x F matrices and 3 x 128 x F numbers, besides
/// the input. Error: in f64 the errors equal the exact ones to 1e-10 of the energy; in f32, with automatic damping and
/// inputs of large means, to 4e-5 of themselves, and near ties may fall otherwise (sets within 0.1 % of each other).
/// Frantar and Alistarh 2022 (OBC, arXiv 2208.11580) downdate the same way, for rows of W on their own.
/// Throws kNonFinite (moments, w or G hold NaN or infinity), kMismatch (shapes).
Elimination eliminate(const Moments& moments, const Matrix<float>& w, const Matrix<float>* sensitivity,
                      const EliminationOptions& options);

/// The groups that stay when the first `count` of `elimination.removed` are gone, ascending.
std::vector<int64_t> kept_groups(const Elimination& elimination, int64_t groups, int64_t count);
/// The columns of groups, ascending for ascending groups.
std::vector<int64_t> columns_of_groups(const std::vector<int64_t>& groups, int64_t group_size);

}  // namespace prunenet
