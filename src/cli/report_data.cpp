// Spectra and totals for reports.
#include "cli/report_data.h"

#include "base/cancel.h"
#include "base/error.h"
#include "policy/prunenet_scorer.h"
#include "spectrum/ks.h"

namespace prunenet::cli {
namespace {

constexpr const char* kNotConverged = "an eigenvalue computation did not converge; the spectrum of layer {} is not exact";

template <typename Real>
std::vector<LayerSpectra> spectra_with(const OpenModel& open, const Mask* mask, SpectrumRoute route, Progress& progress) {
  CheckpointLayers<Real> layers(open.checkpoint, open.model);
  std::vector<LayerSpectra> result;
  progress.begin("computing spectra", static_cast<double>(layers.num_layers()));
  for (int64_t l = 0; l < layers.num_layers(); ++l) {
    throw_if_cancelled();
    const Matrix<Real> w = layers.load(l);
    const RowSpectrum<Real> rows(w, route);
    Spectrum whole = rows.all();
    LayerSpectra spectra;
    bool converged = whole.converged;
    if (mask != nullptr) {
      Spectrum kept = rows.kept(mask->kept[static_cast<size_t>(l)]);
      converged = converged && kept.converged;
      spectra.ks = ks_statistic(whole.singular_values, kept.singular_values);
      spectra.after = std::move(kept.singular_values);
    }
    if (!converged) progress.warn(fmt::format(kNotConverged, l));
    spectra.before = std::move(whole.singular_values);
    result.push_back(std::move(spectra));
    progress.advance(1);
  }
  progress.end();
  return result;
}

std::vector<LayerSpectra> spectra_of(const OpenModel& open, const Mask* mask, const TrainingOptions& precision, Progress& progress) {
  const SpectrumRoute route = route_of(precision);
  return uses_f64(precision, open.model) ? spectra_with<double>(open, mask, route, progress)
                                         : spectra_with<float>(open, mask, route, progress);
}

}  // namespace

std::vector<LayerSpectra> layer_spectra(const OpenModel& open, const Mask& mask, const TrainingOptions& precision,
                                        Progress& progress) {
  return spectra_of(open, &mask, precision, progress);
}

std::vector<std::vector<double>> whole_spectra(const OpenModel& open, const TrainingOptions& precision, Progress& progress) {
  std::vector<std::vector<double>> result;
  for (LayerSpectra& spectra : spectra_of(open, nullptr, precision, progress)) result.push_back(std::move(spectra.before));
  return result;
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

void require_report_possible(const std::filesystem::path& path, bool overwrite) {
  if (path.empty()) return;
  std::error_code error;
  if (std::filesystem::exists(path, error) && !overwrite) {
    fail(ErrorCode::kExists, path.string(), "exists already; --force overwrites it");
  }
  const auto folder = std::filesystem::absolute(path).parent_path();
  if (!std::filesystem::is_directory(folder, error)) fail(ErrorCode::kNotFound, folder.string(), "no such folder for the report");
}

}  // namespace prunenet::cli
