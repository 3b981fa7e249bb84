// The tables of the page: see tables.h.
// Holds: columns and rows.
// Leaves out: charts.
#include "report/tables.h"

#include <fmt/format.h>

#include "report/markup.h"
#include "report/stats.h"
#include "report/text.h"

namespace prunenet {
namespace {

std::string cell(const std::string& text) {
  return fmt::format("<td>{}</td>", text);
}

std::string layer_rows(const Report& report, const std::vector<LayerSpectra>& spectra, bool linked) {
  const bool two = !report.after_label.empty();
  std::string rows;
  for (size_t i = 0; i < report.layers.size(); ++i) {
    const LayerReport& layer = report.layers[i];
    const Spectrum &before = spectra[i].before, &after = spectra[i].after;
    rows += linked ? fmt::format("<tr><th scope=\"row\"><a href=\"#layer-{}\">{}</a></th>", i, layer.index)
                   : fmt::format("<tr><th scope=\"row\">{}</th>", layer.index);
    rows += cell(format_exact(layer.width_before));
    if (two) {
      const std::optional<double> kept = kept_share(layer);
      rows += cell(layer.dropped ? "dropped" : format_exact(layer.width_after)) +
              cell(kept ? format_percent(*kept) : kNoNumber) + cell(format_value(finite_ks(layer)));
    }
    rows += cell(format_value(largest_of(before)));
    if (two) rows += cell(format_value(largest_of(after)));
    rows += cell(format_value(median_of(before)));
    if (two) rows += cell(format_value(median_of(after)));
    rows += "</tr>\n";
  }
  return rows;
}

std::string options_table(const Report& report) {
  std::string rows;
  for (const auto& [name, value] : report.options) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape_html(name), escape_html(value));
  }
  return fmt::format("<table class=\"pairs\"><caption>Options</caption><tbody>\n{}</tbody></table>", rows);
}

std::string totals_table(const Report& report) {
  const bool two = !report.after_label.empty();
  const Totals& t = *report.totals;
  std::string rows;
  const auto add = [&](std::string_view name, int64_t before, int64_t after) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td>{}</tr>\n", name, format_exact(before),
                        two ? cell(format_exact(after)) : "");
  };
  add("Parameters", t.params_before, t.params_after);
  add("FFN parameters", t.ffn_params_before, t.ffn_params_after);
  add("Bytes on disk", t.bytes_before, t.bytes_after);
  add("FLOPs a token", t.flops_per_token_before, t.flops_per_token_after);
  const std::string before = escape_html(report.before_label.empty() ? "before" : report.before_label);
  return fmt::format(
      "<table><caption>Exact totals</caption><thead><tr><th scope=\"col\"><span class=\"unseen\">quantity</span></th>"
      "<th scope=\"col\">{}</th>{}</tr></thead><tbody>\n{}</tbody></table>",
      before, two ? fmt::format("<th scope=\"col\">{}</th>", escape_html(report.after_label)) : "", rows);
}

}  // namespace

std::string layers_section(const Report& report, const std::vector<LayerSpectra>& spectra) {
  if (report.layers.empty()) return "";
  bool has_panels = false;
  for (const LayerSpectra& s : spectra) has_panels |= !s.before.ascending.empty() || !s.after.ascending.empty();
  const std::string head =
      report.after_label.empty()
          ? "<tr><th scope=\"col\">Layer</th><th scope=\"col\">Width</th><th scope=\"col\">Largest \u03C3</th>"
            "<th scope=\"col\">Median \u03C3</th></tr>"
          : "<tr><th scope=\"col\" rowspan=\"2\">Layer</th><th scope=\"colgroup\" colspan=\"3\">FFN width</th>"
            "<th scope=\"col\" rowspan=\"2\">KS</th><th scope=\"colgroup\" colspan=\"2\">Largest \u03C3</th>"
            "<th scope=\"colgroup\" colspan=\"2\">Median \u03C3</th></tr>\n<tr><th scope=\"col\">before</th>"
            "<th scope=\"col\">after</th><th scope=\"col\">kept</th><th scope=\"col\">before</th>"
            "<th scope=\"col\">after</th><th scope=\"col\">before</th><th scope=\"col\">after</th></tr>";
  return fmt::format(
      "<section><h2>All layers</h2>\n<p class=\"lead\">\u03C3: singular value. {} means not known.</p>\n{}</section>\n",
      kNoNumber,
      scrolling("Table of layers", fmt::format("<table class=\"layers\"><thead>\n{}</thead><tbody>\n{}</tbody></table>",
                                               head, layer_rows(report, spectra, has_panels))));
}

std::string run_section(const Report& report) {
  std::string tables;
  const bool totals = report.totals && !report.comparison;  // a comparison shows them in its own table
  if (totals) tables += scrolling("Exact totals", totals_table(report));
  if (!report.options.empty()) tables += scrolling("Options", options_table(report));
  if (tables.empty()) return "";
  return fmt::format("<section><h2>Run</h2>\n<div class=\"{}\">\n{}</div></section>\n",
                     totals && !report.options.empty() ? "pair" : "stack", tables);
}

}  // namespace prunenet
