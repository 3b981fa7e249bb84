// Self-calibrated pruning, whole: the text, what the loss feels on it, how much each layer loses, the walk that chooses
// and refits, and what it all cost on text that the model has not been fitted to. Each step is a file of this room;
// this one says in which order they come and what they share.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calibrate/shrink.h"
#include "calibrate/text.h"
#include "cost/phase_times.h"
#include "cost/shape.h"

namespace prunenet {

enum class Calibration { kOwnText, kRandomTokens, kGivenText, kGaussian, kStoredMoments };

/// kSequential: layer after layer, on what the already pruned layers give. kOneShot: every layer on what the dense
/// model gives. kNone: the kept weights stay as they were; the choice is as in kOneShot.
enum class RefitMode { kSequential, kOneShot, kNone };

struct SelfOptions {
  Calibration calibration = Calibration::kOwnText;
  std::vector<std::vector<TokenId>> given;  // the ids of kGivenText
  const MomentsReader* stored = nullptr;    // of kStoredMoments
  int64_t sequences = 256, tokens = 256;    // of own text and random tokens; `tokens` is cut to the model's context
  double temperature = 1;
  int64_t gaussian_tokens = 4096;
  uint64_t seed = 42;
  int64_t batch = 0;  // of sampling; 0: see generation_batch

  RefitMode refit = RefitMode::kSequential;
  double feedback = 0.5;
  bool refit_attention = true;
  int64_t neuron_steps = 3;  // see ShrinkOptions
  int64_t neuron_iterations = 10;
  bool weigh_by_loss = true;           // choose by what the loss feels; needs the engine
  int64_t sensitivity_tokens = 65536;  // that it is measured on, from the front of the text
  std::optional<double> damping;
  Precision precision = Precision::kAuto;
  Accelerator* accelerator = nullptr;  // what chooses and refits; null: the host
  PhaseTimes* times = nullptr;         // where the time goes; null: nobody asks
};

/// "256 sequences of up to 256 tokens that the model wrote itself, seed 42", for people and manifests.
std::string words_of(const SelfOptions& options);

class SelfPruner {
 public:
  /// What is finished goes into `store`, and what it holds is not done again: it must be of this model and these
  /// options alone. `engine` may be null for kGaussian and kStoredMoments without a sequential refit. The arguments
  /// must outlive it. Throws kBadOption where an engine is needed and there is none, or the options contradict each
  /// other.
  SelfPruner(const Checkpoint& checkpoint, const ModelDescription& model, Engine* engine, SelfOptions options,
             ResultStore& store, Progress& progress);

  /// The text, made on the first call: what is fitted. Empty for Gaussian inputs.
  const std::vector<std::vector<TokenId>>& text();
  /// Own text that nothing was fitted to: `sequences` of kFreshTokens ids (or as many as the context holds) from number
  /// `first` of the seed on. From 0 they are those that compare makes. Its length is not that of the calibration: who
  /// fits to the first words of texts is to be judged by whole ones.
  std::vector<std::vector<TokenId>> fresh_text(int64_t sequences, int64_t first = 0);
  /// What the loss feels, measured on the first call; empty where it is not to be weighed.
  const Sensitivities& sensitivities();
  /// Moments of the dense model, layer by layer from the first: a new source a call.
  std::unique_ptr<MomentSource> dense_moments();

  /// Chooses and refits. `changed` is a new one, whose store gets the parts: the pruner's own, or a part of it.
  ShrinkOutcome shrink(const ShrinkPlan& plan, ChangedModel& changed);

  ShrinkOptions shrink_options() const;
  const Checkpoint& checkpoint() const { return checkpoint_; }
  const ModelDescription& model() const { return model_; }
  const SelfOptions& options() const { return options_; }
  /// The sizes that operations are counted by, where times are taken; else null.
  const ModelShape* shape() const { return shape_ ? &*shape_ : nullptr; }
  /// Throws kBadOption, naming `what`, where there is none.
  Engine& engine(const char* what) const;
  ResultStore& store() { return store_; }
  Progress& progress() { return progress_; }
  std::string words() const { return words_of(options_); }

 private:
  std::vector<std::vector<TokenId>> sampled(OwnTextOptions own, const char* phase);

  const Checkpoint& checkpoint_;
  const ModelDescription& model_;
  Engine* engine_;
  SelfOptions options_;
  ResultStore& store_;
  Progress& progress_;
  std::optional<std::vector<std::vector<TokenId>>> text_;
  std::optional<Sensitivities> sensitivities_;
  std::optional<ModelShape> shape_;                    // where times are taken
  std::optional<TransformerDescription> transformer_;  // of Gaussian inputs
};

/// KL of each layer's changes alone, the other layers dense: what each costs by itself. 0 for layers that are as they
/// were. Goes on from what is in `store` (names begin with "layer/"). Throws what the engine throws.
std::vector<double> kl_of_layers(KlProbe& probe, const ModelDescription& model, const ChangedModel& changed,
                                 ResultStore& store, Progress& progress);

}  // namespace prunenet
