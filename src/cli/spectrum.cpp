// prunenet spectrum: singular values of every layer's gate (or fc1), and how far two models' are apart.
#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/version.h"
#include "cli/format.h"
#include "cli/report_data.h"
#include "spectrum/ks.h"

namespace prunenet::cli {
namespace {

struct SpectrumOptions : CommonOptions {
  std::string model, other, report;
  bool force = false;
  TrainingOptions precision;
};

double median(const std::vector<double>& descending) {
  const size_t n = descending.size();
  return n % 2 == 1 ? descending[n / 2] : (descending[n / 2 - 1] + descending[n / 2]) / 2;
}

struct Row {
  std::vector<double> first, second;  // second empty without OTHER
  std::optional<double> ks;
};

std::vector<Row> compute(const SpectrumOptions& options, const OpenModel& first, const std::optional<OpenModel>& second,
                         Progress& progress) {
  auto a = whole_spectra(first, options.precision, progress);
  std::vector<Row> rows(a.size());
  for (size_t l = 0; l < a.size(); ++l) rows[l].first = std::move(a[l]);
  if (!second) return rows;
  auto b = whole_spectra(*second, options.precision, progress);
  for (size_t l = 0; l < rows.size(); ++l) {
    rows[l].second = std::move(b[l]);
    rows[l].ks = ks_statistic(rows[l].first, rows[l].second);
  }
  return rows;
}

void print_table(const OpenModel& first, const std::optional<OpenModel>& second, const std::vector<Row>& rows) {
  fmt::print("singular values of the gates (fc1 where there is none) in {}{}\n", first.name(),
             second ? " and " + second->name() : "");
  fmt::print("  layer   width    largest     median   smallest{}\n", second ? "     width    largest     median   smallest       KS" : "");
  const auto values = [](const std::vector<double>& s) {
    return fmt::format("{:>10.4f} {:>10.4f} {:>10.4f}", s.front(), median(s), s.back());
  };
  for (size_t l = 0; l < rows.size(); ++l) {
    fmt::print("  {:>5}  {:>6} {}", l, first.model.layers[l].ffn.neurons.width, values(rows[l].first));
    if (second) fmt::print("    {:>6} {}  {:.5f}", second->model.layers[l].ffn.neurons.width, values(rows[l].second), *rows[l].ks);
    fmt::print("\n");
  }
}

Report make_report(const SpectrumOptions& options, const OpenModel& first, const std::optional<OpenModel>& second,
                   const std::vector<Row>& rows) {
  Report report;
  report.title = second ? fmt::format("Spectra of {} and {}", first.name(), second->name()) : fmt::format("Spectra of {}", first.name());
  report.model_name = first.name();
  report.family = first.model.family;
  report.before_label = first.name();
  report.after_label = second ? second->name() : "";
  report.version = PRUNENET_VERSION;
  report.options = {{"precision", uses_f64(options.precision, first.model) ? "f64" : "f32"}, {"route", options.precision.route}};
  if (second) report.totals = report_totals({first.size(), second->size()});
  for (size_t l = 0; l < rows.size(); ++l) {
    LayerReport layer;
    layer.index = static_cast<int64_t>(l);
    layer.width_before = first.model.layers[l].ffn.neurons.width;
    layer.width_after = second ? second->model.layers[l].ffn.neurons.width : layer.width_before;
    layer.singular_values_before = rows[l].first;
    layer.singular_values_after = rows[l].second;
    layer.ks = rows[l].ks;
    report.layers.push_back(std::move(layer));
  }
  return report;
}

void spectrum(const SpectrumOptions& options) {
  const auto progress = make_progress(options);
  std::vector<std::string> folders{options.model};
  if (!options.other.empty()) folders.push_back(options.other);
  require_report_possible(options.report, options.force, folders);
  const OpenModel first(options.model);
  std::optional<OpenModel> second;
  if (!options.other.empty()) {
    second.emplace(options.other);
    if (second->model.layers.size() != first.model.layers.size()) {
      fail(ErrorCode::kMismatch, options.other, "has {} layers, {} has {}", second->model.layers.size(), options.model,
           first.model.layers.size());
    }
  }
  prepare_linear_algebra(options, *progress);
  const std::vector<Row> rows = compute(options, first, second, *progress);
  if (!options.report.empty()) write_file_atomically(options.report, render_html(make_report(options, first, second, rows)), options.force);
  if (!options.json) {
    print_table(first, second, rows);
    if (!options.report.empty()) fmt::print("report: {}\n", options.report);
    return;
  }
  Json layers = Json::array();
  for (size_t l = 0; l < rows.size(); ++l) {
    Json layer = {{"index", l}, {"width", first.model.layers[l].ffn.neurons.width}, {"singular_values", rows[l].first}};
    if (second) {
      layer["other_width"] = second->model.layers[l].ffn.neurons.width;
      layer["other_singular_values"] = rows[l].second;
    }
    layer["ks"] = rows[l].ks ? Json(*rows[l].ks) : Json(nullptr);
    layers.push_back(std::move(layer));
  }
  print_json({{"layers", std::move(layers)}});
}

}  // namespace

void add_spectrum(CLI::App& program, Action& action) {
  auto options = std::make_shared<SpectrumOptions>();
  CLI::App* verb = program.add_subcommand("spectrum", "Singular values of every layer's gate (or fc1); with OTHER, the KS distance to its");
  verb->add_option("MODEL", options->model, "Hugging Face folder, or a GGUF file")->required();
  verb->add_option("OTHER", options->other, "A second model to compare with, of as many layers");
  verb->add_option("--report", options->report, "Write an HTML report to this file");
  verb->add_flag("--force", options->force, "Overwrite the report");
  verb->add_option("--precision", options->precision.precision, "Arithmetic: f32, f64, or auto (f64 up to hidden size 1024)")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "f32", "f64"}));
  verb->add_option("--route", options->precision.route, "By Gram matrices, or directly (gesdd: slower, small values exact)")
      ->capture_default_str()
      ->check(CLI::IsMember({"gram", "direct"}));
  add_common_options(*verb, *options, true);
  verb->footer("Example:\n  prunenet spectrum ./Llama-2-7b-hf ./Llama-2-7b-pruned --report spectra.html");
  verb->callback([options, &action] { action = [options] { spectrum(*options); }; });
}

}  // namespace prunenet::cli
