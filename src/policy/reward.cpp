// Rewards.
#include "policy/reward.h"

#include <cmath>

namespace prunenet {

double spectrum_reward(double ks) { return ks == 0 ? kRewardOfZeroKs : 1 / ks; }

double discounted_reward(double reward, int64_t layer, double gamma) {
  return std::pow(gamma, static_cast<double>(layer)) * reward;
}

}  // namespace prunenet
