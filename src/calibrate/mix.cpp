// Estimates from each of the three alone, then the best few for real.
#include "calibrate/mix.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/cancel.h"
#include "base/error.h"
#include "calibrate/lazy_probe.h"
#include "calibrate/stored_values.h"

namespace prunenet {
namespace {

class MixFinder {
 public:
  MixFinder(SelfPruner& pruner, const MixOptions& options)
      : pruner_(pruner),
        options_(options),
        model_(pruner.model()),
        layers_(static_cast<int64_t>(model_.layers.size())),
        whole_(options.params_after(whole_mask(model_))),
        most_(static_cast<int64_t>(std::floor((1 - options.total_ratio) * static_cast<double>(whole_)))) {
    for (const LayerDescription& layer : model_.layers) {
      fewest_groups_ = std::min(fewest_groups_, layer.attention.kv_groups.width);
      widest_ = std::max(widest_, layer.ffn.neurons.width);
    }
    if (!model_.keys.heads_fixed.empty()) fewest_groups_ = 1;
  }

  Mix find() {
    std::vector<MixCandidate> candidates = list();
    if (candidates.empty()) {
      fail(ErrorCode::kBadOption, "--ratio-total",
           "is {}: no mix of neurons, heads and layers that leaves some of each removes that much",
           options_.total_ratio);
    }
    judging_text_ = pruner_.fresh_text(options_.judging_sequences, kFirstJudgingSequence);
    order_layers(candidates);
    for (MixCandidate& candidate : candidates) candidate.estimated_kl = estimate(candidate);
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const MixCandidate& a, const MixCandidate& b) { return a.estimated_kl < b.estimated_kl; });
    return measure(std::move(candidates));
  }

 private:
  ShrinkPlan plan_of(int64_t layers_dropped, int64_t groups_removed, const std::vector<int64_t>& widths) const {
    ShrinkPlan plan;
    plan.widths = widths;
    for (const LayerDescription& layer : model_.layers)
      plan.kv_groups.push_back(layer.attention.kv_groups.width - groups_removed);
    if (groups_removed == 0) plan.kv_groups.clear();
    // Before they are ordered, the last ones stand for them: layers are alike in size.
    for (int64_t i = 0; i < layers_dropped; ++i)
      plan.dropped_layers.push_back(order_.empty() ? layers_ - 1 - i : order_[static_cast<size_t>(i)].layer);
    std::sort(plan.dropped_layers.begin(), plan.dropped_layers.end());
    return plan;
  }

  int64_t params_of(const ShrinkPlan& plan) const { return options_.params_after(mask_of_sizes(model_, plan)); }

  std::vector<int64_t> widths_of(int64_t width) const {
    std::vector<int64_t> widths;
    for (const LayerDescription& layer : model_.layers) widths.push_back(std::min(width, layer.ffn.neurons.width));
    return widths;
  }

  // The largest width that keeps within the budget; nothing where none does.
  std::optional<MixCandidate> candidate(int64_t layers_dropped, int64_t groups_removed) const {
    const int64_t step = options_.width_multiple;
    const auto fits = [&](int64_t width) {
      return params_of(plan_of(layers_dropped, groups_removed, widths_of(width))) <= most_;
    };
    int64_t width = widest_;
    if (!fits(width)) {
      int64_t low = 0, high = widest_ / step + 1;  // low * step fits (or is none), high * step does not
      while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        (fits(middle * step) ? low : high) = middle;
      }
      if (low == 0) return std::nullopt;
      width = low * step;
    }
    MixCandidate result;
    result.layers_dropped = layers_dropped;
    result.kv_groups_removed = groups_removed;
    result.widths = widths_of(width);
    const int64_t after = params_of(plan_of(layers_dropped, groups_removed, result.widths));
    result.total_ratio = 1 - static_cast<double>(after) / static_cast<double>(whole_);
    return result;
  }

  // Layers are alike: as many may go as the budget pays for, and never all.
  int64_t most_layers() const {
    if (!model_.keys.layers_fixed.empty()) return 0;
    ShrinkPlan plan;
    plan.widths = widths_of(widest_);
    plan.dropped_layers = {layers_ - 1};
    const int64_t price = std::max<int64_t>(1, whole_ - params_of(plan));
    return std::min(layers_ - 1, (whole_ - most_ + price - 1) / price);
  }

  // Which layers go first, for as many as any candidate drops.
  void order_layers(const std::vector<MixCandidate>& candidates) {
    int64_t most = 0;
    for (const MixCandidate& candidate : candidates) most = std::max(most, candidate.layers_dropped);
    LazyProbe probe([&] { return pruner_.engine("measuring KL").open_probe(judging_text_); });
    StorePart store(pruner_.store(), "mix/");
    order_ = choose_dropped_layers(probe, layers_, most, store, pruner_.progress());
  }

  std::vector<MixCandidate> list() const {
    std::vector<MixCandidate> candidates;
    for (int64_t layers = 0, most = most_layers(); layers <= most; ++layers) {
      for (int64_t groups = 0; groups < fewest_groups_; ++groups) {
        auto found = candidate(layers, groups);
        if (!found) continue;  // even the narrowest FFN is too much; without more heads it may not be
        const bool neurons_stay = found->widths == widths_of(widest_);
        candidates.push_back(std::move(*found));
        if (neurons_stay) break;  // more heads would only remove more than was asked for
      }
    }
    return candidates;
  }

  // Of a single cut; `name` tells it from the others.
  double kl_of(const std::string& name, const ShrinkPlan& plan) {
    throw_if_cancelled();
    const std::string number = "mix/estimate/" + name;
    StorePart parts(pruner_.store(), "mix/trial/" + name + "/");
    if (const auto known = find_number(pruner_.store(), number)) {
      parts.clear();  // of a run that was stopped just before it did so
      return *known;
    }
    ChangedModel changed(pruner_.checkpoint(), model_, parts);
    const auto source = pruner_.dense_moments();
    const ShrinkOptions options = pruner_.shrink_options();
    prunenet::shrink(pruner_.checkpoint(), model_, plan, options, *source, pruner_.sensitivities(), changed,
                     pruner_.progress());
    const double kl = measure_changed(pruner_.engine("measuring KL"), model_, changed, judging_text_);
    put_number(pruner_.store(), number, kl);
    parts.clear();  // gone with the estimate
    return kl;
  }

  // Each alone, in one shot; a sum of three is no promise, but it orders the candidates.
  double estimate(const MixCandidate& candidate) {
    const double of_layers =
        candidate.layers_dropped == 0 ? 0 : order_[static_cast<size_t>(candidate.layers_dropped - 1)].kl;
    const int64_t width = *std::max_element(candidate.widths.begin(), candidate.widths.end());
    return of_layers + kl_of_groups(candidate.kv_groups_removed) + kl_of_width(width);
  }

  // Linear between a few points of [0, last], all multiples of `step` but the ends; `measure` is asked once for each.
  template <typename Measure>
  static double interpolated(int64_t x, int64_t last, int64_t step, int64_t intervals, std::map<int64_t, double>& known,
                             const Measure& measure) {
    const auto at = [&](int64_t i) { return i == intervals ? last : last * i / intervals / step * step; };
    const auto value = [&](int64_t point) {
      auto [found, is_new] = known.try_emplace(point, 0);
      if (is_new) found->second = measure(point);
      return found->second;
    };
    int64_t i = 0;
    while (i + 1 < intervals && at(i + 1) < x) ++i;
    const int64_t low = at(i), high = at(i + 1);
    if (x == high || high <= low) return value(high);
    const double share = static_cast<double>(x - low) / static_cast<double>(high - low);
    return value(low) + share * (value(high) - value(low));
  }

  double kl_of_groups(int64_t removed) {
    return interpolated(removed, fewest_groups_ - 1, 1, 4, kl_of_groups_, [&](int64_t groups) {
      return groups == 0 ? 0.0 : kl_of(fmt::format("heads {}", groups), plan_of(0, groups, widths_of(widest_)));
    });
  }

  double kl_of_width(int64_t width) {
    const int64_t step = options_.width_multiple;
    return interpolated(width, widest_, step, 6, kl_of_neurons_, [&](int64_t w) {
      return w >= widest_
                 ? 0.0
                 : kl_of(fmt::format("width {}", w), plan_of(0, 0, widths_of(std::max(w, std::min(step, widest_)))));
    });
  }

  static std::string name_of(size_t candidate) { return fmt::format("mix/kl/{}", candidate); }

  struct Carried {
    std::unique_ptr<StorePart> parts;
    std::unique_ptr<ChangedModel> changed;
    ShrinkOutcome outcome;
  };
  StorePart parts_of(size_t candidate) const { return {pruner_.store(), fmt::format("mix/{}/", candidate)}; }
  Carried carry_out(const MixCandidate& c, size_t number) {
    Carried carried;
    carried.parts = std::make_unique<StorePart>(parts_of(number));
    carried.changed = std::make_unique<ChangedModel>(pruner_.checkpoint(), model_, *carried.parts);
    carried.outcome = pruner_.shrink(plan_of(c.layers_dropped, c.kv_groups_removed, c.widths), *carried.changed);
    return carried;
  }

  Mix measure(std::vector<MixCandidate> candidates) {
    const auto count =
        std::min<size_t>(candidates.size(), static_cast<size_t>(std::max<int64_t>(1, options_.measured)));
    Mix mix;
    // What was measured before is known without being carried out again; of the others, the best so far stays.
    std::optional<size_t> best;
    const auto is_better = [&](size_t i) { return !best || *candidates[i].kl < *candidates[*best].kl; };
    for (size_t i = 0; i < count; ++i) {
      candidates[i].kl = find_number(pruner_.store(), name_of(i));
      if (candidates[i].kl && is_better(i)) best = i;
    }
    for (size_t i = 0; i < count; ++i) {  // beaten before the run was stopped
      if (candidates[i].kl && i != *best) parts_of(i).clear();
    }
    for (size_t i = 0; i < count; ++i) {
      if (candidates[i].kl) continue;
      Carried carried = carry_out(candidates[i], i);
      const double kl = measure_changed(pruner_.engine("measuring KL"), model_, *carried.changed, judging_text_);
      candidates[i].kl = kl;
      put_number(pruner_.store(), name_of(i), kl);
      const bool is_best = is_better(i) || (kl == *candidates[*best].kl && i < *best);
      if (!is_best) {
        carried.parts->clear();
        continue;
      }
      mix.changed.reset();
      if (best) parts_of(*best).clear();
      best = i;
      mix.parts = std::move(carried.parts);
      mix.changed = std::move(carried.changed);
      mix.outcome = std::move(carried.outcome);
    }
    const MixCandidate& chosen = candidates[*best];
    mix.plan = plan_of(chosen.layers_dropped, chosen.kv_groups_removed, chosen.widths);
    if (!mix.changed) {
      Carried carried = carry_out(chosen, *best);
      mix.parts = std::move(carried.parts);
      mix.changed = std::move(carried.changed);
      mix.outcome = std::move(carried.outcome);
    }
    std::stable_sort(candidates.begin(), candidates.begin() + static_cast<int64_t>(count),
                     [](const MixCandidate& a, const MixCandidate& b) { return *a.kl < *b.kl; });
    mix.candidates = std::move(candidates);
    return mix;
  }

  SelfPruner& pruner_;
  const MixOptions& options_;
  const ModelDescription& model_;
  int64_t layers_, whole_, most_;  // number of layers; parameters of the model, and that may be left
  int64_t fewest_groups_ = int64_t{1} << 30, widest_ = 0;
  std::vector<std::vector<TokenId>> judging_text_;
  std::vector<DroppedLayer> order_;
  std::map<int64_t, double> kl_of_groups_, kl_of_neurons_;
};

}  // namespace

Mix find_mix(SelfPruner& pruner, const MixOptions& options) {
  if (!(options.total_ratio > 0 && options.total_ratio < 1))
    fail(ErrorCode::kBadOption, "--ratio-total", "is {}, expected more than 0 and less than 1", options.total_ratio);
  return MixFinder(pruner, options).find();
}

}  // namespace prunenet
