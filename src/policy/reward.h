// What a draw earns: closeness of the kept rows' spectrum to the whole layer's, discounted by the layer's depth.
#pragma once

#include <cstdint>

namespace prunenet {

/// The published reward of a draw that leaves the spectrum exactly as it was.
inline constexpr double kRewardOfZeroKs = 99999;

/// 1 / KS, or kRewardOfZeroKs for KS = 0.
double spectrum_reward(double ks);

/// gamma^layer * reward: scaled by the layer's place and nothing else. No return-to-go, no baseline; so published.
double discounted_reward(double reward, int64_t layer, double gamma);

}  // namespace prunenet
