// prunenet spectrum: singular values of every layer's gate (or fc1), and how far two models' are apart.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/version.h"
#include "cli/format.h"
#include "cli/report_data.h"
#include "policy/prunenet_scorer.h"
#include "spectrum/estimate.h"
#include "spectrum/ks.h"

namespace prunenet::cli {
namespace {

struct SpectrumOptions : CommonOptions {
  std::string model, other, report;
  bool force = false, estimate = false;
  TrainingOptions precision;
};

double median(const std::vector<double>& descending) {
  const size_t n = descending.size();
  return n % 2 == 1 ? descending[n / 2] : (descending[n / 2 - 1] + descending[n / 2]) / 2;
}

struct Row {
  std::vector<double> first, second;  // second empty without OTHER, and where its distance is estimated
  std::optional<SpectrumDistance> distance;
};

// The layers of one or two models, each looked at once, in the arithmetic Real.
template <typename Real>
class Layers {
 public:
  Layers(const SpectrumOptions& options, const OpenModel& first, const std::optional<OpenModel>& second)
      : route_(route_of(options.precision)),
        estimate_(options.estimate),
        cache_(spectrum_cache(options.precision.no_cache)),
        first_(first.checkpoint, first.model) {
    if (second) second_.emplace(second->checkpoint, second->model);
  }

  Row compute(int64_t layer, Progress& progress) {
    first_.load_into(layer, w_);
    Row row;
    Spectrum whole = spectrum_of(layer, progress);
    std::optional<ProbedSpectrum> probes;
    if (second_ && can_estimate(layer) && whole.converged) probes = probed();
    row.first = std::move(whole.singular_values);
    if (!second_) return row;
    second_->load_into(layer, w_);
    if (const auto others = probes ? probed() : std::nullopt) {
      row.distance = estimated_distance(row.first, *probes, *others);
      if (row.distance->converged) return row;
    }
    if (can_estimate(layer)) {
      progress.warn(fmt::format("the KS of layer {} is exact: it could not be estimated, for its weights are too large or too small to be "
                                "squared as they are, or a computation did not converge", layer));
    }
    row.second = spectrum_of(layer, progress).singular_values;
    row.distance = {ks_statistic(row.first, row.second), 0, true};
    return row;
  }

 private:
  // By the sizes. An estimate holds one Gram matrix of columns against another: the same columns, more rows, and enough of
  // both.
  bool can_estimate(int64_t layer) const {
    const auto fits = [](int64_t rows, int64_t cols) { return cols >= kEstimateFromOrder && rows > cols; };
    return estimate_ && second_->cols() == first_.cols() && fits(first_.rows(layer), first_.cols()) &&
           fits(second_->rows(layer), second_->cols());
  }
  // Nothing where squares leave the range of Real.
  std::optional<ProbedSpectrum> probed() const {
    if (scale_for_squares(w_) != 1) return std::nullopt;
    std::vector<int64_t> rows(static_cast<size_t>(w_.rows()));
    std::iota(rows.begin(), rows.end(), 0);
    return probe_of<Real>(block_of(w_), rows);
  }
  Spectrum spectrum_of(int64_t layer, Progress& progress) {
    const std::string key = cache_.key(w_, route_ == SpectrumRoute::kDirect ? "direct" : "gram");
    if (auto cached = cache_.find(key, std::min(w_.rows(), w_.cols()))) return std::move(*cached);
    Spectrum spectrum = singular_values(w_, route_);
    if (!spectrum.converged) progress.warn(fmt::format("an eigenvalue computation did not converge; the spectrum of layer {} is not exact", layer));
    cache_.put(key, spectrum);
    return spectrum;
  }

  SpectrumRoute route_;
  bool estimate_;
  SpectrumCache cache_;
  CheckpointLayers<Real> first_;
  std::optional<CheckpointLayers<Real>> second_;
  Matrix<Real> w_;
};

template <typename Real>
std::vector<Row> compute_with(const SpectrumOptions& options, const OpenModel& first, const std::optional<OpenModel>& second,
                              Progress& progress) {
  Layers<Real> layers(options, first, second);
  const auto count = static_cast<int64_t>(first.model.layers.size());
  std::vector<Row> rows;
  progress.begin("computing spectra", static_cast<double>(count));
  for (int64_t l = 0; l < count; ++l) {
    throw_if_cancelled();
    rows.push_back(layers.compute(l, progress));
    progress.advance(1);
  }
  progress.end();
  return rows;
}

std::vector<Row> compute(const SpectrumOptions& options, const OpenModel& first, const std::optional<OpenModel>& second,
                         Progress& progress) {
  const bool f64 = uses_f64(options.precision, first.model);
  return f64 ? compute_with<double>(options, first, second, progress) : compute_with<float>(options, first, second, progress);
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
    if (second) {
      const bool estimated = rows[l].second.empty();
      fmt::print("    {:>6} {}  {:.5f}{}", second->model.layers[l].ffn.neurons.width,
                 estimated ? fmt::format("{:>32}", "(not computed)") : values(rows[l].second), rows[l].distance->ks,
                 estimated ? fmt::format(" +- {:.5f}", rows[l].distance->error) : "");
    }
    fmt::print("\n");
  }
}

// Whose KS is estimated, and how well, as the report says it.
void note_estimates(const std::vector<Row>& rows, Report& report) {
  size_t estimated = 0, worst = 0;
  for (size_t l = 0; l < rows.size(); ++l) {
    if (!rows[l].second.empty()) continue;
    ++estimated;
    if (rows[l].distance->error > rows[worst].distance->error) worst = l;
  }
  report.options.emplace_back("KS", estimated == 0 ? "exact" : estimated == rows.size() ? "estimated" : "estimated where possible");
  if (estimated == 0) return;
  report.notes.push_back(fmt::format("The KS of {} of {} layers is estimated from Lanczos quadrature, without the singular values of {}. Its "
                                     "error, itself an estimate, is at most {:.5f} (layer {}).",
                                     estimated, rows.size(), report.after_label, rows[worst].distance->error, worst));
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
  if (second) {
    report.totals = report_totals({first.size(), second->size()});
    note_estimates(rows, report);
  }
  for (size_t l = 0; l < rows.size(); ++l) {
    LayerReport layer;
    layer.index = static_cast<int64_t>(l);
    layer.width_before = first.model.layers[l].ffn.neurons.width;
    layer.width_after = second ? second->model.layers[l].ffn.neurons.width : layer.width_before;
    layer.singular_values_before = rows[l].first;
    layer.singular_values_after = rows[l].second;
    if (rows[l].distance) layer.ks = rows[l].distance->ks;
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
      layer["other_singular_values"] = rows[l].second.empty() ? Json(nullptr) : Json(rows[l].second);
      if (rows[l].second.empty()) layer["ks_error"] = rows[l].distance->error;
    }
    layer["ks"] = rows[l].distance ? Json(rows[l].distance->ks) : Json(nullptr);
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
  verb->add_flag("--estimate", options->estimate,
                 "KS to OTHER from Lanczos quadrature, without OTHER's singular values: several times faster, and within a few "
                 "percent where it was compared with exact. The error stated beside it is a cautious one, about a tenth of KS. Layers of fewer than 1024 columns, or of no more rows than columns, stay exact");
  add_cache_option(*verb, options->precision.no_cache);
  add_common_options(*verb, *options, true);
  verb->footer("Example:\n  prunenet spectrum ./Llama-2-7b-hf ./Llama-2-7b-pruned --report spectra.html");
  verb->callback([options, &action] {
    if (options->estimate && options->other.empty()) {
      fail(ErrorCode::kBadOption, "--estimate", "is for the distance to a second model: name one after MODEL");
    }
    if (options->estimate && options->precision.route == "direct") {
      fail(ErrorCode::kBadOption, "--estimate", "looks at Gram matrices: it does not go with --route direct");
    }
    action = [options] { spectrum(*options); };
  });
}

}  // namespace prunenet::cli
