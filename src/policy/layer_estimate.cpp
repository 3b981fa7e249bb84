// Removed rows are taken off the whole where that leaves no rounding errors of theirs.
#include "policy/layer_estimate.h"

#include "spectrum/removed_rows.h"

namespace prunenet {

bool can_estimate(SpectrumMethod method, SpectrumRoute route, int64_t rows, int64_t cols, int64_t kept) {
  return method == SpectrumMethod::kEstimate && route == SpectrumRoute::kGram && cols >= kEstimateFromOrder &&
         kept > cols && kept < rows;
}

void LayerEstimate::prepare(LayerProber& prober) {
  if (probes_) return;
  row_weights_ = prober.row_weights();
  probes_ = prober.without({});
}

SpectrumDistance LayerEstimate::distance(std::span<const double> whole, std::span<const int64_t> kept,
                                         LayerProber& prober) {
  prepare(prober);
  const std::vector<int64_t> removed = removed_rows(kept, static_cast<int64_t>(row_weights_.size()));
  double all_weight = 0, removed_weight = 0;
  for (const double weight : row_weights_) all_weight += weight;
  for (const int64_t row : removed) removed_weight += row_weights_[static_cast<size_t>(row)];
  const ProbedSpectrum some = may_downdate(removed_weight, all_weight) ? prober.without(removed) : prober.of(kept);
  return estimated_distance(whole, *probes_, some);
}

}  // namespace prunenet
