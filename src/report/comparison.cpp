// What the smaller model says differently: see comparison.h.
// Holds: rows, axes and captions.
// Leaves out: drawing primitives (svg.h).
#include "report/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "report/axis.h"
#include "report/markup.h"
#include "report/svg.h"
#include "report/text.h"

namespace prunenet {
namespace {

constexpr int kPlotPx = 170;
constexpr size_t kPoints =
    64;  // of a curve: a KL at each of 255 positions is mostly noise, means of four show the trend

struct Point {
  double at = 0, value = 0;
};

// Means of at most kPoints runs of neighbours, each at the middle of its run. Values that are not finite are left out.
std::vector<Point> run_means(const std::vector<double>& values, double first_at) {
  const size_t runs = std::min(values.size(), kPoints);
  std::vector<Point> points;
  for (size_t r = 0; r < runs; ++r) {
    const size_t begin = r * values.size() / runs, end = (r + 1) * values.size() / runs;
    double sum = 0, count = 0;
    for (size_t i = begin; i < end; ++i) {
      if (!std::isfinite(values[i])) continue;
      sum += values[i];
      ++count;
    }
    if (count > 0)
      points.push_back({first_at + (static_cast<double>(begin) + static_cast<double>(end) - 1) / 2, sum / count});
  }
  return points;
}

// A line chart of `points`, the y axis from 0, with a dashed line at the mean over all tokens.
std::string line_chart(std::string_view id, std::string_view heading, std::string_view axis_title,
                       const std::vector<Point>& points, int64_t last_at, double mean, const std::string& caption) {
  double most = std::isfinite(mean) ? mean : 0;
  for (const Point& point : points) most = std::max(most, point.value);
  const Axis y_axis = linear_axis(0, std::max(most, 1e-9), 4);
  const Axis x_axis = integer_axis(1, last_at, 6);
  ChartSvg chart(id, heading, caption, kPlotPx, axis_title);
  chart.y_axis(y_axis, "KL");
  for (const Tick& tick : x_axis.ticks) {
    chart.x_tick(tick.position);
    chart.x_label(tick.position, tick.label);
  }
  if (std::isfinite(mean)) chart.level(y_axis.position(mean), "mean");
  std::vector<PlotPoint> places;
  places.reserve(points.size());
  for (const Point& point : points) places.push_back({x_axis.position(point.at), y_axis.position(point.value)});
  chart.curve(places, "after");
  if (places.size() == 1) chart.dot(places.front(), 3, "point", "");
  return chart_figure(chart.finish(), heading, escape_html(caption));
}

std::string position_chart(const ComparisonReport& comparison) {
  const std::vector<Point> points = run_means(comparison.kl_by_position, 1);
  if (points.empty()) return "";
  const auto last = static_cast<int64_t>(comparison.kl_by_position.size());
  const std::string caption = fmt::format(
      "{} at the first token, {} at the last; dashed line: mean {}", format_value(comparison.kl_by_position.front()),
      format_value(comparison.kl_by_position.back()), format_value(comparison.kl_nats));
  return line_chart("comparison-position", "KL by place in the text", "tokens before it", points, last,
                    comparison.kl_nats, caption);
}

std::string sequence_chart(const ComparisonReport& comparison) {
  std::vector<double> sorted;
  for (const double kl : comparison.kl_by_sequence) {
    if (std::isfinite(kl)) sorted.push_back(kl);
  }
  if (sorted.empty()) return "";
  std::sort(sorted.begin(), sorted.end());
  const std::string caption = fmt::format("from {} to {}; dashed line: mean {}", format_value(sorted.front()),
                                          format_value(sorted.back()), format_value(comparison.kl_nats));
  return line_chart("comparison-sequence", "KL of each sequence, sorted", "sequence", run_means(sorted, 1),
                    static_cast<int64_t>(sorted.size()), comparison.kl_nats, caption);
}

std::string ratio_cell(double before, double after) {
  return before != 0 ? format_value(after / before) : kNoNumber;
}

std::string table(const Report& report) {
  const ComparisonReport& comparison = *report.comparison;
  std::string rows;
  const auto add = [&](std::string_view name, const std::string& before, const std::string& after,
                       const std::string& ratio) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>\n", name, before, after,
                        ratio);
  };
  add("Perplexity", format_value(comparison.perplexity_before), format_value(comparison.perplexity_after),
      ratio_cell(comparison.perplexity_before, comparison.perplexity_after));
  if (report.totals) {
    const auto add_count = [&](std::string_view name, int64_t before, int64_t after) {
      add(name, format_exact(before), format_exact(after),
          ratio_cell(static_cast<double>(before), static_cast<double>(after)));
    };
    const Totals& t = *report.totals;
    add_count("Parameters", t.params_before, t.params_after);
    add_count("FFN parameters", t.ffn_params_before, t.ffn_params_after);
    add_count("Bytes on disk", t.bytes_before, t.bytes_after);
    add_count("FLOPs a token", t.flops_per_token_before, t.flops_per_token_after);
  }
  return scrolling(
      "Both models",
      fmt::format(
          "<table><caption>Both models</caption>"
          "<thead><tr><th scope=\"col\"><span class=\"unseen\">quantity</span></th><th scope=\"col\">{}</th><th "
          "scope=\"col\">{}</th>"
          "<th scope=\"col\">ratio</th></tr></thead><tbody>\n{}</tbody></table>",
          escape_html(report.before_label.empty() ? "before" : report.before_label),
          escape_html(report.after_label.empty() ? "after" : report.after_label), rows));
}

std::string tile(std::string_view label, const std::string& value, const std::string& below) {
  return fmt::format("<div class=\"tile\"><dt>{}</dt><dd class=\"big\">{}</dd><dd>{}</dd></div>\n", label, value,
                     below);
}

}  // namespace

std::string comparison_tiles(const Report& report) {
  if (!report.comparison) return "";
  const ComparisonReport& comparison = *report.comparison;
  const std::string error = comparison.kl_standard_error
                                ? fmt::format("\u00B1 {} nats a token", format_value(*comparison.kl_standard_error))
                                : "nats a token";
  return tile("KL from the first model", format_value(comparison.kl_nats), error) +
         tile("Perplexity",
              fmt::format(
                  "<span class=\"from\">{}</span> <span class=\"to\"><span class=\"arrow\">\u2192</span> {}</span>",
                  format_value(comparison.perplexity_before), format_value(comparison.perplexity_after)),
              fmt::format("\u00D7 {}", ratio_cell(comparison.perplexity_before, comparison.perplexity_after))) +
         tile("Same likeliest token", format_percent(comparison.top1_agreement), "of all predictions");
}

std::string comparison_section(const Report& report) {
  if (!report.comparison) return "";
  const ComparisonReport& comparison = *report.comparison;
  const std::string charts = position_chart(comparison) + sequence_chart(comparison);
  return fmt::format(
      "<section><h2>What it says differently</h2>\n<p class=\"lead\">Measured on {}: {} predictions.</p>\n"
      "<div class=\"stack\">\n{}{}</div></section>\n",
      escape_html(comparison.text), format_exact(comparison.num_predictions), table(report),
      charts.empty() ? "" : fmt::format("<div class=\"pair\">\n{}</div>\n", charts));
}

std::string comparison_explained(const Report& report) {
  if (!report.comparison) return "";
  return "<p><b>How to read KL.</b> The Kullback-Leibler divergence is the mean over tokens, in nats, of how much less "
         "likely "
         "the second model finds what the first would say next: 0 means that both say the same. Perplexity is the "
         "exponential of "
         "the mean negative log-likelihood of the text\u2019s tokens; on text that the first model wrote itself its "
         "own perplexity "
         "tells how varied that text is, and the ratio what the second lost.</p>\n";
}

}  // namespace prunenet
