// Curves of what each layer loses, and what follows from them.
#include "calibrate/allocation.h"

#include <algorithm>
#include <cmath>

#include "base/cancel.h"
#include "base/error.h"
#include "calibrate/lazy_probe.h"
#include "calibrate/stored_values.h"
#include "model/encode.h"

namespace prunenet {
namespace {

constexpr int64_t kMostUnits = 65535;  // of a layer in the knapsack's table

// Of a matrix whose columns go: those that are chosen fill no blocks, and their number is a multiple of this.
Dtype scattered_dtype(Dtype stored, int64_t width_multiple) {
  return replacement_dtype(stored, width_multiple);
}

// What one neuron of a layer costs.
int64_t neuron_price(const Checkpoint& checkpoint, const ModelDescription& model, int64_t layer, BudgetUnit unit,
                     int64_t width_multiple) {
  double price = 0;  // a column of a quantised matrix is a part of a block
  for (const CoupledMember& member : model.layers[static_cast<size_t>(layer)].ffn.neurons.members) {
    const TensorSpec& spec = checkpoint.at(member.tensor).stored.spec;
    int64_t indices = 0;
    for (const UnitRun& run : member.runs) indices += run.count;
    const int64_t elements = spec.num_elements() / spec.shape[static_cast<size_t>(member.axis)] * indices;
    switch (unit) {
      case BudgetUnit::kParams:
        price += static_cast<double>(elements);
        break;
      case BudgetUnit::kBytes: {
        const bool columns = static_cast<size_t>(member.axis) + 1 == spec.shape.size();
        const Dtype dtype = columns ? scattered_dtype(spec.dtype, width_multiple) : spec.dtype;
        price += static_cast<double>(elements) * static_cast<double>(dtype_block_bytes(dtype)) /
                 static_cast<double>(dtype_block_elements(dtype));
        break;
      }
      case BudgetUnit::kFlops:
        price += spec.shape.size() == 2 ? 2 * static_cast<double>(elements) : 0;
        break;
    }
  }
  return std::llround(price);
}

// Piecewise linear through (0, 0) and the points, and on along the last piece. Never falling: KL of a small sample may.
class Interpolation {
 public:
  void add(double x, double y) {
    if (x <= x_.back()) return;
    x_.push_back(x);
    y_.push_back(std::max(y, y_.back()));
  }
  double operator()(double x) const {
    if (x_.size() == 1) return 0;
    size_t i = 1;
    while (i + 1 < x_.size() && x > x_[i]) ++i;
    const double share = (x - x_[i - 1]) / (x_[i] - x_[i - 1]);
    return y_[i - 1] + share * (y_[i] - y_[i - 1]);
  }

 private:
  std::vector<double> x_{0}, y_{0};
};

std::string part_of(int64_t layer) {
  return fmt::format("curve/{}", layer);
}

void put_curve(ResultStore& store, int64_t layer, const LayerCurve& curve) {
  ValueWriter writer;
  writer.add(curve.min_units);
  writer.add(curve.unit_price);
  writer.add(curve.cost);
  store.put(part_of(layer), writer.bytes());
}

// Of a layer of `width` neurons, in units of `multiple`.
std::optional<LayerCurve> find_curve(const ResultStore& store, int64_t layer, int64_t width, int64_t multiple) {
  const auto bytes = store.find(part_of(layer));
  if (!bytes) return std::nullopt;
  ValueReader reader(*bytes);
  LayerCurve curve;
  curve.min_units = reader.whole();
  curve.unit_price = reader.whole();
  curve.cost = reader.reals();
  const int64_t most = width / multiple;
  const bool fits = reader.is_whole() && curve.min_units >= 1 && curve.min_units <= most && curve.unit_price > 0 &&
                    !curve.cost.empty() && curve.max_units() <= most;
  if (!fits) return std::nullopt;
  return curve;
}

// KL when this layer alone keeps `count` of its neurons, refitted.
double kl_of_width(SelfPruner& pruner, KlProbe& probe, int64_t layer, const Elimination& elimination,
                   const Moments& moments, const Matrix<float>& weight, const std::optional<std::vector<double>>& bias,
                   int64_t count) {
  const int64_t width = weight.cols();
  ProbeChange change{layer, Site::kFfn, {}};
  change.change.kept = kept_groups(elimination, width, width - count);
  const ShrinkOptions shrink = pruner.shrink_options();
  const Refit fitted =
      refit(moments, nullptr, weight, bias ? &*bias : nullptr, change.change.kept, refit_options(shrink));
  if (shrink.refit) {
    change.change.weight = fitted.w;
    change.change.bias.assign(fitted.bias.begin(), fitted.bias.end());
  } else {
    change.change.weight = weight(Eigen::all, change.change.kept);
  }
  return probe.mean_kl({&change, 1});
}

}  // namespace

void require_shareable_widths(const ModelDescription& model, int64_t width_multiple) {
  const std::vector<int64_t> widths = model.ffn_widths();
  for (size_t layer = 0; layer < widths.size(); ++layer) {
    if (widths[layer] % width_multiple == 0 && widths[layer] / width_multiple <= kMostUnits) continue;
    fail(
        ErrorCode::kBadOption, "--width-multiple",
        "is {}; to share the loss between layers it must divide the {} neurons of layer {}, and not more than {} times",
        width_multiple, widths[layer], layer, kMostUnits);
  }
}

AdaptiveWidths adaptive_widths(SelfPruner& pruner, const std::vector<int64_t>& uniform,
                               const AdaptiveOptions& options) {
  const ModelDescription& model = pruner.model();
  const auto layers = static_cast<int64_t>(model.layers.size());
  const int64_t multiple = options.width_multiple;
  require_shareable_widths(model, multiple);
  const Sensitivities& sensitivities = pruner.sensitivities();
  std::optional<LazyProbe> probe;
  if (options.curves == CurveKind::kKl) {
    Engine& engine = pruner.engine("measuring KL");
    auto text = first_tokens(pruner.text(), options.probe_tokens);
    if (text.empty())
      fail(ErrorCode::kBadOption, "calibration", "holds no text that KL could be measured on: use curves of error");
    probe.emplace([&engine, text = std::move(text)] { return engine.open_probe(text); });
  }
  const auto source = pruner.dense_moments();

  AdaptiveWidths result;
  result.width_multiple = multiple;
  int64_t budget = 0;
  const double parts =
      probe ? static_cast<double>(options.points + 1) : 1;  // of a layer's work: the points, and all else
  pruner.progress().begin("measuring how much each layer can lose", static_cast<double>(layers) * parts);
  for (int64_t layer = 0; layer < layers; ++layer) {
    throw_if_cancelled();
    const auto l = static_cast<size_t>(layer);
    const int64_t width = model.layers[l].ffn.neurons.width;
    const int64_t price = neuron_price(pruner.checkpoint(), model, layer, options.unit, multiple);
    budget += uniform[l] * price;
    if (auto found = find_curve(pruner.store(), layer, width, multiple)) {
      result.curves.push_back(std::move(*found));
      pruner.progress().advance(parts);
      continue;
    }
    const Moments moments = source->moments(layer, Site::kFfn).inputs;
    const Elimination elimination = eliminate_site(pruner.checkpoint(), model, layer, Site::kFfn, moments,
                                                   sensitivities, std::min(multiple, width), pruner.shrink_options());
    const double energy = elimination.energy > 0 ? elimination.energy : 1;
    LayerCurve curve = error_curve(elimination, width, multiple, 1 / energy, price);
    pruner.progress().advance(1);
    if (probe) {
      const Matrix<float> weight = site_weight(pruner.checkpoint(), model, layer, Site::kFfn);
      const auto bias = site_bias(pruner.checkpoint(), model, layer, Site::kFfn);
      Interpolation kl;
      for (int64_t point = 1; point <= options.points; ++point, pruner.progress().advance(1)) {
        // Closer together where little is removed: that is where most layers will end.
        const double removed = 0.9 * std::pow(static_cast<double>(point) / static_cast<double>(options.points), 1.5);
        const auto count =
            std::max<int64_t>(1, static_cast<int64_t>(std::lround((1 - removed) * static_cast<double>(width))));
        const int64_t gone = width - count;
        if (gone < 1 || gone > static_cast<int64_t>(elimination.error.size())) continue;
        kl.add(elimination.error[static_cast<size_t>(gone - 1)] / energy,
               kl_of_width(pruner, *probe, layer, elimination, moments, weight, bias, count));
      }
      for (double& cost : curve.cost) cost = kl(cost);
    }
    put_curve(pruner.store(), layer, curve);
    result.curves.push_back(std::move(curve));
  }
  pruner.progress().end();

  const Allocation allocation = allocate(result.curves, budget);
  result.cost = allocation.cost;
  result.exact = allocation.exact;
  for (size_t l = 0; l < result.curves.size(); ++l) {
    const LayerCurve& curve = result.curves[l];
    result.widths.push_back(allocation.units[l] * multiple);
    const int64_t units = std::clamp(uniform[l] / multiple, curve.min_units, curve.max_units());
    result.uniform_cost += curve.cost[static_cast<size_t>(units - curve.min_units)];
  }
  return result;
}

std::vector<DroppedLayer> choose_dropped_layers(KlProbe& probe, int64_t num_layers, int64_t count, ResultStore& store,
                                                Progress& progress) {
  PRUNENET_CHECK(count >= 0 && count < num_layers);
  std::vector<DroppedLayer> dropped;
  std::vector<ProbeChange> gone;
  const double trials = static_cast<double>(count * num_layers - count * (count - 1) / 2);
  progress.begin("measuring which layers can go", trials);
  while (static_cast<int64_t>(dropped.size()) < count) {
    DroppedLayer best{-1, 0};
    for (int64_t layer = 0; layer < num_layers; ++layer) {
      const auto is_gone = [&](const DroppedLayer& other) { return other.layer == layer; };
      if (std::any_of(dropped.begin(), dropped.end(), is_gone)) continue;
      throw_if_cancelled();
      const std::string name = fmt::format("drop/{}/{}", dropped.size(), layer);
      auto kl = find_number(store, name);
      if (!kl) {
        gone.push_back({layer, std::nullopt, {}});
        kl = probe.mean_kl(gone);
        gone.pop_back();
        put_number(store, name, *kl);
      }
      if (best.layer < 0 || *kl < best.kl) best = {layer, *kl};
      progress.advance(1);
    }
    dropped.push_back(best);
    gone.push_back({best.layer, std::nullopt, {}});
  }
  progress.end();
  return dropped;
}

}  // namespace prunenet
