// Layer by layer.
#include "calibrate/shrink.h"

#include <algorithm>

#include "base/cancel.h"
#include "base/error.h"
#include "calibrate/stored_values.h"
#include "cost/self_cost.h"

namespace prunenet {
namespace {

// Shares of the identity in the metrics, where E[g g^T] has trace D. It knows the directions that the loss of a finite
// text felt; the others are not worth nothing. Measured on stories260K at 30 %, KL: choosing with 0 0.567, 0.3 0.5545.
constexpr double kPlainShareOfChoice = 0.3, kPlainShareOfRefit = 0.1;

// G + share I; the identity where there is no G.
Matrix<float> weighed(std::optional<Matrix<float>> sensitivity, double share, int64_t outputs) {
  if (!sensitivity) return Matrix<float>::Identity(outputs, outputs);
  sensitivity->diagonal().array() += static_cast<float>(share);
  return std::move(*sensitivity);
}

// What the surgeon's products are counted as.
WorkKind surgeon_kind(Precision precision, int64_t width) {
  return resolve(precision, width) == Precision::kF64 ? WorkKind::kProductF64 : WorkKind::kProductF32;
}

// Shares of time, for the bar alone. Measured on two layers of TinyLlama's shape (hidden size 2048, 5632 neurons) with
// 3644 tokens: measuring 7.6 s, choosing 5.0 s, refitting 2.2 s, carrying the change on 4.9 s, a Gauss-Newton step of
// ten iterations 73 s; in small models such a step takes less.
constexpr double kShareOfAttention = 0.15;                              // of a layer's time without Gauss-Newton steps
constexpr double kMeasuring = 0.4, kChoosing = 0.25, kRefitting = 0.1;  // of a site's; the rest is carrying on
constexpr double kNeuronIteration = 0.3;  // of a Gauss-Newton step, beside all the rest of the site

// How far the work on a site is: its steps, and at the end whatever of its share no step has claimed.
class SiteProgress {
 public:
  SiteProgress(Progress& progress, double share) : progress_(progress), left_(share) {}
  void step(double share) {
    left_ -= share;
    progress_.advance(share);
  }
  void finish() { step(left_); }

 private:
  Progress& progress_;
  double left_;
};

// The parts of a walk in the store of its changed model. That of a site comes after its tensors, so that it stands for
// all of them; kShrunk comes last.
const std::string kShrunk = "shrunk";

std::string part_of(int64_t layer, Site site) {
  return fmt::format("site/{}/{}", layer, site_name(site));
}

struct SitePart {
  SiteOutcome outcome;
  SiteState state;
};

void put_site(const SitePart& part, ResultStore& store) {
  const SiteOutcome& o = part.outcome;
  ValueWriter writer;
  for (const int64_t value :
       {o.units_before, o.units_after, o.neuron_steps, int64_t{o.damping_raised}, o.dead_units, o.tokens})
    writer.add(value);
  for (const double value :
       {o.target_energy, o.error_before, o.error_refitted, o.error_after, o.damping, o.refit_damping})
    writer.add(value);
  writer.add(int64_t{part.state.kept.has_value()});
  writer.add(part.state.kept.value_or(std::vector<int64_t>()));
  writer.add(std::vector<int64_t>(part.state.replaced.begin(), part.state.replaced.end()));
  store.put(part_of(o.layer, o.site), writer.bytes());
}

// Nothing where it is not there, or is not what the plan would make.
std::optional<SitePart> find_site(const ModelDescription& model, const ShrinkPlan& plan, const ChangedModel& changed,
                                  int64_t layer, Site site) {
  const auto bytes = changed.store().find(part_of(layer, site));
  if (!bytes) return std::nullopt;
  ValueReader reader(*bytes);
  SitePart part;
  SiteOutcome& o = part.outcome;
  o.layer = layer;
  o.site = site;
  int64_t raised = 0;
  for (int64_t* value : {&o.units_before, &o.units_after, &o.neuron_steps, &raised, &o.dead_units, &o.tokens})
    *value = reader.whole();
  o.damping_raised = static_cast<int>(raised);
  for (double* value :
       {&o.target_energy, &o.error_before, &o.error_refitted, &o.error_after, &o.damping, &o.refit_damping})
    *value = reader.real();
  const bool has_kept = reader.whole() != 0;
  std::vector<int64_t> kept = reader.wholes();
  if (has_kept) part.state.kept = std::move(kept);
  for (const int64_t replaced : reader.wholes()) part.state.replaced.push_back(replaced != 0);
  const int64_t units = units_of(model, layer, site);
  const auto l = static_cast<size_t>(layer);
  const int64_t planned = site == Site::kFfn ? plan.widths[l] : plan.kv_groups.empty() ? units : plan.kv_groups[l];
  const int64_t left = part.state.kept ? static_cast<int64_t>(part.state.kept->size()) : units;
  const bool fits = reader.is_whole() && o.units_before == units && o.units_after == planned && left == planned;
  if (!fits || !changed.can_restore(layer, site, part.state)) return std::nullopt;
  return part;
}

class Shrinker {
 public:
  Shrinker(const Checkpoint& checkpoint, const ModelDescription& model, const ShrinkPlan& plan,
           const ShrinkOptions& options, MomentSource& source, const Sensitivities& sensitivities,
           ChangedModel& changed, Progress& progress)
      : checkpoint_(checkpoint),
        model_(model),
        plan_(plan),
        options_(options),
        source_(source),
        sensitivities_(sensitivities),
        changed_(changed),
        progress_(progress) {
    if (options.refit)
      neuron_share_ = kNeuronIteration * static_cast<double>(options.neuron_steps * options.neuron_iterations);
  }

  /// The units of progress of a layer.
  double layer_share() const { return share_of(Site::kAttention) + share_of(Site::kFfn); }

  void drop(int64_t layer) {
    source_.dropped(layer);
    changed_.drop_layer(layer);
    diverged_ = true;
    progress_.advance(layer_share());
  }

  void visit(int64_t layer, Site site, int64_t kept_units) {
    SiteProgress done(progress_, share_of(site));
    change(layer, site, kept_units, done);
    done.finish();
  }

  std::vector<SiteOutcome> take() { return std::move(outcomes_); }

 private:
  // Without Gauss-Newton steps, which FFNs alone have.
  static double plain_share(Site site) { return site == Site::kAttention ? kShareOfAttention : 1 - kShareOfAttention; }
  double share_of(Site site) const { return plain_share(site) * (1 + (site == Site::kFfn ? neuron_share_ : 0)); }

  // Leaves the site alone where nothing goes and nothing is to be repaired.
  void change(int64_t layer, Site site, int64_t kept_units, SiteProgress& done) {
    const int64_t units = units_of(model_, layer, site);
    const bool cuts = kept_units < units;
    const bool repairs =
        options_.refit && diverged_ && source_.follows() && (site == Site::kFfn || options_.refit_attention);
    if (!cuts && !repairs) return;
    if (const auto found = find_site(model_, plan_, changed_, layer, site)) {
      changed_.restore(layer, site, found->state);
      leave(layer, site, found->outcome);
      return;
    }
    if (!source_.knows(site)) {
      fail(ErrorCode::kBadOption, fmt::format("layer {}", layer),
           "its {} is to be cut, and these moments say nothing of it", site_name(site));
    }
    const SiteMoments moments = source_.moments(layer, site);
    SiteOutcome outcome;
    outcome.layer = layer;
    outcome.site = site;
    outcome.units_before = units;
    outcome.units_after = kept_units;
    outcome.tokens = moments.inputs.tokens;
    const double share = plain_share(site);
    done.step(kMeasuring * share);
    if (cuts) {
      choose(layer, site, kept_units, moments, outcome);
      done.step(kChoosing * share);
    }
    refit_site(layer, site, moments, outcome, done);
    put_site({outcome, changed_.state(layer, site)}, changed_.store());
    leave(layer, site, outcome);
  }

  void leave(int64_t layer, Site site, const SiteOutcome& outcome) {
    if (const auto change = changed_.change(layer, site)) source_.changed(layer, site, *change);
    diverged_ = true;
    outcomes_.push_back(outcome);
  }

  void choose(int64_t layer, Site site, int64_t kept_units, const SiteMoments& moments, SiteOutcome& outcome) {
    TimedPhase phase(options_.times, "choosing");
    const Elimination elimination =
        eliminate_site(checkpoint_, model_, layer, site, moments.inputs, sensitivities_, kept_units, options_);
    const int64_t removed = (outcome.units_before - kept_units) * unit_inputs(model_, layer, site);
    phase.count(surgeon_kind(options_.precision, moments.inputs.width()),
                elimination_flops(static_cast<double>(moments.inputs.width()), static_cast<double>(model_.hidden),
                                  static_cast<double>(removed), !sensitivities_.empty()));
    outcome.damping = elimination.damping;
    outcome.damping_raised += elimination.damping_raised;
    outcome.dead_units = elimination.dead_groups;
    std::vector<int64_t> kept = kept_groups(elimination, outcome.units_before, outcome.units_before - kept_units);
    if (site == Site::kFfn) {
      changed_.keep_neurons(layer, std::move(kept));
    } else {
      changed_.keep_kv_groups(layer, std::move(kept));
    }
  }

  void refit_site(int64_t layer, Site site, const SiteMoments& moments, SiteOutcome& outcome, SiteProgress& done) {
    const Matrix<float> weight = site_weight(checkpoint_, model_, layer, site);
    const auto bias = site_bias(checkpoint_, model_, layer, site);
    const TargetMoments* target = moments.target ? &*moments.target : nullptr;
    const std::vector<int64_t> kept = changed_.kept_inputs(layer, site);
    const std::vector<double>* const dense_bias = bias ? &*bias : nullptr;
    Accelerator* const accelerator = options_.accelerator;
    const Refit result = [&] {
      TimedPhase phase(options_.times, "refitting");
      phase.count(surgeon_kind(options_.precision, weight.cols()),
                  refit_flops(static_cast<double>(weight.cols()), static_cast<double>(weight.rows()),
                              static_cast<double>(kept.size()), target != nullptr));
      return accelerator != nullptr
                 ? accelerator->refit(moments.inputs, target, weight, dense_bias, kept, refit_options(options_))
                 : prunenet::refit(moments.inputs, target, weight, dense_bias, kept, refit_options(options_));
    }();
    outcome.target_energy = result.target_energy;
    outcome.error_before = result.plain_error;
    outcome.error_refitted = outcome.error_after = options_.refit ? result.error : result.plain_error;
    outcome.refit_damping = result.damping;
    outcome.damping_raised += result.damping_raised;
    done.step(kRefitting * plain_share(site));
    if (!options_.refit) return;
    if (site == Site::kFfn && options_.neuron_steps > 0) {
      SiteChange start;
      start.kept = kept;
      start.weight = result.w;
      start.bias.assign(result.bias.begin(), result.bias.end());
      const bool refitted = refit_neurons(layer, start, weight.rows(), outcome);
      done.step(neuron_share_ * plain_share(site));
      if (refitted) return;
    }
    changed_.refit(layer, site, result.w, result.bias);
  }

  // False where the source cannot.
  bool refit_neurons(int64_t layer, const SiteChange& start, int64_t outputs, SiteOutcome& outcome) {
    NeuronRefitOptions neurons;
    neurons.steps = options_.neuron_steps;
    neurons.iterations = options_.neuron_iterations;
    neurons.damping = options_.neuron_damping;
    neurons.metric = weighed(sensitivities_.get(layer, Site::kFfn), kPlainShareOfRefit, outputs);
    const auto refitted = source_.refit_neurons(layer, start, std::move(neurons));
    if (!refitted) return false;
    const SiteChange& change = refitted->change;
    changed_.refit(layer, Site::kFfn, change.weight, std::vector<double>(change.bias.begin(), change.bias.end()));
    changed_.refit_neurons(layer, *change.rows);
    outcome.error_after = refitted->plain_error_after;
    outcome.neuron_steps = refitted->steps;
    return true;
  }

  const Checkpoint& checkpoint_;
  const ModelDescription& model_;
  const ShrinkPlan& plan_;
  const ShrinkOptions& options_;
  MomentSource& source_;
  const Sensitivities& sensitivities_;
  ChangedModel& changed_;
  Progress& progress_;
  double neuron_share_ = 0;  // of Gauss-Newton steps, beside the rest of an FFN
  bool diverged_ = false;
  std::vector<SiteOutcome> outcomes_;
};

}  // namespace

RefitOptions refit_options(const ShrinkOptions& options) {
  RefitOptions refit;
  refit.damping = options.damping;
  refit.precision = options.precision;
  return refit;
}

namespace {

// `left` of `count` units, spread over all of them: of a quantised matrix they fill no blocks, as those that are chosen
// will not, so that what is counted is what will be stored.
std::vector<int64_t> spread(int64_t left, int64_t count) {
  std::vector<int64_t> kept(static_cast<size_t>(left));
  for (int64_t i = 0; i < left; ++i) kept[static_cast<size_t>(i)] = i * count / left;
  return kept;
}

}  // namespace

Mask mask_of_sizes(const ModelDescription& model, const ShrinkPlan& plan) {
  Mask mask;
  for (size_t l = 0; l < model.layers.size(); ++l) {
    mask.kept.push_back(spread(plan.widths[l], model.layers[l].ffn.neurons.width));
    if (plan.kv_groups.empty()) continue;
    mask.kept_kv_groups.push_back(spread(plan.kv_groups[l], model.layers[l].attention.kv_groups.width));
  }
  mask.dropped_layers = plan.dropped_layers;
  return mask;
}

Elimination eliminate_site(const Checkpoint& checkpoint, const ModelDescription& model, int64_t layer, Site site,
                           const Moments& moments, const Sensitivities& sensitivities, int64_t least,
                           const ShrinkOptions& options) {
  const Matrix<float> weight = site_weight(checkpoint, model, layer, site);
  auto sensitivity = sensitivities.get(layer, site);
  if (sensitivity) sensitivity = weighed(std::move(sensitivity), kPlainShareOfChoice, weight.rows());
  EliminationOptions elimination;
  elimination.group_size = unit_inputs(model, layer, site);
  elimination.remove_groups = units_of(model, layer, site) - least;
  elimination.centred = options.refit && site_ref(model, layer, site).bias->has_value();
  elimination.damping = options.damping;
  elimination.precision = options.precision;
  elimination.where = fmt::format("layer {}, {}", layer, site_name(site));
  const Matrix<float>* const metric = sensitivity ? &*sensitivity : nullptr;
  if (options.accelerator != nullptr) return options.accelerator->eliminate(moments, weight, metric, elimination);
  return eliminate(moments, weight, metric, elimination);
}

namespace {

void put_shrunk(const ShrinkOutcome& outcome, ResultStore& store) {
  ValueWriter writer;
  writer.add(int64_t{outcome.kl_on_own.has_value()});
  writer.add(outcome.kl_on_own.value_or(0));
  std::vector<int64_t> sites;
  for (const SiteOutcome& site : outcome.sites)
    sites.insert(sites.end(), {site.layer, static_cast<int64_t>(site.site)});
  writer.add(sites);
  store.put(kShrunk, writer.bytes());
}

}  // namespace

std::optional<ShrinkOutcome> finished_shrink(const ModelDescription& model, const ShrinkPlan& plan,
                                             ChangedModel& changed) {
  const auto bytes = changed.store().find(kShrunk);
  if (!bytes) return std::nullopt;
  ValueReader reader(*bytes);
  ShrinkOutcome outcome;
  const bool followed = reader.whole() != 0;
  const double kl = reader.real();
  if (followed) outcome.kl_on_own = kl;
  const std::vector<int64_t> sites = reader.wholes();
  if (!reader.is_whole() || sites.size() % 2 != 0) return std::nullopt;
  std::vector<SitePart> parts;
  for (size_t i = 0; i < sites.size(); i += 2) {
    const int64_t layer = sites[i];
    if (layer < 0 || layer >= static_cast<int64_t>(model.layers.size())) return std::nullopt;
    const Site site = sites[i + 1] == static_cast<int64_t>(Site::kFfn) ? Site::kFfn : Site::kAttention;
    auto part = find_site(model, plan, changed, layer, site);
    if (!part) return std::nullopt;
    parts.push_back(std::move(*part));
  }
  for (const int64_t layer : plan.dropped_layers) changed.drop_layer(layer);
  for (SitePart& part : parts) {
    changed.restore(part.outcome.layer, part.outcome.site, part.state);
    outcome.sites.push_back(part.outcome);
  }
  return outcome;
}

int64_t num_finished_layers(const ResultStore& store, int64_t layers) {
  if (store.find(kShrunk)) return layers;
  // Layers that go have no parts, nor those where nothing changes: the last part says how far the walk has come.
  for (int64_t layer = layers - 1; layer >= 0; --layer) {
    if (store.find(part_of(layer, Site::kFfn))) return layer + 1;
    if (store.find(part_of(layer, Site::kAttention))) return layer;
  }
  return 0;
}

ShrinkOutcome shrink(const Checkpoint& checkpoint, const ModelDescription& model, const ShrinkPlan& plan,
                     const ShrinkOptions& options, MomentSource& source, const Sensitivities& sensitivities,
                     ChangedModel& changed, Progress& progress) {
  const auto layers = static_cast<int64_t>(model.layers.size());
  PRUNENET_CHECK(static_cast<int64_t>(plan.widths.size()) == layers);
  PRUNENET_CHECK(plan.kv_groups.empty() || static_cast<int64_t>(plan.kv_groups.size()) == layers);
  Shrinker shrinker(checkpoint, model, plan, options, source, sensitivities, changed, progress);
  progress.begin(options.refit ? "choosing and refitting" : "choosing",
                 static_cast<double>(layers) * shrinker.layer_share());
  for (int64_t layer = 0; layer < layers; ++layer) {
    throw_if_cancelled();
    const auto l = static_cast<size_t>(layer);
    if (std::binary_search(plan.dropped_layers.begin(), plan.dropped_layers.end(), layer)) {
      shrinker.drop(layer);
    } else {
      const int64_t groups = model.layers[l].attention.kv_groups.width;
      shrinker.visit(layer, Site::kAttention, plan.kv_groups.empty() ? groups : plan.kv_groups[l]);
      shrinker.visit(layer, Site::kFfn, plan.widths[l]);
    }
  }
  ShrinkOutcome outcome;
  outcome.kl_on_own = source.finish();
  progress.end();
  outcome.sites = shrinker.take();
  put_shrunk(outcome, changed.store());
  return outcome;
}

}  // namespace prunenet
