// The charts over all layers and over the policy's training: see charts.h.
// Holds: what is drawn and said in them.
// Leaves out: drawing primitives (svg.h) and the curves of single layers (panels.h).
#include "report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "report/axis.h"
#include "report/markup.h"
#include "report/stats.h"
#include "report/svg.h"
#include "report/text.h"

namespace prunenet {
namespace {

constexpr int kBarPlotPx = 150;
constexpr int kHistoryPlotPx = 170;
constexpr size_t kHistoryBuckets = 250;  // two points each

using Number = std::function<std::optional<double>(const LayerReport&)>;
using Format = std::function<std::string(double)>;

void add_layer_labels(ChartSvg& chart, const std::vector<LayerReport>& layers, size_t fit_wide) {
  std::vector<int64_t> indices;
  indices.reserve(layers.size());
  for (const LayerReport& layer : layers) indices.push_back(layer.index);
  add_layer_labels(chart, indices, fit_wide);
}

struct BarStyle {
  bool track = false;          // a pale bar up to 1 behind each bar
  std::optional<size_t> top;   // the bar that stands out and carries its number
  std::optional<double> mean;  // where to draw a line across the bars
};

void add_layer_bars(ChartSvg& chart, const std::vector<LayerReport>& layers, const Axis& axis, const Number& number,
                    const Format& format, const BarStyle& style) {
  const double width = std::min(0.72 / static_cast<double>(layers.size()), 0.06);
  const auto middle = [&](size_t i) { return layer_middle(i, layers.size()); };
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::optional<double> value = number(layers[i]);
    if (!value) continue;
    const std::string tip =
        fmt::format("Layer {}: {}", layers[i].index, layers[i].dropped ? "dropped" : format(*value));
    if (style.track) chart.bar(middle(i), width, axis.position(1), "track", tip);
    chart.bar(middle(i), width, axis.position(*value), style.top == i ? "bar top" : "bar", tip);
  }
  if (style.mean) chart.level(axis.position(*style.mean), "mean");
  // Last, so that neither a bar nor the line runs through a number.
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::optional<double> value = number(layers[i]);
    if (layers[i].dropped && layers.size() <= kLabelledLayers) chart.text({middle(i), 0}, 4, "dropped", "");
    if (!value || layers[i].dropped || (layers.size() > kLabelledLayers && style.top != i)) continue;
    chart.text({middle(i), axis.position(*value)}, 4, format(*value), style.mean ? "value halo" : "value");
  }
}

std::string ks_chart(const Report& report, const KsSummary& ks, size_t fit_wide) {
  const Axis axis = linear_axis(0, std::max(ks.worst, 1e-6), 4);
  const int64_t worst_layer = report.layers[ks.worst_position].index;
  ChartSvg chart("overview-ks", "KS of each layer",
                 fmt::format("Bar chart over {} layers. Mean {}, worst {} in layer {}. The table of layers below holds "
                             "all numbers.",
                             ks.count, format_value(ks.mean), format_value(ks.worst), worst_layer),
                 kBarPlotPx, "layer");
  chart.y_axis(axis, "KS");
  add_layer_labels(chart, report.layers, fit_wide);
  const bool one_stands_out = ks.count > 1 && ks.worst > ks.mean * 1.0001;
  add_layer_bars(chart, report.layers, axis, finite_ks, [](double v) { return format_value(v); },
                 {.track = false,
                  .top = one_stands_out ? std::optional(ks.worst_position) : std::nullopt,
                  .mean = ks.count > 1 ? std::optional(ks.mean) : std::nullopt});
  std::string caption = fmt::format("smaller is better; worst {} in layer {}", format_value(ks.worst), worst_layer);
  if (ks.count > 1) caption += fmt::format("; dashed line: mean {}", format_value(ks.mean));
  return chart_figure(chart.finish(), "KS of each layer", caption);
}

std::string kept_chart(const Report& report, size_t fit_wide) {
  double most = 0, least = HUGE_VAL, before = 0, after = 0;
  for (const LayerReport& layer : report.layers) {
    const std::optional<double> kept = kept_share(layer);
    if (!kept) continue;
    most = std::max(most, *kept);
    least = std::min(least, *kept);
    before += static_cast<double>(layer.width_before);
    after += layer.dropped ? 0 : static_cast<double>(layer.width_after);
  }
  Axis axis = linear_axis(0, std::max(1.0, most), 4);
  if (most <= 1) axis = Axis{.low = 0, .high = 1, .is_log = false, .ticks = {}};
  if (axis.ticks.empty()) {
    for (const double share : {0.0, 0.25, 0.5, 0.75, 1.0}) axis.ticks.push_back({share, share, ""});
  }
  for (Tick& tick : axis.ticks) tick.label = format_plain(tick.value * 100, 1) + "%";
  const std::string range = format_percent(least) == format_percent(most)
                                ? fmt::format("{} in every layer", format_percent(most))
                                : fmt::format("{} overall, {} to {} by layer", format_percent(after / before),
                                              format_percent(least), format_percent(most));
  ChartSvg chart("overview-kept", "Share of FFN neurons kept in each layer",
                 fmt::format("Bar chart over {} layers: {}.", report.layers.size(), range), kBarPlotPx, "layer");
  chart.y_axis(axis, "kept");
  add_layer_labels(chart, report.layers, fit_wide);
  add_layer_bars(chart, report.layers, axis, kept_share, format_percent,
                 {.track = true, .top = std::nullopt, .mean = std::nullopt});
  return chart_figure(chart.finish(), "FFN neurons kept", range);
}

struct Sample {
  int64_t index = 0;
  double value = 0;
};

// Keeps the lowest and the highest sample of each stretch, so that no peak is lost.
std::vector<Sample> thin_out(const std::vector<Sample>& samples) {
  if (samples.size() <= 2 * kHistoryBuckets) return samples;
  std::vector<Sample> kept;
  for (size_t b = 0; b < kHistoryBuckets; ++b) {
    const auto begin = samples.begin() + static_cast<std::ptrdiff_t>(b * samples.size() / kHistoryBuckets);
    const auto end = samples.begin() + static_cast<std::ptrdiff_t>((b + 1) * samples.size() / kHistoryBuckets);
    auto [low, high] = std::minmax_element(begin, end, [](auto& l, auto& r) { return l.value < r.value; });
    if (high < low) std::swap(low, high);
    kept.push_back(*low);
    if (high != low) kept.push_back(*high);
  }
  return kept;
}

std::vector<Sample> collect(const Report& report, double EpisodeReport::*field) {
  std::vector<Sample> samples;
  for (const EpisodeReport& episode : report.episodes) {
    if (std::isfinite(episode.*field)) samples.push_back({episode.index, episode.*field});
  }
  std::stable_sort(samples.begin(), samples.end(), [](auto& l, auto& r) { return l.index < r.index; });
  return samples;
}

std::string history_chart(const Report& report, std::string_view id, std::string_view heading, std::string_view name,
                          const std::vector<Sample>& samples) {
  const auto [low, high] =
      std::minmax_element(samples.begin(), samples.end(), [](auto& l, auto& r) { return l.value < r.value; });
  const Axis y_axis = padded_axis(low->value, high->value, 4);
  const Axis x_axis = integer_axis(samples.front().index, samples.back().index, 6);
  const auto best = std::find_if(samples.begin(), samples.end(), [&](const Sample& s) {
    return report.best_episode && s.index == *report.best_episode;
  });
  std::string caption = fmt::format("{} at the start, {} at the end", format_value(samples.front().value),
                                    format_value(samples.back().value));
  if (samples.size() == 1) caption = format_value(samples.front().value);
  if (best != samples.end()) {
    caption += fmt::format("; <i class=\"key dot\"></i> best episode {}: {}", best->index, format_value(best->value));
  }
  ChartSvg chart(id, heading,
                 fmt::format("Line chart over {} episodes, from {} to {}.{}", samples.size(), format_value(low->value),
                             format_value(high->value),
                             best == samples.end()
                                 ? ""
                                 : fmt::format(" Best episode: {}, with {}.", best->index, format_value(best->value))),
                 kHistoryPlotPx, "episode");
  chart.y_axis(y_axis, name);
  for (const Tick& tick : x_axis.ticks) {
    chart.x_tick(tick.position);
    chart.x_label(tick.position, tick.label);
  }
  const auto place = [&](const Sample& s) {
    return PlotPoint{x_axis.position(static_cast<double>(s.index)), y_axis.position(s.value)};
  };
  std::vector<PlotPoint> points;
  for (const Sample& sample : thin_out(samples)) points.push_back(place(sample));
  chart.curve(points, "after");
  if (samples.size() == 1) chart.dot(place(samples.front()), 3, "point", "");
  if (best != samples.end()) {
    chart.dot(place(*best), 5, "best", fmt::format("Best episode {}: {}", best->index, format_value(best->value)));
  }
  return chart_figure(chart.finish(), heading, caption);
}

}  // namespace

std::string overview_section(const Report& report) {
  // With one model there is nothing to compare.
  if (report.after_label.empty()) return "";
  const KsSummary ks = summarize_ks(report.layers);
  const bool has_kept = std::any_of(report.layers.begin(), report.layers.end(),
                                    [](const LayerReport& layer) { return kept_share(layer).has_value(); });
  if (ks.count == 0 && !has_kept) return "";
  const bool paired = report.layers.size() <= kPairedLayers && ks.count > 0 && has_kept;
  const size_t fit_wide = paired ? kPairedLayers : kLayerLabelsWide;
  return fmt::format("<section><h2>Layers at a glance</h2>\n<div class=\"{}\">\n{}{}</div></section>\n",
                     paired ? "pair" : "stack", ks.count > 0 ? ks_chart(report, ks, fit_wide) : "",
                     has_kept ? kept_chart(report, fit_wide) : "");
}

std::string history_section(const Report& report) {
  if (report.episodes.empty()) return "";
  const std::vector<Sample> rewards = collect(report, &EpisodeReport::avg_reward);
  std::vector<Sample> ks = collect(report, &EpisodeReport::avg_ks);
  if (std::all_of(ks.begin(), ks.end(), [](const Sample& s) { return s.value == 0; })) ks.clear();
  std::string figures;
  if (!rewards.empty()) {
    figures += history_chart(report, "history-reward", "Average reward per episode", "reward", rewards);
  }
  if (!ks.empty()) figures += history_chart(report, "history-ks", "Average KS per episode", "KS", ks);
  if (figures.empty()) figures = "<p class=\"quiet\">The recorded rewards are not finite numbers.</p>\n";
  return fmt::format("<section><h2>Training of the policy</h2>\n<div class=\"{}\">\n{}</div></section>\n",
                     rewards.empty() || ks.empty() ? "stack" : "pair", figures);
}

}  // namespace prunenet
