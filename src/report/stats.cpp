// The few statistics the page needs beyond what it is given: see stats.h.
// Holds: the computations.
// Leaves out: measuring anything on a model, and drawing.
#include "report/stats.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace prunenet {

Spectrum clean_spectrum(const std::vector<double>& values) {
  Spectrum spectrum;
  spectrum.ascending.reserve(values.size());
  std::copy_if(values.begin(), values.end(), std::back_inserter(spectrum.ascending),
               [](double v) { return std::isfinite(v); });
  spectrum.dropped = values.size() - spectrum.ascending.size();
  std::sort(spectrum.ascending.begin(), spectrum.ascending.end());
  return spectrum;
}

std::optional<double> median_of(const Spectrum& spectrum) {
  const auto& v = spectrum.ascending;
  if (v.empty()) return std::nullopt;
  const size_t middle = v.size() / 2;
  if (v.size() % 2 == 1) return v[middle];
  // Halved first: the sum of two huge values would overflow.
  return v[middle - 1] / 2 + v[middle] / 2;
}

std::optional<double> largest_of(const Spectrum& spectrum) {
  if (spectrum.ascending.empty()) return std::nullopt;
  return spectrum.ascending.back();
}

std::optional<KsGap> find_ks_gap(const Spectrum& before, const Spectrum& after) {
  const auto& a = before.ascending;
  const auto& b = after.ascending;
  if (a.empty() || b.empty()) return std::nullopt;
  std::optional<KsGap> best;
  size_t i = 0, j = 0;
  // Both functions only change at a value of either sample, so those are the only places to look.
  while (i < a.size() || j < b.size()) {
    const double value = j == b.size() || (i < a.size() && a[i] <= b[j]) ? a[i] : b[j];
    while (i < a.size() && a[i] <= value) ++i;
    while (j < b.size() && b[j] <= value) ++j;
    const KsGap gap{.value = value,
                    .share_before = static_cast<double>(i) / static_cast<double>(a.size()),
                    .share_after = static_cast<double>(j) / static_cast<double>(b.size())};
    if (!best || gap.size() > best->size()) best = gap;
  }
  return best;
}

std::vector<QuantilePoint> quantile_curve(const Spectrum& spectrum, size_t max_points) {
  const auto& v = spectrum.ascending;
  const size_t limit = std::max<size_t>(max_points, 4);
  std::vector<QuantilePoint> curve;
  if (v.empty()) return curve;
  const double n = static_cast<double>(v.size());
  if (2 * v.size() <= limit) {
    for (size_t k = 0; k < v.size(); ++k) {
      curve.push_back({static_cast<double>(k) / n, v[k]});
      curve.push_back({static_cast<double>(k + 1) / n, v[k]});
    }
    return curve;
  }
  // Two points are kept for the ends, so that the curve spans the whole axis as the steps do.
  const size_t inner = std::min(v.size(), limit - 2);
  curve.push_back({0, v.front()});
  for (size_t p = 0; p < inner; ++p) {
    const size_t k = p * (v.size() - 1) / (inner - 1);
    curve.push_back({(static_cast<double>(k) + 0.5) / n, v[k]});
  }
  curve.push_back({1, v.back()});
  return curve;
}

std::optional<double> finite_ks(const LayerReport& layer) {
  return !layer.dropped && layer.ks && std::isfinite(*layer.ks) ? layer.ks : std::nullopt;
}

KsSummary summarize_ks(const std::vector<LayerReport>& layers) {
  KsSummary summary;
  double mean = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::optional<double> ks = finite_ks(layers[i]);
    if (!ks) continue;
    if (summary.count == 0 || *ks > summary.worst) {
      summary.worst = *ks;
      summary.worst_position = i;
    }
    ++summary.count;
    mean += (*ks - mean) / static_cast<double>(summary.count);
  }
  summary.mean = mean;
  return summary;
}

std::optional<double> kept_share(const LayerReport& layer) {
  if (layer.width_before <= 0) return std::nullopt;
  if (layer.dropped) return 0;
  return static_cast<double>(layer.width_after) / static_cast<double>(layer.width_before);
}

}  // namespace prunenet
