// The curves of singular values, one panel for each layer: see panels.h.
// Holds: the choice of the vertical scale, the mark of the KS gap, captions and legend.
// Leaves out: drawing primitives (svg.h).
#include "report/panels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/axis.h"
#include "report/svg.h"
#include "report/text.h"

namespace prunenet {
namespace {

constexpr int kPlotPx = 150;
constexpr size_t kCurvePoints = 200;
constexpr double kLogSpread = 50;     // largest / smallest positive value from which a scale is logarithmic
constexpr double kLogDepth = 1e-6;    // what lies deeper under the largest value is rounding noise, not a spectrum
constexpr double kSharedSlack = 1.6;  // how much emptier a panel may get for the sake of one scale for all
constexpr double kLegibleGap = 0.02;  // a narrower mark would be a smudge
constexpr double kSameKs = 0.01;      // how far the given KS and the curves' gap may differ

// What a panel has to cover. `low` is the smallest positive value (0: there is none).
struct Range {
  double low = 0, high = 0, minimum = 0;
  bool known = false;
};

Range range_of(const LayerSpectra& spectra) {
  Range range;
  for (const Spectrum* spectrum : {&spectra.before, &spectra.after}) {
    const auto& v = spectrum->ascending;
    if (v.empty()) continue;
    range.minimum = range.known ? std::min(range.minimum, v.front()) : v.front();
    range.high = range.known ? std::max(range.high, v.back()) : v.back();
    range.known = true;
    const auto positive = std::upper_bound(v.begin(), v.end(), 0.0);
    if (positive != v.end()) range.low = range.low > 0 ? std::min(range.low, *positive) : *positive;
  }
  range.low = std::max(range.low, range.high > 0 ? range.high * kLogDepth : 0);
  return range;
}

Axis axis_of(const Range& range, bool is_log) {
  if (is_log && range.low > 0) return log_axis(range.low, range.high);
  // Curves need no zero, but a reader expects one unless it would flatten them.
  const bool from_zero = range.minimum >= 0 && range.minimum < range.high / 2;
  return linear_axis(from_zero ? 0 : range.minimum, range.high, 4);
}

double height_of(const Range& range, bool is_log) {
  if (is_log) return range.low > 0 ? std::log10(range.high / range.low) : 0;
  return range.high - std::min(range.minimum, 0.0);
}

// The vertical scales: one kind for all panels, and one scale where no layer loses much by it.
struct Scales {
  bool is_log = false;
  bool shared = false;
  Range all;
};

Scales choose_scales(const std::vector<LayerSpectra>& spectra) {
  Scales scales;
  std::vector<Range> ranges;
  for (const LayerSpectra& layer : spectra) {
    const Range range = range_of(layer);
    if (range.known) ranges.push_back(range);
  }
  if (ranges.empty()) return scales;
  scales.is_log = std::any_of(ranges.begin(), ranges.end(),
                              [](const Range& r) { return r.low > 0 && r.high / r.low > kLogSpread; });
  scales.all = ranges.front();
  std::vector<double> heights;
  for (const Range& range : ranges) {
    scales.all.minimum = std::min(scales.all.minimum, range.minimum);
    scales.all.high = std::max(scales.all.high, range.high);
    if (range.low > 0) scales.all.low = scales.all.low > 0 ? std::min(scales.all.low, range.low) : range.low;
    heights.push_back(height_of(range, scales.is_log));
  }
  const auto middle = heights.begin() + static_cast<std::ptrdiff_t>(heights.size() / 2);
  std::nth_element(heights.begin(), middle, heights.end());
  scales.shared = height_of(scales.all, scales.is_log) <= kSharedSlack * *middle;
  return scales;
}

std::vector<PlotPoint> points_of(const Spectrum& spectrum, const Axis& axis) {
  std::vector<PlotPoint> points;
  for (const QuantilePoint& p : quantile_curve(spectrum, kCurvePoints)) {
    points.push_back({p.quantile, axis.position(p.value)});
  }
  return points;
}

// The gap to mark, if the curves have the one that the caption's KS speaks of and it is wide enough to see.
std::optional<KsGap> gap_to_mark(const LayerReport& layer, const LayerSpectra& spectra) {
  const std::optional<double> ks = finite_ks(layer);
  const std::optional<KsGap> gap = find_ks_gap(spectra.before, spectra.after);
  if (!ks || !gap || gap->size() < kLegibleGap || std::abs(gap->size() - *ks) > kSameKs) return std::nullopt;
  return gap;
}

std::string caption_of(const Report& report, const LayerReport& layer) {
  if (report.after_label.empty()) {
    return layer.width_before > 0 ? fmt::format("width {}", format_exact(layer.width_before)) : std::string();
  }
  if (layer.dropped) {
    return layer.width_before > 0 ? fmt::format("dropped \u00B7 width {}", format_exact(layer.width_before))
                                  : "dropped";
  }
  std::string caption = fmt::format("KS {}", format_value(finite_ks(layer)));
  if (const std::optional<double> kept = kept_share(layer)) {
    caption += fmt::format(" \u00B7 {} \u2192 {} ({})", format_exact(layer.width_before),
                           format_exact(layer.width_after), format_percent(*kept));
  }
  return caption;
}

// What the picture cannot show.
std::string remarks_of(const LayerSpectra& spectra, const Axis& axis) {
  size_t low = 0;
  for (const Spectrum* spectrum : {&spectra.before, &spectra.after}) {
    if (!axis.is_log) continue;
    const auto& v = spectrum->ascending;
    low += static_cast<size_t>(std::lower_bound(v.begin(), v.end(), axis.low) - v.begin());
  }
  std::string remarks;
  if (low > 0) {
    remarks += fmt::format("{} below {}: drawn at the lower edge. ",
                           low == 1 ? "1 value" : fmt::format("{} values", low), format_value(axis.low));
  }
  const size_t dropped = spectra.before.dropped + spectra.after.dropped;
  if (dropped > 0)
    remarks += fmt::format("{} not finite: left out.", dropped == 1 ? "1 value" : fmt::format("{} values", dropped));
  return remarks;
}

std::string describe(const Report& report, const LayerSpectra& spectra, const std::optional<KsGap>& gap) {
  std::string text;
  const auto add = [&](const std::string& label, const Spectrum& spectrum) {
    if (spectrum.ascending.empty()) return;
    text += fmt::format("{}: {} singular values from {} to {}, median {}. ", label, spectrum.ascending.size(),
                        format_value(spectrum.ascending.front()), format_value(spectrum.ascending.back()),
                        format_value(median_of(spectrum)));
  };
  add(report.before_label, spectra.before);
  add(report.after_label, spectra.after);
  if (gap)
    text +=
        fmt::format("The largest gap, {}, is at the value {}.", format_value(gap->size()), format_value(gap->value));
  return text;
}

std::string panel(const Report& report, size_t position, const LayerSpectra& spectra, const Scales& scales) {
  const LayerReport& layer = report.layers[position];
  const Range range = range_of(spectra);
  std::string body;
  if (!range.known) {
    body = "<p class=\"quiet empty\">no singular values</p>";
  } else {
    const Axis axis = axis_of(scales.shared ? scales.all : range, scales.is_log);
    const std::optional<KsGap> gap = gap_to_mark(layer, spectra);
    ChartSvg chart(fmt::format("layer-{}-chart", position), fmt::format("Singular values of layer {}", layer.index),
                   describe(report, spectra, gap), kPlotPx, "quantile");
    chart.y_axis(axis, axis.is_log ? "singular value, log scale" : "singular value");
    for (const double x : {0.0, 0.25, 0.5, 0.75, 1.0}) {
      chart.x_tick(x);
      chart.x_label(x, format_plain(x, 2));
    }
    // The dashed curve lies on top: where the two agree, both can still be seen.
    if (report.after_label.empty()) {
      chart.curve(points_of(spectra.before, axis), "after");
    } else {
      chart.curve(points_of(spectra.after, axis), "after");
      chart.curve(points_of(spectra.before, axis), "before");
    }
    if (gap) chart.span(gap->share_before, gap->share_after, axis.position(gap->value), "gap");
    body = chart.finish();
    const std::string remarks = remarks_of(spectra, axis);
    if (!remarks.empty()) body += fmt::format("<p class=\"quiet\">{}</p>", remarks);
  }
  return fmt::format(
      "<figure class=\"card\" id=\"layer-{}\"><figcaption><b>Layer {}</b> <span>{}</span></figcaption>{}</figure>\n",
      position, layer.index, caption_of(report, layer), body);
}

std::string legend(const Report& report, bool has_gap) {
  if (report.after_label.empty()) return "";
  return fmt::format(
      "<p class=\"legend\"><span><i class=\"key before\"></i>{}</span><span><i class=\"key "
      "after\"></i>{}</span>{}</p>\n",
      escape_html(report.before_label.empty() ? "before" : report.before_label), escape_html(report.after_label),
      has_gap ? "<span><i class=\"key gap\"></i>largest gap: its width is the KS</span>" : "");
}

}  // namespace

std::string panels_section(const Report& report, const std::vector<LayerSpectra>& spectra) {
  if (std::none_of(spectra.begin(), spectra.end(), [](const auto& s) { return range_of(s).known; })) return "";
  const Scales scales = choose_scales(spectra);
  bool has_gap = false;
  for (size_t i = 0; i < spectra.size(); ++i) has_gap = has_gap || gap_to_mark(report.layers[i], spectra[i]);
  std::string lead = "Each curve sorts a layer\u2019s singular values from smallest (0) to largest (1)";
  lead += report.after_label.empty() ? "." : ", so that spectra of different lengths can be compared.";
  if (spectra.size() > 1) {
    lead += scales.shared ? " All panels share one vertical scale." : " Each panel has its own vertical scale.";
  }
  std::string out =
      fmt::format("<section><h2>Singular values</h2>\n<p class=\"lead\">{}</p>\n{}<div class=\"panels\">\n", lead,
                  legend(report, has_gap));
  for (size_t i = 0; i < spectra.size(); ++i) out += panel(report, i, spectra[i], scales);
  return out + "</div></section>\n";
}

}  // namespace prunenet
