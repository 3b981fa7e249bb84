// What each layer lost when it was cut: see layer_loss.h.
// Holds: scales, marks, captions and rows. An error is drawn as a ring (cut) over a dot (refitted): marks that can
// stand on a logarithmic scale, where bars would mean nothing. Leaves out: drawing primitives (svg.h).
#include "report/layer_loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "report/axis.h"
#include "report/markup.h"
#include "report/stats.h"
#include "report/svg.h"
#include "report/text.h"

namespace prunenet {
namespace {

constexpr int kPlotPx = 150;
constexpr double kUneven = 12;       // largest / median error from which the scale is logarithmic
constexpr double kLogDepth = 1e-4;   // errors deeper under the largest are drawn at the lower edge
constexpr double kLabelPx = 15;      // a line of text
constexpr double kStemForLabel = 2;  // lines of text that a stem must be long to carry one
constexpr size_t kTallRows = 24;     // a longer table scrolls in its own box

// What the charts stand over: every layer that anything is known of, so that the charts have the same places.
std::vector<int64_t> layers_of(const Report& report) {
  std::vector<int64_t> layers;
  for (const LayerReport& layer : report.layers) layers.push_back(layer.index);
  for (const SiteReport& site : report.sites) layers.push_back(site.layer);
  for (const LayerKlReport& kl : report.layer_kl) layers.push_back(kl.layer);
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  return layers;
}

double middle_of(const std::vector<int64_t>& layers, int64_t layer) {
  const auto at = std::lower_bound(layers.begin(), layers.end(), layer);
  return layer_middle(static_cast<size_t>(at - layers.begin()), layers.size());
}

bool is_dropped(const Report& report, int64_t layer) {
  return std::any_of(report.layers.begin(), report.layers.end(),
                     [&](const LayerReport& l) { return l.index == layer && l.dropped; });
}

// Percent; nothing if it is not a number.
std::optional<double> percent_of(double share) {
  const double percent = share * 100;
  return std::isfinite(percent) ? std::optional(percent) : std::nullopt;
}

// Three significant digits, unlike format_percent(): errors of 0.02% and 30% stand side by side.
std::string format_error(const std::optional<double>& percent) {
  return percent ? format_value(*percent) + "%" : kNoNumber;
}

// One site of one layer, in percent.
struct SiteError {
  int64_t layer = 0;
  std::optional<double> cut, refitted;
  std::optional<double> energy;  // what it counts among the layers
};

std::vector<SiteError> errors_of(const Report& report, std::string_view site) {
  std::vector<SiteError> errors;
  for (const SiteReport& s : report.sites) {
    if (s.site != site) continue;
    const SiteError error{.layer = s.layer,
                          .cut = percent_of(s.error_before),
                          .refitted = percent_of(s.error_after),
                          .energy = s.energy};
    if (error.cut || error.refitted) errors.push_back(error);
  }
  std::stable_sort(errors.begin(), errors.end(), [](auto& l, auto& r) { return l.layer < r.layer; });
  return errors;
}

Spectrum values_of(const std::vector<SiteError>& errors, bool cut, bool refitted) {
  std::vector<double> values;
  for (const SiteError& error : errors) {
    if (cut && error.cut) values.push_back(*error.cut);
    if (refitted && error.refitted) values.push_back(*error.refitted);
  }
  return clean_spectrum(values);
}

// Linear from 0, unless most errors would lie flat on the floor.
Axis error_axis(const std::vector<SiteError>& errors) {
  const Spectrum all = values_of(errors, true, true);
  const double largest = std::max(all.ascending.back(), 0.0);
  const auto positive = std::upper_bound(all.ascending.begin(), all.ascending.end(), 0.0);
  const bool uneven = positive != all.ascending.end() && *median_of(all) * kUneven < largest;
  // Air for the numbers over the highest mark.
  Axis axis = uneven ? log_axis(std::max(*positive, largest * kLogDepth), largest) : linear_axis(0, largest * 1.1, 4);
  for (Tick& tick : axis.ticks) tick.label += "%";
  return axis;
}

// The numbers of one layer's marks: the upper one's above it, the lower one's where there is room.
void add_numbers(ChartSvg& chart, double x, const Axis& axis, const SiteError& error, bool wide_only) {
  struct Mark {
    double y = 0;
    std::string number;
    std::string css_class;
  };
  std::vector<Mark> marks;
  const std::string css_class = wide_only ? "halo wide" : "halo";
  if (error.cut) marks.push_back({axis.position(*error.cut), format_error(error.cut), css_class});
  if (error.refitted)
    marks.push_back({axis.position(*error.refitted), format_error(error.refitted), "value " + css_class});
  std::stable_sort(marks.begin(), marks.end(), [](auto& l, auto& r) { return l.y > r.y; });
  const Mark& upper = marks.front();
  const Mark& lower = marks.back();
  double upper_lift = 8;
  if (marks.size() > 1) {
    double lower_lift = 8;
    if ((upper.y - lower.y) * kPlotPx < kStemForLabel * kLabelPx) {
      if (lower.y * kPlotPx > kLabelPx + 4) {
        lower_lift = -kLabelPx - 1;
      } else {
        lower_lift += (upper.y - lower.y) * kPlotPx;
        upper_lift += kLabelPx - 2;
      }
    }
    chart.text({x, lower.y}, lower_lift, lower.number, lower.css_class);
  }
  chart.text({x, upper.y}, upper_lift, upper.number, upper.css_class);
}

void add_errors(ChartSvg& chart, const std::vector<int64_t>& layers, const Axis& axis,
                const std::vector<SiteError>& errors) {
  // The marks shrink with their places, so that eighty layers still stand apart.
  const double ring_px = layers.size() <= kPairedLayers ? 4.5 : layers.size() <= 48 ? 3.7 : 3;
  const auto place = [&](const SiteError& error, double percent) {
    return PlotPoint{middle_of(layers, error.layer), axis.position(percent)};
  };
  for (const SiteError& error : errors) {
    if (!error.cut || !error.refitted) continue;
    chart.stem(middle_of(layers, error.layer), axis.position(*error.cut), axis.position(*error.refitted), "stem");
  }
  // The dots come last: no ring of a neighbour hides one.
  for (const SiteError& error : errors) {
    if (error.cut) chart.dot(place(error, *error.cut), ring_px, "ring", "");
  }
  for (const SiteError& error : errors) {
    if (error.refitted) chart.dot(place(error, *error.refitted), ring_px * 0.75, "point", "");
  }
  if (layers.size() <= kLabelledLayers) {
    for (const SiteError& error : errors)
      add_numbers(chart, middle_of(layers, error.layer), axis, error, layers.size() > kLabelledNarrow);
  }
  // The marks are too small to aim at: the whole place of a layer answers.
  for (const SiteError& error : errors) {
    chart.bar(middle_of(layers, error.layer), 1 / static_cast<double>(layers.size()), 1, "hit",
              fmt::format("Layer {}: {} cut, {} refitted", error.layer, format_error(error.cut),
                          format_error(error.refitted)));
  }
}

// Percent of the energy of all layers; nothing unless every layer's share of it is known. A layer without energy has no
// share, and what is said of the others holds without it.
std::optional<double> error_of_all(const std::vector<SiteError>& errors, std::optional<double> SiteError::*percent) {
  double energy = 0, lost = 0;
  for (const SiteError& error : errors) {
    if (!error.energy || !(*error.energy >= 0)) return std::nullopt;
    if (*error.energy == 0) continue;
    if (!(error.*percent)) return std::nullopt;
    energy += *error.energy;
    lost += *(error.*percent) * *error.energy;
  }
  const double all = lost / energy;
  return std::isfinite(all) ? std::optional(all) : std::nullopt;
}

// "all layers together 7.4% cut, 3.1% refitted; median layer 6.3% cut, 2.8% refitted; worst refitted 3.3%, in layer 1"
std::string error_summary(const std::vector<SiteError>& errors) {
  std::string summary;
  const auto both = [](const std::optional<double>& cut, const std::optional<double>& refitted) {
    return fmt::format("{} cut, {} refitted", format_error(cut), format_error(refitted));
  };
  if (errors.size() == 1) return both(errors.front().cut, errors.front().refitted);
  const auto cut = error_of_all(errors, &SiteError::cut), refitted = error_of_all(errors, &SiteError::refitted);
  if (cut && refitted) summary = "all layers together " + both(cut, refitted) + "; ";
  summary += "median layer " + both(median_of(values_of(errors, true, false)), median_of(values_of(errors, false, true)));
  const auto worst = std::max_element(errors.begin(), errors.end(),
                                      [](auto& l, auto& r) { return l.refitted < r.refitted; });  // nothing is least
  if (worst->refitted) {
    summary += fmt::format("; worst refitted {}, in layer {}", format_error(worst->refitted), worst->layer);
  }
  return summary;
}

std::string error_chart(const Report& report, const std::vector<int64_t>& layers, size_t fit_wide,
                        std::string_view site, std::string_view id) {
  const std::vector<SiteError> errors = errors_of(report, site);
  if (errors.empty()) return "";
  const Axis axis = error_axis(errors);
  const std::string heading = fmt::format("Error of {}", site);
  const std::string summary = error_summary(errors);
  ChartSvg chart(
      id, heading,
      fmt::format("Two marks for each of {} layers: {}. The table below holds all numbers.", errors.size(), summary),
      kPlotPx, "layer");
  chart.y_axis(axis, axis.is_log ? "share of energy, log scale" : "share of energy");
  add_layer_labels(chart, layers, fit_wide);
  add_errors(chart, layers, axis, errors);
  if (layers.size() <= kLabelledLayers) {
    for (const LayerReport& layer : report.layers) {
      if (layer.dropped) chart.text({middle_of(layers, layer.index), 0}, 4, "dropped", "");
    }
  }
  std::string body = chart.finish();
  const Spectrum all = values_of(errors, true, true);
  const auto below = std::lower_bound(all.ascending.begin(), all.ascending.end(), axis.low) - all.ascending.begin();
  if (axis.is_log && below > 0) {
    body += fmt::format("<p class=\"quiet\">{} below {}: drawn at the lower edge.</p>",
                        below == 1 ? "1 error" : fmt::format("{} errors", below), format_error(axis.low));
  }
  return chart_figure(body, heading, summary);
}

std::vector<LayerKlReport> finite_kls(const Report& report) {
  std::vector<LayerKlReport> kls;
  std::copy_if(report.layer_kl.begin(), report.layer_kl.end(), std::back_inserter(kls),
               [](const LayerKlReport& kl) { return std::isfinite(kl.kl_nats); });
  std::stable_sort(kls.begin(), kls.end(), [](auto& l, auto& r) { return l.layer < r.layer; });
  return kls;
}

std::string kl_chart(const Report& report, const std::vector<int64_t>& layers, size_t fit_wide) {
  const std::vector<LayerKlReport> kls = finite_kls(report);
  if (kls.empty()) return "";
  const auto less = [](auto& l, auto& r) { return l.kl_nats < r.kl_nats; };
  const LayerKlReport& worst = *std::max_element(kls.begin(), kls.end(), less);
  const LayerKlReport& least = *std::min_element(kls.begin(), kls.end(), less);
  const bool one_stands_out = least.kl_nats < worst.kl_nats;
  std::string summary = one_stands_out ? fmt::format("from {} in layer {} to {} in layer {}", format_kl(least.kl_nats),
                                                     least.layer, format_kl(worst.kl_nats), worst.layer)
                                       : format_kl(worst.kl_nats);
  if (is_dropped(report, worst.layer)) summary += ", which was dropped";
  const Axis axis = linear_axis(0, std::max(worst.kl_nats, 0.0), 4);
  ChartSvg chart("loss-kl", "KL of each layer alone",
                 fmt::format("Bar chart over {} layers, {}. The table below holds all numbers.", kls.size(), summary),
                 kPlotPx, "layer");
  chart.y_axis(axis, "nats a token");
  add_layer_labels(chart, layers, fit_wide);
  const double width = std::min(0.72 / static_cast<double>(layers.size()), 0.06);
  for (const LayerKlReport& kl : kls) {
    const bool top = one_stands_out && &kl - kls.data() == &worst - kls.data();
    chart.bar(middle_of(layers, kl.layer), width, axis.position(kl.kl_nats), top ? "bar top" : "bar",
              fmt::format("Layer {}{}: {}", kl.layer, is_dropped(report, kl.layer) ? ", dropped" : "",
                          format_kl(kl.kl_nats)));
  }
  for (const LayerKlReport& kl : kls) {
    const bool top = one_stands_out && &kl - kls.data() == &worst - kls.data();
    if (layers.size() > kLabelledLayers && !top) continue;
    chart.text({middle_of(layers, kl.layer), axis.position(kl.kl_nats)}, 4, format_kl(kl.kl_nats),
               layers.size() > kLabelledNarrow && !top ? "value wide" : "value");
  }
  return chart_figure(chart.finish(), "KL of each layer alone", summary);
}

std::string legend() {
  return "<p class=\"legend\"><span><i class=\"key ring\"></i>cut and nothing more</span><span><i class=\"key "
         "point\"></i>refitted</span></p>\n";
}

std::string explanation(const Report& report) {
  std::string text;
  if (!report.sites.empty()) {
    text +=
        "<p class=\"lead\"><b>Error</b> is how far the outputs of a layer\u2019s attention or FFN lie from what they "
        "ought to be, squared, as a share of their energy: 0% when nothing is lost, 100% when zeros would do as well. "
        "It is given for the cut and nothing more, and for what is left after the refit. Each chart has its own scale.";
    const auto untouched = [](const SiteReport& s) { return s.units_before == s.units_after; };
    if (std::any_of(report.sites.begin(), report.sites.end(), untouched)) {
      text += " Where no units were cut, the error is what the layers before pass on.";
    }
    const auto same = [](const SiteReport& s) { return s.error_before == s.error_after; };
    if (std::all_of(report.sites.begin(), report.sites.end(), same)) text += " Here the refit changed no error.";
    text += "</p>\n";
  }
  if (!report.layer_kl.empty()) {
    text +=
        "<p class=\"lead\"><b>KL of a layer alone</b> is how far the predictions of the next token move when only this "
        "layer is changed, in nats a token: 0 when not at all; 0.01 raises the perplexity of text that the model wrote "
        "itself by about 1%. These do not add up to the KL of the whole model: losses can mask or feed each other, and "
        "a layer may have been fitted to mend what those before it lost.</p>\n";
  }
  return text;
}

// All that is known of one layer.
struct LayerRows {
  std::vector<const SiteReport*> sites;
  std::vector<double> kls;
};

std::string kl_cell(const LayerRows& rows, size_t span) {
  std::string text;
  for (const double kl : rows.kls) text += (text.empty() ? "" : ", ") + format_kl(kl);
  return fmt::format("<td rowspan=\"{}\">{}</td>", span, text.empty() ? kNoNumber : text);
}

std::string table(const Report& report) {
  std::map<int64_t, LayerRows> layers;
  for (const SiteReport& site : report.sites) layers[site.layer].sites.push_back(&site);
  for (const LayerKlReport& kl : report.layer_kl) layers[kl.layer].kls.push_back(kl.kl_nats);
  std::string out;
  size_t num_rows = 0;
  for (const auto& [layer, rows] : layers) {
    const size_t span = std::max<size_t>(rows.sites.size(), 1);
    num_rows += span;
    out += fmt::format("<tr><th scope=\"row\" rowspan=\"{}\">{}</th>", span, layer);
    if (rows.sites.empty()) {
      out += fmt::format("<td class=\"site\">{0}</td><td>{1}</td><td>{1}</td><td>{1}</td>{2}</tr>\n",
                         is_dropped(report, layer) ? "dropped" : kNoNumber, kNoNumber, kl_cell(rows, span));
    }
    for (size_t i = 0; i < rows.sites.size(); ++i) {
      const SiteReport& site = *rows.sites[i];
      out += fmt::format("{}<td class=\"site\">{}</td><td>{} \u2192 {}</td><td>{}</td><td>{}</td>{}</tr>\n",
                         i == 0 ? "" : "<tr>", escape_html(site.site), format_exact(site.units_before),
                         format_exact(site.units_after), format_error(percent_of(site.error_before)),
                         format_error(percent_of(site.error_after)), i == 0 ? kl_cell(rows, span) : "");
    }
  }
  return scrolling("Table of what each layer lost",
                   fmt::format("<table class=\"layers\"><thead>\n<tr><th scope=\"col\">Layer</th>"
                               "<th scope=\"col\" class=\"site\">Site</th><th scope=\"col\">Units</th>"
                               "<th scope=\"col\">Error, cut</th><th scope=\"col\">Error, refitted</th>"
                               "<th scope=\"col\">KL alone</th></tr></thead><tbody>\n{}</tbody></table>",
                               out),
                   num_rows > kTallRows ? "tall" : "");
}

}  // namespace

std::string layer_loss_section(const Report& report) {
  if (report.sites.empty() && report.layer_kl.empty()) return "";
  const std::vector<int64_t> layers = layers_of(report);
  const bool paired = layers.size() <= kPairedLayers;
  const size_t fit_wide = paired ? kPairedLayers : kLayerLabelsWide;
  const std::string errors = error_chart(report, layers, fit_wide, "FFN", "loss-ffn") +
                             error_chart(report, layers, fit_wide, "attention", "loss-attention");
  return fmt::format(
      "<section><h2>What each layer lost</h2>\n{}{}<div class=\"stack\">\n<div class=\"{}\">\n{}{}</div>\n{}</div>\n"
      "<p class=\"quiet\">Units: neurons of the FFN, KV groups of attention. {} means not known.</p>\n</section>\n",
      explanation(report), errors.empty() ? "" : legend(), paired ? "pair" : "stack", errors,
      kl_chart(report, layers, fit_wide), table(report), kNoNumber);
}

}  // namespace prunenet
