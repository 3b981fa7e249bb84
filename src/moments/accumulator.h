// Moments as a stream: rows of inputs (and of targets) come in, averages go out. Memory: the result and one panel.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "moments/moments.h"

namespace prunenet {

/// What a MomentAccumulator gives at its end.
struct CollectedMoments {
  Moments moments;
  std::optional<TargetMoments> target;  // where targets were added
};

/// Sums h h^T, h, t h^T, t and |t|^2 over tokens.
///
/// Rows are staged in panels of kPanelTokens; each panel is one f32 matrix product on fixed tiles, added in f32 in the
/// order of tokens. So the bits depend on neither the number of threads nor how the tokens were cut into chunks.
/// Error of a second or cross moment over N tokens, against exact sums of the same f32 inputs: at most
/// (kPanelTokens + N / kPanelTokens + 3) 2^-24 times E|h_i h_j|; found about 1e-6 of it. Means and |t|^2 are summed in
/// f64. Cost: F^2 N flops (half of a full product) and D F N multiply-adds for targets, at matrix-product speed; memory
/// 4 F^2 + 4 D F bytes and a panel of 4 kPanelTokens (F + D).
class MomentAccumulator {
 public:
  static constexpr int64_t kPanelTokens = 1024;

  /// `inputs` is F; `outputs` is D, or 0 where no targets come. `where` names the layer in errors ("layer 3, input of
  /// down").
  explicit MomentAccumulator(int64_t inputs, int64_t outputs = 0, std::string where = {});

  /// Adds n tokens: `h` [n, F] row-major and, where outputs > 0, `targets` [n, D]; n may be 0 and differ from call to
  /// call. Throws kNonFinite, naming `where` and the token, when one holds NaN or infinity; nothing is then added.
  void add(std::span<const float> h, std::span<const float> targets = {});

  int64_t tokens() const { return tokens_; }

  /// The averages; of no token: zeros. The accumulator gives its memory to the result and is used up. Throws kNonFinite
  /// when a product left the range of f32.
  CollectedMoments finish();

 private:
  void flush();

  int64_t inputs_, outputs_;
  std::string where_;
  int64_t tokens_ = 0;
  int64_t staged_ = 0;                    // rows in the panels
  Matrix<float> panel_, target_panel_;    // [kPanelTokens, F], [kPanelTokens, D]
  Matrix<float> second_, cross_;          // sums [F, F] (upper), [D, F]
  std::vector<double> sum_, target_sum_;  // [F], [D]
  double energy_ = 0;
};

}  // namespace prunenet
