// The order of the work.
#include "calibrate/self_pruner.h"

#include <algorithm>

#include "base/cancel.h"
#include "base/error.h"
#include "calibrate/stored_values.h"
#include "calibrate/timed_source.h"
#include "cost/engine_speed.h"

namespace prunenet {

SelfPruner::SelfPruner(const Checkpoint& checkpoint, const ModelDescription& model, Engine* engine, SelfOptions options,
                       ResultStore& store, Progress& progress)
    : checkpoint_(checkpoint),
      model_(model),
      engine_(engine),
      options_(std::move(options)),
      store_(store),
      progress_(progress) {
  if (model_.max_context > 0) options_.tokens = std::min(options_.tokens, model_.max_context);
  const Calibration calibration = options_.calibration;
  PRUNENET_CHECK((calibration == Calibration::kStoredMoments) == (options_.stored != nullptr));
  const bool runs_text = calibration != Calibration::kGaussian && calibration != Calibration::kStoredMoments;
  if (runs_text || options_.refit == RefitMode::kSequential) this->engine("calibration on text");
  if (calibration == Calibration::kGaussian) {
    if (options_.refit == RefitMode::kSequential)
      fail(ErrorCode::kBadOption, "calibration", "Gaussian inputs have no text that a sequential refit could follow");
    transformer_ = describe_transformer(checkpoint_, model_);
  }
  if (options_.times != nullptr) shape_ = shape_of(checkpoint_, model_);
  if (!(options_.feedback >= 0 && options_.feedback <= 1))
    fail(ErrorCode::kBadOption, "feedback", "is {}, expected 0 to 1", options_.feedback);
}

Engine& SelfPruner::engine(const char* what) const {
  if (engine_ == nullptr) fail(ErrorCode::kBadOption, "calibration", "{} needs to run the model", what);
  return *engine_;
}

std::string words_of(const SelfOptions& options) {
  const auto counted = [&](const char* what) {
    return fmt::format("{} sequences of up to {} {}, seed {}", options.sequences, options.tokens, what, options.seed);
  };
  switch (options.calibration) {
    case Calibration::kOwnText:
      return counted("tokens that the model wrote itself") +
             (options.temperature == 1 ? "" : fmt::format(", temperature {}", options.temperature));
    case Calibration::kRandomTokens:
      return counted("random tokens");
    case Calibration::kGivenText:
      return fmt::format("{} tokens of a given text", num_tokens(options.given));
    case Calibration::kGaussian:
      return fmt::format("{} Gaussian inputs, seed {}", options.gaussian_tokens, options.seed);
    case Calibration::kStoredMoments:
      return options.stored->manifest().source;
  }
  return {};
}

const std::vector<std::vector<TokenId>>& SelfPruner::text() {
  if (text_) return *text_;
  switch (options_.calibration) {
    case Calibration::kOwnText: {
      OwnTextOptions own;
      own.sequences = options_.sequences;
      own.tokens = options_.tokens;
      own.temperature = options_.temperature;
      own.seed = options_.seed;
      own.first_sequence = kFirstCalibrationSequence;
      own.batch = options_.batch;
      text_ = sampled(own, "own text");
      break;
    }
    case Calibration::kRandomTokens:
      text_ = random_text(model_, options_.sequences, options_.tokens, options_.seed);
      break;
    case Calibration::kGivenText:
      text_ = options_.given;
      break;
    case Calibration::kStoredMoments:
      text_ = options_.stored->manifest().sequences;
      break;
    case Calibration::kGaussian:
      text_.emplace();
      break;
  }
  return *text_;
}

std::vector<std::vector<TokenId>> SelfPruner::fresh_text(int64_t sequences, int64_t first) {
  OwnTextOptions own;
  own.sequences = sequences;
  own.first_sequence = first;
  own.tokens = model_.max_context > 0 ? std::min(kFreshTokens, model_.max_context) : kFreshTokens;
  own.seed = options_.seed;
  own.batch = options_.batch;
  return sampled(own, "checking the result");
}

// As many sequences at a time as are computed together anyway, each time a part: so that a run that is stopped loses no
// more than those.
std::vector<std::vector<TokenId>> SelfPruner::sampled(OwnTextOptions own, const char* phase) {
  std::vector<std::vector<TokenId>> texts;
  const int64_t first = own.first_sequence, sequences = own.sequences;
  if (own.batch < 1) own.batch = generation_batch(engine("own text"), own.tokens);
  do {
    const auto done = static_cast<int64_t>(texts.size());
    own.first_sequence = first + done;
    own.sequences = std::min(own.batch, sequences - done);
    const std::string name = fmt::format("text/{}/{}", own.first_sequence, own.sequences);
    auto found = find_texts(store_, name, own.tokens, model_.vocab);
    if (!found || static_cast<int64_t>(found->size()) != own.sequences) {
      TimedPhase timed(options_.times, phase);
      found = sample_own_text(engine("own text"), model_, own, progress_);
      if (shape_) {
        const auto drawn = static_cast<double>(num_tokens(*found) - own.sequences);
        timed.count(WorkKind::kDecode, 2 * drawn * (shape_->layer_params() + shape_->head_params()));
      }
      put_texts(store_, name, *found);
    }
    texts.insert(texts.end(), std::make_move_iterator(found->begin()), std::make_move_iterator(found->end()));
  } while (static_cast<int64_t>(texts.size()) < sequences);
  return texts;
}

const Sensitivities& SelfPruner::sensitivities() {
  if (sensitivities_) return *sensitivities_;
  sensitivities_.emplace(store_);
  if (!options_.weigh_by_loss || sensitivities_->restore(model_)) return *sensitivities_;
  const auto layers = static_cast<int64_t>(model_.layers.size());
  if (options_.calibration == Calibration::kStoredMoments) {
    const auto source = stored_source(*options_.stored);
    for (const Site site : {Site::kAttention, Site::kFfn}) {
      for (int64_t layer = 0; source->knows(site) && layer < layers; ++layer) {
        auto stored = options_.stored->read(layer, map_name(site)).sensitivity;
        if (!stored) continue;
        stored->triangularView<Eigen::StrictlyLower>() = stored->transpose();
        sensitivities_->put(layer, site, *stored);
      }
    }
    sensitivities_->complete();
  } else if (options_.calibration != Calibration::kGaussian) {
    const auto part = first_tokens(text(), options_.sensitivity_tokens);
    if (part.empty()) return *sensitivities_;
    TimedPhase timed(options_.times, "what the loss feels");
    sensitivities_->measure(engine("weighing by the loss"), part, layers, progress_);
    const SourceWork work = walk_over(part);
    if (shape_) timed.count(WorkKind::kBackward, work.tokens * backward_flops_per_token(*shape_, work.mean_length));
  }
  return *sensitivities_;
}

std::unique_ptr<MomentSource> SelfPruner::dense_moments() {
  const auto timed = [&](std::unique_ptr<MomentSource> source, const SourceWork& work) {
    return options_.times == nullptr ? std::move(source)
                                     : timed_source(std::move(source), *options_.times, *shape_, work);
  };
  using Kind = SourceWork::Kind;
  if (options_.calibration == Calibration::kGaussian)
    return timed(gaussian_source(checkpoint_, *transformer_, {options_.gaussian_tokens, options_.seed}),
                 {Kind::kGaussian});
  if (options_.calibration == Calibration::kStoredMoments)
    return timed(stored_source(*options_.stored), {Kind::kStored});
  return timed(dense_source(engine("measuring moments"), text()), walk_over(text()));
}

ShrinkOptions SelfPruner::shrink_options() const {
  ShrinkOptions shrink;
  shrink.refit = options_.refit != RefitMode::kNone;
  shrink.refit_attention = options_.refit_attention;
  shrink.neuron_steps = options_.neuron_steps;
  shrink.neuron_iterations = options_.neuron_iterations;
  shrink.damping = options_.damping;
  shrink.precision = options_.precision;
  shrink.accelerator = options_.accelerator;
  shrink.times = options_.times;
  return shrink;
}

ShrinkOutcome SelfPruner::shrink(const ShrinkPlan& plan, ChangedModel& changed) {
  if (auto finished = finished_shrink(model_, plan, changed)) return std::move(*finished);
  const Sensitivities& weights = sensitivities();
  const bool follows = options_.refit == RefitMode::kSequential;
  if (follows && text().empty())
    fail(ErrorCode::kBadOption, "calibration", "there is no text that a sequential refit could follow");
  auto source = follows ? following_source(engine("a sequential refit"), text(), options_.feedback) : dense_moments();
  if (follows && options_.times != nullptr)
    source = timed_source(std::move(source), *options_.times, *shape_, walk_over(text()));
  return prunenet::shrink(checkpoint_, model_, plan, shrink_options(), *source, weights, changed, progress_);
}

std::vector<double> kl_of_layers(KlProbe& probe, const ModelDescription& model, const ChangedModel& changed,
                                 ResultStore& store, Progress& progress) {
  const auto layers = static_cast<int64_t>(model.layers.size());
  std::vector<double> result;
  progress.begin("measuring what each layer costs", static_cast<double>(layers));
  for (int64_t layer = 0; layer < layers; ++layer) {
    throw_if_cancelled();
    std::vector<ProbeChange> changes;
    if (changed.mask().drops(layer)) {
      changes.push_back({layer, std::nullopt, {}});
    } else {
      for (const Site site : {Site::kAttention, Site::kFfn}) {
        if (auto change = changed.change(layer, site)) changes.push_back({layer, site, std::move(*change)});
      }
    }
    const std::string name = fmt::format("layer/{}", layer);
    auto kl = changes.empty() ? std::optional(0.0) : find_number(store, name);
    if (!kl) {
      kl = probe.mean_kl(changes);
      put_number(store, name, *kl);
    }
    result.push_back(*kl);
    progress.advance(1);
  }
  progress.end();
  return result;
}

}  // namespace prunenet
