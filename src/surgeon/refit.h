// What the kept columns of a linear map become: least squares under second moments, with a ridge and a bias.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "moments/moments.h"
#include "surgeon/damping.h"

namespace prunenet {

enum class RidgeTowards { kDense, kZero };

struct RefitOptions {
  std::optional<double> damping;  // in scaled coordinates h_i / sqrt(C_ii); none: automatic_damping
  RidgeTowards towards = RidgeTowards::kDense;
  Precision precision = Precision::kAuto;
  std::string where;  // names the layer in errors
};

/// All errors and energies are averages over tokens, summed over the D outputs, without the ridge.
struct Refit {
  Matrix<float> w;           // [D, K]
  std::vector<double> bias;  // [D]; empty where the map has none
  double target_energy = 0;  // E|t - b|^2, b the dense bias
  double plain_error = 0;    // E|t - W_S h_S - b|^2: columns cut, nothing refitted
  double error = 0;          // after the refit
  double damping = 0;        // what was used
  int damping_raised = 0;    // times it had to grow (each 10-fold) before the moments were positive definite
};

/// Minimises E|t - W' h_S - b'|^2 + damping |W' - W_S|^2 (in scaled coordinates; kZero: damping |W'|^2) over W' [D, K]
/// and, where there is a bias, b'.
///
/// `moments` of F inputs h, `target` against the same h, or null for t = W h + b (the map itself on these inputs); `w`
/// dense [D, F]; `bias` [D] dense, or null where the map has none and must get none; `kept` S: K ascending columns,
/// 1 <= K <= F. With a bias, moments are centred, and b' = E[t] - W' E[h_S]: for constant removed inputs that is
/// b + W_removed E[h_removed] and W' = W_S. A dead column (C_ii = 0; constant input, where there is a bias) keeps its
/// dense weights (kZero: becomes zero).
///
/// Solved for the change W' - W_S by Cholesky, f64 up to kF64UpToWidth inputs, f32 above. Relative error of the change:
/// cond times rounding at worst, cond at most (largest eigenvalue of the scaled moments) / damping; found in f32, where
/// inputs have large means, 3e-4, which moves the error that is left by 4e-6 of itself. A step of iterative refinement
/// with a residual in f64 would halve that, for two fifths more time. `w` is rounded to f32 at the end.
/// Cost in flops: K^3 / 3 + 2 D K^2 (solve), D F^2 + 2 D K (F - K) without or 2 D K^2 with a target.
/// Memory: an F x F and a K x K matrix, one of D x F and two of D x K. Same bits for any number of threads.
/// Throws kNonFinite, kMismatch (shapes).
Refit refit(const Moments& moments, const TargetMoments* target, const Matrix<float>& w,
            const std::vector<double>* bias, std::span<const int64_t> kept, const RefitOptions& options = {});

}  // namespace prunenet
