// Spectra and totals for reports.
#include "cli/report_data.h"

#include "base/cancel.h"
#include "base/error.h"
#include "policy/prunenet_scorer.h"
#include "spectrum/ks.h"

namespace prunenet::cli {
namespace {

constexpr const char* kNotConverged = "an eigenvalue computation did not converge; the spectrum of layer {} is not exact";

// Loads every layer, hands it to `compute` and counts the progress.
template <typename Real, typename Compute>
void for_each_layer(const OpenModel& open, Progress& progress, Compute compute) {
  CheckpointLayers<Real> layers(open.checkpoint, open.model);
  progress.begin("computing spectra", static_cast<double>(layers.num_layers()));
  for (int64_t l = 0; l < layers.num_layers(); ++l) {
    throw_if_cancelled();
    const Matrix<Real> w = layers.load(l);
    if (!compute(l, w)) progress.warn(fmt::format(kNotConverged, l));
    progress.advance(1);
  }
  progress.end();
}

template <typename Real>
std::vector<LayerSpectra> layer_spectra_with(const OpenModel& open, const Mask& mask, RunSpectra& store, Progress& progress) {
  std::vector<LayerSpectra> result;
  for_each_layer<Real>(open, progress, [&](int64_t l, const Matrix<Real>& w) {
    const Spectrum& whole = store.store<Real>().whole(l, w);
    Spectrum kept = store.store<Real>().kept(l, w, mask.kept[static_cast<size_t>(l)]);
    const double ks = ks_statistic(whole.singular_values, kept.singular_values);
    result.push_back({whole.singular_values, std::move(kept.singular_values), ks});
    return whole.converged && kept.converged;
  });
  return result;
}

}  // namespace

std::vector<LayerSpectra> layer_spectra(const OpenModel& open, const Mask& mask, RunSpectra& spectra, Progress& progress) {
  return spectra.f64() ? layer_spectra_with<double>(open, mask, spectra, progress)
                       : layer_spectra_with<float>(open, mask, spectra, progress);
}

Totals report_totals(const SizeChange& change) {
  Totals totals;
  totals.params_before = change.before.params;
  totals.params_after = change.after.params;
  totals.ffn_params_before = change.before.ffn_params;
  totals.ffn_params_after = change.after.ffn_params;
  totals.bytes_before = change.before.bytes;
  totals.bytes_after = change.after.bytes;
  totals.flops_per_token_before = change.before.flops_per_token;
  totals.flops_per_token_after = change.after.flops_per_token;
  return totals;
}

}  // namespace prunenet::cli
