// The few statistics the page needs beyond what it is given.
// Holds: cleaned spectra, medians, the place of the KS gap, curves thinned out for drawing, the KS over all layers.
// Leaves out: measuring anything on a model, and drawing.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "report/report.h"

namespace prunenet {

/// A layer's singular values as the page uses them.
struct Spectrum {
  std::vector<double> ascending;  // shape [n]: finite values only
  size_t dropped = 0;             // values that were not finite
};

/// Sorts, since a caller's promise of an order is not worth a broken chart, and drops what is not finite.
Spectrum clean_spectrum(const std::vector<double>& values);

/// Middle value, or the mean of the two middle ones; nothing if there are no values.
std::optional<double> median_of(const Spectrum& spectrum);

/// Largest value; nothing if there are no values.
std::optional<double> largest_of(const Spectrum& spectrum);

/// Where two empirical distribution functions F1 and F2 lie furthest apart.
struct KsGap {
  double value = 0;         // the singular value x with the largest |F1(x) - F2(x)|; the smallest such x
  double share_before = 0;  // F1(x), 0..1
  double share_after = 0;   // F2(x), 0..1
  double size() const { return share_before < share_after ? share_after - share_before : share_before - share_after; }
};

/// Nothing if either spectrum is empty.
std::optional<KsGap> find_ks_gap(const Spectrum& before, const Spectrum& after);

/// One point of a quantile curve: a share `quantile` (0..1) of the values is at or below `value`.
struct QuantilePoint {
  double quantile = 0, value = 0;
};

/// The curve from quantile 0 to 1, in at most `max_points` points (at least 4). A short spectrum is drawn as exact
/// steps, so that a single value is a line and not a dot; a long one as a line through evenly spaced ranks.
std::vector<QuantilePoint> quantile_curve(const Spectrum& spectrum, size_t max_points);

/// KS over the layers that have one.
struct KsSummary {
  size_t count = 0;
  double mean = 0, worst = 0;
  size_t worst_position = 0;  // in report.layers
};

/// The layer's KS if it is a number and the layer is still there.
std::optional<double> finite_ks(const LayerReport& layer);

KsSummary summarize_ks(const std::vector<LayerReport>& layers);

/// width_after / width_before; 0 if the layer was dropped; nothing if the width before is not known.
std::optional<double> kept_share(const LayerReport& layer);

}  // namespace prunenet
