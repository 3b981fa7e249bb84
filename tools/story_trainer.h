// Training of the demo model, step by step. How well it then knows the grammar is in story_score.h.
#pragma once

#include <cstdint>
#include <vector>

#include "story_corpus.h"
#include "story_model.h"

namespace prunenet {

struct StoryTraining {
  uint64_t seed = kTrainingTextSeed;  // of the text, its rows and the first weights
  int64_t steps = 2400;
  int64_t rows = 16;  // a step, of `positions` ids each
  double peak_rate = 3e-3;
  int64_t warmup_steps = 100;
  double weight_decay = 0.05;  // of matrices
  double largest_gradient = 1.0;
};

/// AdamW (Loshchilov & Hutter 2019), its rate rising in a line and falling to zero along half a cosine, gradients cut
/// to a norm. With the same options, libtorch, machine and number of threads the result is the same to the bit.
class StoryTrainer {
 public:
  /// `model` and `encoder` must outlive it.
  StoryTrainer(StoryModel& model, BpeEncoder& encoder, const StoryTraining& options);

  int64_t steps_done() const { return step_; }
  /// One step; gives the mean loss of its tokens in nats. Throws kNonFinite where it is no number.
  double step();

 private:
  at::Tensor next_rows();
  double clip_gradients();
  void update(double rate);

  StoryModel& model_;
  BpeEncoder& encoder_;
  StoryTraining options_;
  int64_t step_ = 0;
  std::vector<at::Tensor> means_, squares_;  // of the gradients, a parameter each
};

}  // namespace prunenet
