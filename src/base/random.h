// Random numbers addressed by (seed, stage, layer, step): the value of a draw depends on its address alone, never on
// the number of threads or on what was drawn before. Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers:
// as easy as 1, 2, 3"), checked against that paper's known answers.
#pragma once

#include <array>
#include <cstdint>

namespace prunenet {

/// One Philox4x32-10 block: 128 random bits of a 128-bit counter under a 64-bit key.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// What a stream is for. The numbers are part of the results of a seed: never renumber.
enum class RandomStage : uint32_t {
  kPolicyInit = 1,
  kPolicyAct = 2,
  kPolicyUpdate = 3,
  kPolicySample = 4,
  kPolicyPrune = 5,
  kRandomSelection = 6,
  kDemoModel = 7,
  kBench = 8,
  kPolicyPruneSample = 9,
  kGenerate = 10,      // layer: the sequence, step: the position of the token that is drawn
  kDemoText = 11,      // layer: the story
  kDemoTraining = 12,  // step: of the optimiser
  kGaussianMoments = 13,  // step: the token
  kRandomText = 14,       // layer: the sequence
};

/// A stream of up to 2^34 32-bit draws.
class RandomStream {
 public:
  RandomStream(uint64_t seed, RandomStage stage, uint32_t layer = 0, uint32_t step = 0);

  uint32_t next_u32();
  /// Uniform in the open interval (0, 1): never 0, never 1. 52 random bits.
  double next_open();
  /// Uniform in [low, high).
  double next_uniform(double low, double high);
  /// Logistic noise log(e) - log(1 - e), e uniform in (0, 1): at most 36.7 in size.
  double next_logistic();
  /// Gumbel noise -log(-log(e)).
  double next_gumbel();

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace prunenet
