// Methods compared at the same size: see methods.h.
// Holds: the scale, the bars with their whiskers, captions and rows.
// Leaves out: drawing primitives (svg.h).
#include "report/methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "report/axis.h"
#include "report/markup.h"
#include "report/svg.h"
#include "report/text.h"

namespace prunenet {
namespace {

constexpr double kUneven = 12;        // largest / smallest KL from which the scale is logarithmic
constexpr double kLogDepth = 1e-5;    // KLs deeper under the largest are drawn at the left edge
constexpr double kFirstBar = 1.5;     // how far under the smallest KL such a scale starts: its bar is seen, too
constexpr double kWhiskerReach = 3;   // how far beyond the largest KL whiskers may stretch the scale
constexpr double kLargest = 1e300;    // sums of larger numbers could overflow
constexpr double kRoomForWord = 0.8;  // a bar's end beyond leaves no room for "best"
constexpr size_t kNameColumns = 15;   // of a name beside its bar; the table has it in full
constexpr size_t kCaptionColumns = 40;
constexpr double kSameSize = 0.01;  // sizes further apart, as a share, are worth a word

bool has_kl(const MethodReport& method) {
  return std::isfinite(method.kl_nats);
}

// The standard error, if it can be drawn.
std::optional<double> error_of(const MethodReport& method) {
  const std::optional<double> error = method.kl_standard_error;
  return error && std::isfinite(*error) && *error > 0 ? error : std::nullopt;
}

double upper_end(const MethodReport& method) {
  return method.kl_nats + error_of(method).value_or(0);
}
double lower_end(const MethodReport& method) {
  return method.kl_nats - error_of(method).value_or(0);
}

// The size that most methods reached: the lower middle of those that are known; 0 if none is.
int64_t common_size(const Report& report) {
  std::vector<int64_t> sizes;
  for (const MethodReport& method : report.methods) {
    if (method.bytes > 0) sizes.push_back(method.bytes);
  }
  if (sizes.empty()) return 0;
  std::sort(sizes.begin(), sizes.end());
  return sizes[(sizes.size() - 1) / 2];
}

// The methods that have a KL, and which of them stand out. What is larger than the others kept more and lost less for
// that: it cannot be the best. What is smaller can, and is not held up as the worst.
struct Measured {
  std::vector<const MethodReport*> methods;
  double size_bytes = 0;                // that most reached; 0: not known
  const MethodReport* best = nullptr;   // the first with the lowest KL; null where nothing is to be told apart
  const MethodReport* worst = nullptr;  // the first with the highest; null likewise
  double least = 0, most = 0;           // over all methods

  bool is_larger(const MethodReport& method) const {
    return method.bytes > 0 && static_cast<double>(method.bytes) > size_bytes * (1 + kSameSize);
  }
  bool is_smaller(const MethodReport& method) const {
    return method.bytes > 0 && static_cast<double>(method.bytes) < size_bytes * (1 - kSameSize);
  }
  bool is_best(const MethodReport& method) const {
    return best != nullptr && method.kl_nats == best->kl_nats && !is_larger(method);
  }
};

Measured measured_of(const Report& report) {
  Measured measured;
  measured.size_bytes = static_cast<double>(common_size(report));
  for (const MethodReport& method : report.methods) {
    if (!has_kl(method)) continue;
    const double kl = method.kl_nats;
    measured.least = measured.methods.empty() ? kl : std::min(measured.least, kl);
    measured.most = measured.methods.empty() ? kl : std::max(measured.most, kl);
    measured.methods.push_back(&method);
    if (measured.is_larger(method)) continue;
    if (measured.best == nullptr || kl < measured.best->kl_nats) measured.best = &method;
    if (measured.is_smaller(method)) continue;
    if (measured.worst == nullptr || kl > measured.worst->kl_nats) measured.worst = &method;
  }
  if (measured.best != nullptr && measured.worst != nullptr && measured.best->kl_nats < measured.worst->kl_nats)
    return measured;
  measured.best = measured.worst = nullptr;
  return measured;
}

Axis kl_axis(const Measured& measured) {
  const double largest = std::clamp(measured.most, 0.0, kLargest);
  double high = largest;
  std::optional<double> smallest;  // above 0
  for (const MethodReport* method : measured.methods) {
    high = std::max(high, std::min(upper_end(*method), largest * kWhiskerReach));
    if (method->kl_nats > 0) smallest = std::min(smallest.value_or(method->kl_nats), method->kl_nats);
  }
  high = std::min(high, kLargest);
  if (!smallest || *smallest * kUneven >= largest) return linear_axis(0, high, 6);
  double low = *smallest / kFirstBar;
  for (const MethodReport* method : measured.methods) {
    if (method->kl_nats > 0) low = std::min(low, std::max(lower_end(*method), *smallest / kWhiskerReach));
  }
  return log_axis(std::max(low, largest * kLogDepth), high);
}

std::string name_in(const MethodReport& method, size_t columns) {
  return escape_html(shorten(method.name, columns));
}

// "best: self, 0.0121; its whisker overlaps that of self-down". Markup.
std::string summary_of(const Measured& measured) {
  if (measured.best == nullptr) {
    if (measured.least < measured.most)
      return fmt::format("from {} to {}", format_kl(measured.least), format_kl(measured.most));
    return format_kl(measured.most) + (measured.methods.size() > 1 ? " with every method" : "");
  }
  std::string summary =
      fmt::format("best: {}, {}", name_in(*measured.best, kCaptionColumns), format_kl(measured.best->kl_nats));
  std::vector<const MethodReport*> near;
  for (const MethodReport* method : measured.methods) {
    if (!measured.is_best(*method) && !measured.is_larger(*method) && error_of(*method) && error_of(*measured.best) &&
        lower_end(*method) <= upper_end(*measured.best))
      near.push_back(method);
  }
  if (near.size() == 1) summary += "; its whisker overlaps that of " + name_in(*near.front(), kCaptionColumns);
  if (near.size() > 1) summary += fmt::format("; its whisker overlaps those of {} others", near.size());
  return summary;
}

void add_bars(RowsSvg& chart, const Report& report, const Measured& measured, const Axis& axis) {
  for (size_t row = 0; row < report.methods.size(); ++row) {
    const MethodReport& method = report.methods[row];
    const bool best = has_kl(method) && measured.is_best(method);
    chart.name(row, shorten(method.name, kNameColumns), best);
    chart.value(row, format_kl(method.kl_nats), best);
    if (has_kl(method)) {
      const bool larger = measured.is_larger(method), smaller = measured.is_smaller(method);
      chart.bar(row, axis.position(method.kl_nats), best ? "bar least" : larger ? "bar pale" : "bar");
      if (error_of(method)) chart.whisker(row, axis.position(lower_end(method)), axis.position(upper_end(method)));
      const double end = axis.position(upper_end(method));
      const char* word = best && smaller ? "best, smaller"
                         : best          ? "best"
                         : larger        ? "larger"
                         : smaller       ? "smaller"
                                         : "";
      if (*word != '\0' && end <= kRoomForWord) chart.word(row, end, word);
    }
    chart.hit(row, fmt::format("{}: {}", shorten(method.name, kCaptionColumns),
                               format_with_error(method.kl_nats, method.kl_standard_error)));
  }
}

std::string chart(const Report& report, const Measured& measured) {
  if (measured.methods.empty()) return "";
  const Axis axis = kl_axis(measured);
  const std::string summary = summary_of(measured);
  RowsSvg chart("methods-kl", "KL by method",
                fmt::format("Bar chart of {} methods, from {} to {}. The table below holds all numbers.",
                            measured.methods.size(), format_kl(measured.least), format_kl(measured.most)),
                report.methods.size(), axis.is_log ? "KL, nats a token, log scale" : "KL, nats a token");
  chart.x_axis(axis);
  add_bars(chart, report, measured, axis);
  std::string body = chart.finish();
  const auto below = std::count_if(measured.methods.begin(), measured.methods.end(),
                                   [&](const MethodReport* method) { return method->kl_nats < axis.low; });
  if (axis.is_log && below > 0) {
    body += fmt::format("<p class=\"quiet\">{} below {}: drawn at the left edge.</p>",
                        below == 1 ? "1 KL" : fmt::format("{} KLs", below), format_kl(axis.low));
  }
  return chart_figure(body, "KL by method", summary);
}

std::string explanation(const Report& report, const Measured& measured) {
  std::string text =
      "<p class=\"lead\"><b>KL</b> is how far a method moves the predictions of the next token from those of the model "
      "before it was pruned, in nats a token: 0 when not at all, and less is better. All methods were measured on the "
      "same text.";
  if (!measured.methods.empty()) {
    if (std::any_of(measured.methods.begin(), measured.methods.end(), [](auto* m) { return error_of(*m); }))
      text += " Whiskers reach one standard error to either side.";
    if (kl_axis(measured).is_log)
      text += " The scale is logarithmic: equal lengths are equal factors, and no bar starts at 0.";
  }
  text += "</p>\n";
  int64_t least = 0, most = 0;
  bool any_larger = false;
  for (const MethodReport& method : report.methods) {
    if (method.bytes <= 0) continue;
    least = least == 0 ? method.bytes : std::min(least, method.bytes);
    most = std::max(most, method.bytes);
    any_larger |= measured.is_larger(method);
  }
  if (static_cast<double>(most) > static_cast<double>(least) * (1 + kSameSize)) {
    text += fmt::format(
        "<p class=\"lead\">The sizes are not all the same: they go from {} to {}.{}</p>\n", format_bytes(least),
        format_bytes(most),
        any_larger ? " What is larger than most kept more (pale bars) and is not counted as the best." : "");
  }
  return text;
}

// Four significant digits: methods that are near each other differ in the fourth.
std::string format_perplexity(double perplexity) {
  const double size = std::abs(perplexity);
  if (!(size < 1000) || size < 1) return format_value(perplexity);
  return fmt::format("{:.{}f}", perplexity, size < 9.9995 ? 3 : size < 99.995 ? 2 : 1);
}

std::string table(const Report& report, const Measured& measured) {
  std::string rows;
  for (const MethodReport& method : report.methods) {
    const bool best = has_kl(method) && measured.is_best(method);
    rows += fmt::format(
        "<tr{}><th scope=\"row\">{}{}</th><td class=\"words\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td><td>{}</td><td>{}</td></tr>\n",
        best ? " class=\"least\"" : "", method.name.empty() ? kNoNumber : escape_html(method.name),
        best ? " <span class=\"badge\">best</span>" : "", escape_html(method.words), format_percent(method.ffn_ratio),
        format_percent(method.total_ratio), format_with_error(method.kl_nats, method.kl_standard_error),
        format_perplexity(method.perplexity), method.bytes > 0 ? format_bytes(method.bytes) : kNoNumber,
        format_duration(method.elapsed_s), method.loads ? "yes" : "no");
  }
  return scrolling(
      "Table of methods",
      fmt::format("<table class=\"layers methods\"><thead>\n<tr><th scope=\"col\" rowspan=\"2\">Method</th>"
                  "<th scope=\"col\" rowspan=\"2\" class=\"words\">What it does</th>"
                  "<th scope=\"colgroup\" colspan=\"2\">Removed</th><th scope=\"col\" rowspan=\"2\">KL</th>"
                  "<th scope=\"col\" rowspan=\"2\">Perplexity</th><th scope=\"col\" rowspan=\"2\">Size</th>"
                  "<th scope=\"col\" rowspan=\"2\">Time</th><th scope=\"col\" rowspan=\"2\">Loads</th></tr>\n"
                  "<tr><th scope=\"col\">of FFN</th><th scope=\"col\">of all</th></tr></thead><tbody>\n{}</tbody>"
                  "</table>",
                  rows));
}

std::string tile(std::string_view label, const std::string& value, const std::string& below) {
  return fmt::format("<div class=\"tile\"><dt>{}</dt><dd class=\"big\">{}</dd><dd>{}</dd></div>\n", label, value,
                     below);
}

// "30.0%", or "28.1% to 30.0%"; nothing if no share is a number.
std::string range_of(const Report& report, double MethodReport::*share) {
  std::optional<double> least, most;
  for (const MethodReport& method : report.methods) {
    if (!std::isfinite(method.*share)) continue;
    least = std::min(least.value_or(method.*share), method.*share);
    most = std::max(most.value_or(method.*share), method.*share);
  }
  if (!least) return "";
  const std::string low = format_percent(*least), high = format_percent(*most);
  return low == high ? low : fmt::format("{} to {}", low, high);
}

}  // namespace

std::string methods_tiles(const Report& report) {
  if (report.methods.empty()) return "";
  const Measured measured = measured_of(report);
  std::string out = tile("Methods compared", format_exact(static_cast<int64_t>(report.methods.size())), "");
  if (measured.best != nullptr) {
    const MethodReport &best = *measured.best, &worst = *measured.worst;
    out += tile("Lowest KL", format_kl(best.kl_nats), name_in(best, kCaptionColumns));
    // A factor from next to nothing says nothing.
    const double factor = worst.kl_nats / best.kl_nats;
    const bool telling = best.kl_nats > 0 && factor < 1e5;
    out += tile("Highest KL", format_kl(worst.kl_nats),
                name_in(worst, kCaptionColumns) + (telling ? fmt::format(", \u00D7 {}", format_value(factor)) : ""));
  }
  const std::string of_ffn = range_of(report, &MethodReport::ffn_ratio);
  const std::string of_all = range_of(report, &MethodReport::total_ratio);
  if (!of_ffn.empty())
    out += tile("Removed of the FFNs", of_ffn, of_all.empty() ? "" : fmt::format("{} of all parameters", of_all));
  return out;
}

std::string methods_section(const Report& report) {
  if (report.methods.empty()) return "";
  const Measured measured = measured_of(report);
  return fmt::format(
      "<section><h2>Methods at the same size</h2>\n{}<div class=\"stack\">\n{}{}</div>\n"
      "<p class=\"quiet\">KL \u00B1 its standard error. Perplexity: of the same text. Time: that of pruning. Loads: in "
      "stock programs, as it is. {} means not known.</p>\n</section>\n",
      explanation(report, measured), chart(report, measured), table(report, measured), kNoNumber);
}

}  // namespace prunenet
