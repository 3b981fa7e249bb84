// The page as a whole: see report.h.
// Holds: the document's frame, the header with its tiles, the notes and the footer.
// Leaves out: charts (charts.h, panels.h), tables (tables.h) and the style sheet (style.h).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/charts.h"
#include "report/comparison.h"
#include "report/layer_loss.h"
#include "report/methods.h"
#include "report/panels.h"
#include "report/report.h"
#include "report/stats.h"
#include "report/style.h"
#include "report/tables.h"
#include "report/text.h"

namespace prunenet {
namespace {

using Format = std::string (*)(int64_t);

std::string tile(std::string_view label, const std::string& value_html, const std::string& below_html) {
  return fmt::format("<div class=\"tile\"><dt>{}</dt><dd class=\"big\">{}</dd><dd>{}</dd></div>\n", label, value_html,
                     below_html);
}

// "28.4% removed", with a bar that is filled to the share that the words name.
std::string change_line(int64_t before, int64_t after) {
  if (before == after) return "unchanged";
  if (before <= 0 || after < 0) return "";
  const double kept = static_cast<double>(after) / static_cast<double>(before);
  // A change too small to print is still a change.
  std::string change = format_percent(std::abs(1 - kept));
  if (change == "0.0%") change = "under 0.1%";
  return fmt::format("{} {}<span class=\"meter\"><span style=\"width:{}%\"></span></span>", change,
                     kept < 1 ? "removed" : "added", format_plain(std::min(std::abs(1 - kept), 1.0) * 100, 1));
}

std::string total_tile(const Report& report, std::string_view label, int64_t before, int64_t after, Format format) {
  if (report.after_label.empty()) return tile(label, format(before), "");
  return tile(
      label,
      fmt::format("<span class=\"from\">{}</span> <span class=\"to\"><span class=\"arrow\">\u2192</span> {}</span>",
                  format(before), format(after)),
      change_line(before, after));
}

// "32", or "32 → 30" where layers were dropped.
std::string layer_count(const std::vector<LayerReport>& layers) {
  const auto left =
      std::count_if(layers.begin(), layers.end(), [](const LayerReport& layer) { return !layer.dropped; });
  const std::string before = format_exact(static_cast<int64_t>(layers.size()));
  if (left == static_cast<std::ptrdiff_t>(layers.size())) return before;
  return fmt::format("{} \u2192 {}", before, format_exact(static_cast<int64_t>(left)));
}

std::string tiles(const Report& report) {
  std::string out;
  if (report.kl_nats) out += tile("KL from " + escape_html(report.before_label), format_kl(*report.kl_nats), escape_html(report.kl_text));
  if (report.totals) {
    const Totals& t = *report.totals;
    out += total_tile(report, "Parameters", t.params_before, t.params_after, format_count);
    out += total_tile(report, "FFN parameters", t.ffn_params_before, t.ffn_params_after, format_count);
    out += total_tile(report, "Size on disk", t.bytes_before, t.bytes_after, format_bytes);
    out += total_tile(report, "FLOPs a token", t.flops_per_token_before, t.flops_per_token_after, format_flops);
  } else if (!report.layers.empty()) {
    out += tile("Layers", layer_count(report.layers), "");
  }
  const KsSummary ks = summarize_ks(report.layers);
  if (!report.after_label.empty() && ks.count > 0) {
    out += tile("KS, mean of layers", format_value(ks.mean),
                fmt::format("worst {} in layer {}", format_value(ks.worst), report.layers[ks.worst_position].index));
  }
  out += comparison_tiles(report);
  out += methods_tiles(report);
  return out.empty() ? "" : fmt::format("<dl class=\"tiles\">\n{}</dl>\n", out);
}

std::string header(const Report& report, const std::string& title) {
  std::string facts;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) facts += fmt::format("<span>{} <b>{}</b></span>", name, escape_html(value));
  };
  add("model", report.model_name);
  add("family", report.family);
  if (!report.layers.empty()) add("layers", layer_count(report.layers));
  if (!report.after_label.empty()) {
    add("compares",
        fmt::format("{} \u2192 {}", report.before_label.empty() ? "before" : report.before_label, report.after_label));
  }
  return fmt::format(
      "<header><p class=\"eyebrow\">prunenet report</p>\n<h1>{}</h1>\n<p class=\"facts\">{}</p>\n{}</header>\n",
      escape_html(title), facts, tiles(report));
}

std::string notes(const Report& report) {
  if (report.notes.empty()) return "";
  std::string items;
  for (const std::string& note : report.notes) items += fmt::format("<li>{}</li>\n", escape_html(note));
  return fmt::format("<section class=\"notes\" aria-label=\"Notes\"><h2>Notes</h2><ul>\n{}</ul></section>\n", items);
}

std::string footer(const Report& report) {
  std::string text;
  // A comparison on text may have no spectra.
  if (!report.after_label.empty() && (!report.comparison || summarize_ks(report.layers).count > 0)) {
    text =
        "<p><b>How to read KS.</b> The two-sample Kolmogorov-Smirnov statistic is the largest difference, over all "
        "values x, between the share of singular values at or below x in one model and in the other: 0 means that the "
        "two spectra are distributed alike, 1 that they do not overlap. It measures how far pruning moved a "
        "layer\u2019s spectrum, not how well the model answers.</p>\n";
  }
  text += comparison_explained(report);
  return fmt::format("<footer>{}<p>Made by prunenet{}{}.</p></footer>\n", text, report.version.empty() ? "" : " ",
                     escape_html(report.version));
}

}  // namespace

std::string render_html(const Report& report) {
  std::vector<LayerSpectra> spectra;
  spectra.reserve(report.layers.size());
  for (const LayerReport& layer : report.layers) {
    spectra.push_back({.before = clean_spectrum(layer.singular_values_before),
                       .after = report.after_label.empty() || layer.dropped
                                    ? Spectrum{}
                                    : clean_spectrum(layer.singular_values_after)});
  }
  const std::string title = report.title.empty() ? "Pruning report" : report.title;
  // The policy lets the browser load nothing and run nothing, whatever a model's name may smuggle in.
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "base-uri 'none'; form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n";
  page += fmt::format("<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n", escape_html(title),
                      page_style());
  page += header(report, title);
  page += notes(report);
  page += methods_section(report);
  page += comparison_section(report);
  page += layer_loss_section(report);
  page += overview_section(report);
  page += history_section(report);
  page += panels_section(report, spectra);
  page += layers_section(report, spectra);
  page += run_section(report);
  page += footer(report);
  return page + "</main>\n</body>\n</html>\n";
}

}  // namespace prunenet
