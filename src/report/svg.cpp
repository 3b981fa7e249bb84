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
constexpr int kRowPx = 26;        // of a chart of rows
constexpr int kRowBarPx = 14;
constexpr int kRowsTopPx = 4;
constexpr size_t kTicksNarrow = 4;  // labels under the rows that fit on a phone
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

// The middle of a row, from the top of the element.
int row_middle(size_t row) {
  return kRowsTopPx + static_cast<int>(row) * kRowPx + kRowPx / 2;
}

std::string opening(std::string_view css_class, int height, std::string_view id, std::string_view title,
                    std::string_view description) {
  return fmt::format(
      "<svg class=\"{0}\" height=\"{1}\" role=\"img\" aria-labelledby=\"{2}-t {2}-d\"><title id=\"{2}-t\">{3}</title>"
      "<desc id=\"{2}-d\">{4}</desc>",
      css_class, height, id, escape_html(title), escape_html(description));
}

std::string tip_element(std::string_view tip) {
  return tip.empty() ? std::string() : fmt::format("<title>{}</title>", escape_html(tip));
}

}  // namespace

ChartSvg::ChartSvg(std::string_view id, std::string_view title, std::string_view description, int plot_height,
                   std::string_view axis_title)
    : plot_height_(plot_height), height_(kTopPx + plot_height + kLabelsPx + (axis_title.empty() ? 0 : kAxisTitlePx)) {
  out_ = opening("chart", height_, id, title, description);
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

RowsSvg::RowsSvg(std::string_view id, std::string_view title, std::string_view description, size_t num_rows,
                 std::string_view axis_title)
    : plot_height_(kRowsTopPx + static_cast<int>(num_rows) * kRowPx) {
  const int height = plot_height_ + kLabelsPx + kAxisTitlePx;
  out_ = opening("chart rows", height, id, title, description);
  out_ += fmt::format("<text class=\"name\" x=\"50%\" y=\"{}\" text-anchor=\"middle\">{}</text>", height - 4,
                      escape_html(axis_title));
}

void RowsSvg::x_axis(const Axis& axis) {
  for (size_t i = 0; i < axis.ticks.size(); ++i) {
    const std::string x = percent(axis.ticks[i].position);
    const bool wide_only = axis.ticks.size() > kTicksNarrow && i % 2 != 0;
    out_ += fmt::format(
        "<line class=\"grid\" x1=\"{0}\" x2=\"{0}\" y1=\"0\" y2=\"{1}\"/>"
        "<text x=\"{0}\" y=\"{2}\" text-anchor=\"middle\"{3}>{4}</text>",
        x, plot_height_, plot_height_ + 16, wide_only ? " class=\"wide\"" : "", escape_html(axis.ticks[i].label));
  }
  out_ += fmt::format("<line class=\"axis\" x1=\"0\" x2=\"0\" y1=\"0\" y2=\"{}\"/>", plot_height_);
}

void RowsSvg::name(size_t row, std::string_view name, bool strong) {
  out_ += fmt::format("<text class=\"{}\" x=\"-8\" y=\"{}\" text-anchor=\"end\">{}</text>",
                      strong ? "value strong" : "value", row_middle(row) + 4, escape_html(name));
}

void RowsSvg::value(size_t row, std::string_view value, bool strong) {
  out_ += fmt::format("<text class=\"{}\" x=\"100%\" dx=\"60\" y=\"{}\" text-anchor=\"end\">{}</text>",
                      strong ? "value strong" : "value", row_middle(row) + 4, escape_html(value));
}

void RowsSvg::bar(size_t row, double end, std::string_view css_class) {
  out_ += fmt::format("<rect class=\"{}\" x=\"0\" width=\"{}\" y=\"{}\" height=\"{}\"/>", css_class,
                      percent(inside(end)), row_middle(row) - kRowBarPx / 2, kRowBarPx);
}

void RowsSvg::whisker(size_t row, double from, double to) {
  const int middle = row_middle(row);
  const auto line = [&](double x1, double x2, int y1, int y2) {
    out_ += fmt::format("<line class=\"whisker\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>", percent(inside(x1)),
                        percent(inside(x2)), y1, y2);
  };
  line(from, to, middle, middle);
  for (const double x : {from, to}) line(x, x, middle - 4, middle + 4);
}

void RowsSvg::word(size_t row, double after, std::string_view word) {
  out_ += fmt::format("<text class=\"value halo\" x=\"{}\" dx=\"7\" y=\"{}\">{}</text>", percent(inside(after)),
                      row_middle(row) + 4, escape_html(word));
}

void RowsSvg::hit(size_t row, std::string_view tip) {
  out_ += fmt::format("<rect class=\"hit\" x=\"0\" width=\"100%\" y=\"{}\" height=\"{}\">{}</rect>",
                      row_middle(row) - kRowPx / 2, kRowPx, tip_element(tip));
}

std::string RowsSvg::finish() const {
  return out_ + "</svg>";
}

}  // namespace prunenet
