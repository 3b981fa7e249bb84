// Pieces of the page that several sections share: see markup.h.
// Holds: their markup and the thinning of labels.
// Leaves out: what they show.
#include "report/markup.h"

#include <fmt/format.h>

namespace prunenet {
namespace {

constexpr size_t kLabelsNarrow = 10;  // labels that fit under a chart on a phone

// The smallest power of two that leaves at most `fit` labels: every wider choice is a subset of the narrower ones.
size_t label_step(size_t count, size_t fit) {
  size_t step = 1;
  while ((count + step - 1) / step > fit) step *= 2;
  return step;
}

}  // namespace

std::string chart_figure(const std::string& svg, std::string_view heading, const std::string& caption_html) {
  return fmt::format("<figure class=\"card\"><figcaption><b>{}</b> <span>{}</span></figcaption>{}</figure>\n", heading,
                     caption_html, svg);
}

std::string scrolling(std::string_view label, const std::string& table, std::string_view css_class) {
  return fmt::format("<div class=\"scroll card{}{}\" role=\"region\" aria-label=\"{}\" tabindex=\"0\">{}</div>\n",
                     css_class.empty() ? "" : " ", css_class, label, table);
}

double layer_middle(size_t position, size_t count) {
  return (static_cast<double>(position) + 0.5) / static_cast<double>(count);
}

void add_layer_labels(ChartSvg& chart, const std::vector<int64_t>& layers, size_t fit_wide) {
  const size_t narrow = label_step(layers.size(), kLabelsNarrow), wide = label_step(layers.size(), fit_wide);
  for (size_t i = 0; i < layers.size(); i += wide) {
    chart.x_label(layer_middle(i, layers.size()), fmt::format("{}", layers[i]), i % narrow != 0);
  }
}

}  // namespace prunenet
