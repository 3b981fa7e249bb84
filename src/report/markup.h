// Pieces of the page that several sections share.
// Holds: the card around a chart, the box around a table, the labels under charts with one place for each layer.
// Leaves out: drawing primitives (svg.h) and colours (style.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "report/svg.h"

namespace prunenet {

inline constexpr size_t kPairedLayers = 24;     // up to here two charts over the layers stand side by side
inline constexpr size_t kLayerLabelsWide = 40;  // labels that fit under a chart as wide as a wide screen
inline constexpr size_t kLabelledLayers = 8;    // up to here every mark carries its number
inline constexpr size_t kLabelledNarrow = 5;    // and on a phone

/// A chart with its heading and a line under it. The caption is markup, all else is ours.
std::string chart_figure(const std::string& svg, std::string_view heading, const std::string& caption_html);

/// A table wider than a phone scrolls in its own box; the box can be reached with the keyboard. `css_class`: of the
/// box, may be empty.
std::string scrolling(std::string_view label, const std::string& table, std::string_view css_class = "");

/// The middle of place `position` of `count`, as a share of the plot's width.
double layer_middle(size_t position, size_t count);

/// Writes the layers' numbers under their places, thinned out to `fit_wide` on wide screens and further on narrow ones.
void add_layer_labels(ChartSvg& chart, const std::vector<int64_t>& layers, size_t fit_wide);

}  // namespace prunenet
