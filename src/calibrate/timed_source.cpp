// Counting beside the work.
#include "calibrate/timed_source.h"

#include "cost/self_cost.h"

namespace prunenet {
namespace {

using Kind = SourceWork::Kind;

class TimedSource final : public MomentSource {
 public:
  TimedSource(std::unique_ptr<MomentSource> source, PhaseTimes& times, const ModelShape& shape, const SourceWork& work)
      : source_(std::move(source)), times_(times), shape_(shape), work_(work) {}

  SiteMoments moments(int64_t layer, Site site) override {
    TimedPhase phase(&times_, "measuring");
    SiteMoments moments = source_->moments(layer, site);
    if (work_.kind == Kind::kStored) return moments;
    const bool targets = moments.target.has_value();
    const double outputs = targets ? static_cast<double>(moments.target->cross.rows()) : 0;
    const auto tokens = static_cast<double>(moments.inputs.tokens);
    phase.count(WorkKind::kProductF32,
                moment_flops(static_cast<double>(moments.inputs.width()), outputs, tokens, targets));
    const LayerShape& l = shape_of_layer(layer);
    if (work_.kind == Kind::kGaussian) {
      phase.count(WorkKind::kProductF32, 2 * tokens * l.up_params(shape_.hidden));
      return moments;
    }
    enter(phase, layer);
    const double output = 2 * l.output_params(shape_.hidden);
    if (site == Site::kAttention) {
      if (diverged_) phase.count(WorkKind::kForward, work_.tokens * (attention_flops(l) - output));
      if (targets) phase.count(WorkKind::kForward, work_.tokens * output);
    } else {
      if (diverged_ && changed_attention_ < layer) phase.count(WorkKind::kForward, work_.tokens * attention_flops(l));
      if (targets) phase.count(WorkKind::kForward, work_.tokens * ffn_flops(l));
    }
    return moments;
  }

  bool knows(Site site) const override { return source_->knows(site); }
  bool follows() const override { return source_->follows(); }

  std::optional<NeuronRefit> refit_neurons(int64_t layer, const SiteChange& start,
                                           NeuronRefitOptions options) override {
    TimedPhase phase(&times_, "refitting neurons");
    auto refit = source_->refit_neurons(layer, start, std::move(options));
    if (!refit) return refit;
    const LayerShape& l = shape_of_layer(layer);
    const auto kept = static_cast<double>(start.weight.cols()), outputs = static_cast<double>(start.weight.rows());
    const auto tokens = static_cast<double>(refit->tokens);
    const NeuronRefitFlops flops =
        neuron_refit_flops({kept, outputs, tokens, l.gated, static_cast<double>(refit->linearisations),
                            static_cast<double>(refit->iterations)});
    phase.count(WorkKind::kProductF32, flops.f32);
    phase.count(WorkKind::kProductF64, flops.f64);
    const double targets = 2 * tokens * l.down_params(shape_.hidden);  // what the outputs ought to be
    phase.count(WorkKind::kForward, flops.products + targets);
    return refit;
  }

  void changed(int64_t layer, Site site, const SiteChange& change) override {
    TimedPhase phase(&times_, "applying");
    source_->changed(layer, site, change);
    if (!follows()) return;
    enter(phase, layer);
    auto numbers = static_cast<double>(change.weight.size());
    if (change.rows) numbers += static_cast<double>(change.rows->up.size() + change.rows->gate.size());
    phase.count(WorkKind::kForward, 2 * work_.tokens * numbers);
    if (site == Site::kAttention) changed_attention_ = layer;
    diverged_ = true;
  }

  void dropped(int64_t layer) override {
    TimedPhase phase(&times_, "applying");
    source_->dropped(layer);
    if (!follows()) return;
    enter(phase, layer);
    diverged_ = true;
  }

  std::optional<double> finish() override {
    TimedPhase phase(&times_, "applying");
    const auto kl = source_->finish();
    if (kl) phase.count(WorkKind::kForward, 4 * work_.tokens * shape_.head_params());
    return kl;
  }

 private:
  const LayerShape& shape_of_layer(int64_t layer) const { return shape_.layers[static_cast<size_t>(layer)]; }
  double attention_flops(const LayerShape& l) const {
    return 2 * l.attention_params(shape_.hidden) + 2 * work_.mean_length * static_cast<double>(l.attention_width);
  }
  double ffn_flops(const LayerShape& l) const {
    return 2 * (l.up_params(shape_.hidden) + l.down_params(shape_.hidden));
  }

  // The dense model's pass through every layer up to this one.
  void enter(TimedPhase& phase, int64_t layer) {
    while (entered_ < layer) {
      const LayerShape& l = shape_of_layer(++entered_);
      phase.count(WorkKind::kForward, work_.tokens * (attention_flops(l) + ffn_flops(l)));
    }
  }

  std::unique_ptr<MomentSource> source_;
  PhaseTimes& times_;
  const ModelShape& shape_;
  SourceWork work_;
  int64_t entered_ = -1, changed_attention_ = -1;  // layers
  bool diverged_ = false;
};

}  // namespace

SourceWork walk_over(std::span<const std::vector<TokenId>> sequences) {
  SourceWork work;
  for (const auto& ids : sequences) {
    const auto length = static_cast<double>(ids.size());
    work.tokens += length;
    work.mean_length += length * length;
  }
  if (work.tokens > 0) work.mean_length /= work.tokens;  // what a token sees, on average, twice over
  return work;
}

std::unique_ptr<MomentSource> timed_source(std::unique_ptr<MomentSource> source, PhaseTimes& times,
                                           const ModelShape& shape, const SourceWork& work) {
  return std::make_unique<TimedSource>(std::move(source), times, shape, work);
}

}  // namespace prunenet
