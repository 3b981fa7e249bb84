// How much each layer keeps, by evidence: what it costs when it alone is cut, at several widths, and an exact knapsack
// under the budget that a uniform cut would have. And which layers can go whole.
#pragma once

#include <cstdint>
#include <vector>

#include "calibrate/self_pruner.h"
#include "surgeon/allocate.h"

namespace prunenet {

/// kKl: KL(dense || dense with that layer cut), measured at a few widths and interpolated along the layer's error
/// curve. kError: the error curve itself, relative to what the layer adds.
enum class CurveKind { kKl, kError };
enum class BudgetUnit { kParams, kBytes, kFlops };

struct AdaptiveOptions {
  CurveKind curves = CurveKind::kKl;
  BudgetUnit unit = BudgetUnit::kParams;
  int64_t width_multiple = 1;   // widths are multiples of it; it must divide every layer's width
  int64_t points = 5;           // widths at which KL is measured
  int64_t probe_tokens = 4096;  // of text that KL is measured on
};

struct AdaptiveWidths {
  std::vector<int64_t> widths;
  std::vector<LayerCurve> curves;
  int64_t width_multiple = 1;
  double cost = 0, uniform_cost = 0;  // sums of the curves at these widths, and at uniform ones
  bool exact = true;
};

/// Throws kBadOption where the multiple does not divide a layer's width, or divides it into more units than the
/// knapsack can hold.
void require_shareable_widths(const ModelDescription& model, int64_t width_multiple);

/// `uniform`: the widths that a uniform cut would keep; their price is the budget. Throws kBadOption, before anything
/// is measured, where the multiple does not divide a layer's width, and where KL is to be measured and there is no
/// text. Cost: a walk through the dense model, an elimination a layer, and for kKl `points` refits and forward passes
/// from that layer on. Curves go into the pruner's store,
/// and those that it holds are not measured again.
AdaptiveWidths adaptive_widths(SelfPruner& pruner, const std::vector<int64_t>& uniform, const AdaptiveOptions& options);

struct DroppedLayer {
  int64_t layer = 0;
  double kl = 0;  // KL(dense || without this layer and those before it)
};
/// `count` layers, each time the one whose absence costs least with those before it gone. Cost: for every candidate a
/// forward pass from the first missing layer on.
/// What was measured goes into `store`, and what is there is not measured again (names begin with "drop/").
std::vector<DroppedLayer> choose_dropped_layers(KlProbe& probe, int64_t num_layers, int64_t count, ResultStore& store,
                                                Progress& progress);

}  // namespace prunenet
