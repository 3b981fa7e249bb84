// The result of compare in its three forms.
#include "cli/compare_output.h"

#include <fmt/format.h>

#include <cmath>

#include "base/system.h"
#include "base/version.h"
#include "cli/format.h"
#include "cli/report_data.h"

namespace prunenet::cli {
namespace {

Json side_json(const OpenModel& open, const ModelSize& size, double nll) {
  return {{"model", open.name()}, {"params", size.params},
          {"bytes", size.bytes},  {"flops_per_token", size.flops_per_token},
          {"mean_nll_nats", nll}, {"perplexity", std::exp(nll)}};
}

}  // namespace

Json comparison_json(const EngineVerbOptions& options, const OpenModel& dense, const OpenModel& other,
                     const Comparison& result) {
  const Divergence& d = result.divergence;
  return {{"kl_nats", d.kl_nats},
          {"kl_standard_error", d.kl_standard_error ? Json(*d.kl_standard_error) : Json(nullptr)},
          {"top1_agreement", d.top1_agreement},
          {"perplexity_ratio", d.perplexity_ratio()},
          {"params_ratio", result.ratio(&ModelSize::params)},
          {"bytes_ratio", result.ratio(&ModelSize::bytes)},
          {"flops_ratio", result.ratio(&ModelSize::flops_per_token)},
          {"dense", side_json(dense, result.dense, d.dense_nll_nats)},
          {"other", side_json(other, result.other, d.other_nll_nats)},
          {"text", result.text},
          {"num_sequences", d.num_sequences},
          {"num_predictions", d.num_predictions},
          {"dtype", options.dtype},
          {"kl_by_sequence", d.kl_by_sequence},
          {"kl_by_position", d.kl_by_position}};
}

Report comparison_report(const EngineVerbOptions& options, const OpenModel& dense, const OpenModel& other,
                         const Comparison& result, double elapsed_s) {
  const Divergence& d = result.divergence;
  Report report;
  report.title = fmt::format("{} compared with {}", other.name(), dense.name());
  report.model_name = dense.name();
  report.family = dense.model.family;
  report.before_label = dense.name();
  report.after_label = other.name();
  report.version = PRUNENET_VERSION;
  report.options = {{"text", result.text},
                    {"arithmetic", engine_words(options)},
                    {"time", format_duration(elapsed_s)},
                    {"peak memory, mapped files included", format_bytes(static_cast<double>(peak_rss_bytes()))}};
  report.totals = report_totals({result.dense, result.other});
  ComparisonReport comparison;
  comparison.text = result.text;
  comparison.num_sequences = d.num_sequences;
  comparison.num_predictions = d.num_predictions;
  comparison.kl_nats = d.kl_nats;
  comparison.kl_standard_error = d.kl_standard_error;
  comparison.top1_agreement = d.top1_agreement;
  comparison.perplexity_before = d.dense_perplexity();
  comparison.perplexity_after = d.other_perplexity();
  comparison.kl_by_position = d.kl_by_position;
  comparison.kl_by_sequence = d.kl_by_sequence;
  report.comparison = std::move(comparison);
  return report;
}

void print_comparison(const OpenModel& dense, const OpenModel& other, const Comparison& result) {
  const Divergence& d = result.divergence;
  fmt::print("{} compared with {}, on {}\n", other.name(), dense.name(), result.text);
  const auto row = [](const char* name, const std::string& before, const std::string& after, double ratio) {
    fmt::print("  {:<16} {:>12} -> {:>12}   x {:.4f}\n", name, before, after, ratio);
  };
  const auto size_row = [&](const char* name, int64_t ModelSize::*field, std::string (*format)(double)) {
    row(name, format(static_cast<double>(result.dense.*field)), format(static_cast<double>(result.other.*field)),
        result.ratio(field));
  };
  size_row("parameters", &ModelSize::params, format_count);
  size_row("weights on disk", &ModelSize::bytes, format_bytes);
  size_row("FLOPs a token", &ModelSize::flops_per_token, format_count);
  row("perplexity", fmt::format("{:.4f}", d.dense_perplexity()), fmt::format("{:.4f}", d.other_perplexity()),
      d.perplexity_ratio());
  fmt::print("  {:<16} {:.5f}{} nats a token, over {} predictions\n", "KL from dense", d.kl_nats,
             d.kl_standard_error ? fmt::format(" +- {:.5f}", *d.kl_standard_error) : "", d.num_predictions);
  fmt::print("  {:<16} {} of the predictions have the same likeliest token\n", "agreement",
             format_percent(d.top1_agreement));
}

}  // namespace prunenet::cli
