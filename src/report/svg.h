// Drawing primitives for the page's charts.
// Holds: ChartSvg and RowsSvg, builders of one inline SVG element.
// Leaves out: what the charts show (charts.h, panels.h) and their colours (style.h: CSS classes).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/axis.h"

namespace prunenet {

/// A place in the plot area, both 0..1, the origin at the lower left.
struct PlotPoint {
  double x = 0, y = 0;
};

/// One chart. Widths are percentages and heights are pixels, so that the browser stretches the plot to the window while
/// the text keeps its size: the same chart is readable on a phone and on a wide screen, without a script. The labels
/// left of the axis lie outside the SVG's own box, in a margin that the style sheet leaves for them.
class ChartSvg {
 public:
  /// `id`: unique in the page, letters, digits and '-' only. `title` and `description` are plain text: they are what a
  /// screen reader says. `plot_height`: of the plot area, pixels. `axis_title`: text under the x axis, may be empty.
  ChartSvg(std::string_view id, std::string_view title, std::string_view description, int plot_height,
           std::string_view axis_title);

  /// Draws the grid, the tick labels and the axis' name above them.
  void y_axis(const Axis& axis, std::string_view name);

  /// A label under the x axis at 0..1. `wide_only`: hidden on narrow screens.
  void x_label(double x, std::string_view label, bool wide_only = false);

  /// A short line under the x axis.
  void x_tick(double x, bool wide_only = false);

  /// A rectangle from y = 0 up to `top`; the middle and the width are shares of the plot's width. `tip`: plain text
  /// shown on hover, may be empty.
  void bar(double middle, double width, double top, std::string_view css_class, std::string_view tip);

  /// A line across the plot at height `y`.
  void level(double y, std::string_view css_class);

  /// A horizontal line from x1 to x2 at height `y`, with upright ends.
  void span(double x1, double x2, double y, std::string_view css_class);

  /// An upright line from y1 to y2.
  void stem(double x, double y1, double y2, std::string_view css_class);

  /// A line through the points, in order. Nothing for fewer than two.
  void curve(const std::vector<PlotPoint>& points, std::string_view css_class);

  /// A circle.
  void dot(PlotPoint place, double radius_px, std::string_view css_class, std::string_view tip);

  /// Text with its foot `lift_px` above the place, kept inside the plot at the left and right edge.
  void text(PlotPoint place, double lift_px, std::string_view label, std::string_view css_class);

  /// The finished element.
  std::string finish() const;

 private:
  double pixel(double y) const;  // from the top of the element

  int plot_height_ = 0;
  int height_ = 0;
  std::string out_;
};

/// A chart of bars that lie, a row each, with its name left of the plot and its number right of it: for things that
/// have names and no order. Places along a row are 0..1; as in ChartSvg the plot stretches and the text does not.
class RowsSvg {
 public:
  /// As ChartSvg's. `axis_title`: text under the x axis.
  RowsSvg(std::string_view id, std::string_view title, std::string_view description, size_t num_rows,
          std::string_view axis_title);

  /// Draws the grid and the tick labels under it. Every other label is hidden on narrow screens if there are many.
  void x_axis(const Axis& axis);

  /// Plain text left and right of the plot. `strong`: stands out.
  void name(size_t row, std::string_view name, bool strong);
  void value(size_t row, std::string_view value, bool strong);

  /// A bar from the left edge to `end`.
  void bar(size_t row, double end, std::string_view css_class);

  /// A line from one place to another with upright ends, over the bar.
  void whisker(size_t row, double from, double to);

  /// Plain text right after a place.
  void word(size_t row, double after, std::string_view word);

  /// The whole row answers on hover with `tip`: plain text. Last of its row.
  void hit(size_t row, std::string_view tip);

  /// The finished element.
  std::string finish() const;

 private:
  int plot_height_ = 0;
  std::string out_;
};

}  // namespace prunenet
