// Drawing primitives for the page's charts: see svg.h.
// Holds: the geometry of a chart and its markup. All numbers go through format_plain(), which knows no NaN.
// Leaves out: colours and line widths (style.h).
#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "report/text.h"

namespace prunenet {
namespace {

constexpr int kTopPx = 22;        // room for the y axis' name and for text over a full bar
constexpr int kLabelsPx = 20;     // x labels
constexpr int kAxisTitlePx = 15;  // under the x labels
// Curves are drawn in a stretched box of their own with this many units each way: whole numbers keep the file small.
constexpr int kCurveUnits = 1000;

double inside(double share) {
  return std::isnan(share) ? 0 : std::clamp(share, 0.0, 1.0);
}

std::string percent(double share) {
  return format_plain(share * 100, 3) + "%";
}

int units(double share) {
  return static_cast<int>(std::lround(inside(share) * kCurveUnits));
}

std::string tip_element(std::string_view tip) {
  return tip.empty() ? std::string() : fmt::format("<title>{}</title>", escape_html(tip));
}

}  // namespace

ChartSvg::ChartSvg(std::string_view id, std::string_view title, std::string_view description, int plot_height,
                   std::string_view axis_title)
    : plot_height_(plot_height), height_(kTopPx + plot_height + kLabelsPx + (axis_title.empty() ? 0 : kAxisTitlePx)) {
  out_ = fmt::format(
      "<svg class=\"chart\" height=\"{0}\" role=\"img\" aria-labelledby=\"{1}-t {1}-d\"><title id=\"{1}-t\">{2}</title>"
      "<desc id=\"{1}-d\">{3}</desc>",
      height_, id, escape_html(title), escape_html(description));
  if (!axis_title.empty()) {
    out_ += fmt::format("<text class=\"name\" x=\"50%\" y=\"{}\" text-anchor=\"middle\">{}</text>", height_ - 4,
                        escape_html(axis_title));
  }
}

double ChartSvg::pixel(double y) const {
  return kTopPx + (1 - inside(y)) * plot_height_;
}

void ChartSvg::y_axis(const Axis& axis, std::string_view name) {
  // The name starts where the tick labels do, left of the plot.
  out_ += fmt::format("<text class=\"name\" x=\"-40\" y=\"11\">{}</text>", escape_html(name));
  for (const Tick& tick : axis.ticks) {
    // Half a pixel: a line of one pixel is then sharp.
    const double y = std::floor(pixel(tick.position)) + 0.5;
    out_ += fmt::format(
        "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{0}\" y2=\"{0}\"/>"
        "<text x=\"-6\" y=\"{1}\" text-anchor=\"end\">{2}</text>",
        format_plain(y, 1), format_plain(y + 3.5, 1), escape_html(tick.label));
  }
  out_ += fmt::format("<line class=\"axis\" x1=\"0\" x2=\"100%\" y1=\"{0}\" y2=\"{0}\"/>",
                      format_plain(std::floor(pixel(0)) + 0.5, 1));
}

void ChartSvg::x_label(double x, std::string_view label, bool wide_only) {
  out_ += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\"{}>{}</text>", percent(inside(x)),
                      kTopPx + plot_height_ + 16, wide_only ? " class=\"wide\"" : "", escape_html(label));
}

void ChartSvg::x_tick(double x, bool wide_only) {
  out_ += fmt::format("<line class=\"axis{3}\" x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\"/>", percent(inside(x)),
                      kTopPx + plot_height_, kTopPx + plot_height_ + 4, wide_only ? " wide" : "");
}

void ChartSvg::bar(double middle, double width, double top, std::string_view css_class, std::string_view tip) {
  const double y = pixel(top);
  out_ += fmt::format("<rect class=\"{}\" x=\"{}\" width=\"{}\" y=\"{}\" height=\"{}\"", css_class,
                      percent(middle - width / 2), percent(width), format_plain(y, 1),
                      format_plain(kTopPx + plot_height_ - y, 1));
  out_ += tip.empty() ? "/>" : fmt::format(">{}</rect>", tip_element(tip));
}

void ChartSvg::level(double y, std::string_view css_class) {
  out_ += fmt::format("<line class=\"{1}\" x1=\"0\" x2=\"100%\" y1=\"{0}\" y2=\"{0}\"/>", format_plain(pixel(y), 1),
                      css_class);
}

void ChartSvg::span(double x1, double x2, double y, std::string_view css_class) {
  const double middle = pixel(y);
  const auto line = [&](double from, double to, double y1, double y2) {
    out_ += fmt::format("<line class=\"{}\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>", css_class, percent(from),
                        percent(to), format_plain(y1, 1), format_plain(y2, 1));
  };
  line(inside(x1), inside(x2), middle, middle);
  for (const double x : {inside(x1), inside(x2)}) line(x, x, middle - 5, middle + 5);
}

void ChartSvg::stem(double x, double y1, double y2, std::string_view css_class) {
  out_ += fmt::format("<line class=\"{0}\" x1=\"{1}\" x2=\"{1}\" y1=\"{2}\" y2=\"{3}\"/>", css_class,
                      percent(inside(x)), format_plain(pixel(y1), 1), format_plain(pixel(y2), 1));
}

void ChartSvg::curve(const std::vector<PlotPoint>& points, std::string_view css_class) {
  if (points.size() < 2) return;
  // The nested box stretches with the window; the style sheet keeps the line's width from stretching with it.
  out_ += fmt::format(
      "<svg class=\"box\" x=\"0\" y=\"{0}\" width=\"100%\" height=\"{1}\" viewBox=\"0 0 {2} {2}\" "
      "preserveAspectRatio=\"none\"><path class=\"{3}\" d=\"M",
      kTopPx, plot_height_, kCurveUnits, css_class);
  int last_x = -1, last_y = -1;
  for (const PlotPoint& point : points) {
    const int x = units(point.x), y = kCurveUnits - units(point.y);
    if (x == last_x && y == last_y) continue;
    if (last_x >= 0) out_ += ' ';
    fmt::format_to(std::back_inserter(out_), "{},{}", x, y);
    last_x = x;
    last_y = y;
  }
  out_ += "\"/></svg>";
}

void ChartSvg::dot(PlotPoint place, double radius_px, std::string_view css_class, std::string_view tip) {
  out_ +=
      fmt::format("<circle class=\"{}\" cx=\"{}\" cy=\"{}\" r=\"{}\">{}</circle>", css_class, percent(inside(place.x)),
                  format_plain(pixel(place.y), 1), format_plain(radius_px, 1), tip_element(tip));
}

void ChartSvg::text(PlotPoint place, double lift_px, std::string_view label, std::string_view css_class) {
  const double x = inside(place.x);
  const char* anchor = x < 0.04 ? "start" : x > 0.96 ? "end" : "middle";
  out_ += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>", css_class, percent(x),
                      format_plain(pixel(place.y) - lift_px, 1), anchor, escape_html(label));
}

std::string ChartSvg::finish() const {
  return out_ + "</svg>";
}

}  // namespace prunenet
