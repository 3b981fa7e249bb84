// prunenet compare-methods: every method at the same size, on the same text, in one table.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/system.h"
#include "base/version.h"
#include "cli/format.h"
#include "cli/prune_model.h"
#include "cli/text_windows.h"
#include "evaluate/divergence.h"
#include "generate/own_text.h"
#include "selection/budget.h"

namespace prunenet::cli {
namespace {

// A row of the table: a method, and what of its options is not the default.
struct MethodRow {
  const char* name;
  const char* method;
  const char* words;
  bool by_default;  // without --methods
  void (*set)(SelfVerbOptions&);
};
constexpr MethodRow kMethods[] = {
    {"random", "random", "a uniform draw", true, nullptr},
    {"prunenet", "prunenet", "the published policy, trained on the weights", true, nullptr},
    {"gate-norm", "gate-norm", "largest gate rows", true, nullptr},
    {"up-norm", "up-norm", "largest up rows", true, nullptr},
    {"down-norm", "down-norm", "largest down columns", true, nullptr},
    {"product", "product", "largest product of all norms", true, nullptr},
    {"gaussian", "gaussian", "largest energy for Gaussian inputs", true, nullptr},
    {"self-gaussian", "self", "surgeon and refit on Gaussian inputs; runs no model", true,
     [](SelfVerbOptions& o) { o.calibration = "gaussian"; }},
    {"self-one-shot", "self", "own text, down refitted on the dense model's inputs", true,
     [](SelfVerbOptions& o) {
       o.refit = "one-shot";
       o.neuron_steps = 0;
     }},
    {"self-down", "self", "own text, layer after layer, down alone refitted", true,
     [](SelfVerbOptions& o) { o.neuron_steps = 0; }},
    {"self", "self", "the default: own text, layer after layer, neurons refitted", true, [](SelfVerbOptions&) {}},
    {"self-adaptive", "self",
     "likewise, as many neurons, shared out by measured KL; padded to load everywhere, so larger on disk", false,
     [](SelfVerbOptions& o) {
       o.allocate = "adaptive";
       o.pad = true;
     }},
    {"self-mix", "self", "likewise, neurons, heads and layers together (--ratio-total)", true, [](SelfVerbOptions&) {}},
};

struct CompareMethodsOptions : EngineVerbOptions {
  std::string model, data, report, work;
  std::vector<std::string> methods;
  std::optional<double> ratio, ratio_total;
  int64_t width_multiple = 0, own_text = 64, tokens = 256, calibration_text = 0;
  uint64_t seed = 42;
  bool force = false;
};

struct Row {
  const MethodRow* method = nullptr;
  SizeChange sizes;
  Divergence divergence;
  std::optional<double> file_perplexity;
  bool loads = true;
  double elapsed_s = 0;
};

const MethodRow& find_method(const std::string& name) {
  for (const MethodRow& row : kMethods) {
    if (row.name == name) return row;
  }
  std::vector<std::string> names;
  for (const MethodRow& row : kMethods) names.emplace_back(row.name);
  fail(ErrorCode::kBadOption, "--methods", "'{}' is no method; there are {}", name, fmt::join(names, ", "));
}

// A folder that is gone with the object: every pruned model lives as long as it is measured.
class WorkFolder {
 public:
  explicit WorkFolder(const std::filesystem::path& parent) {
    std::string name = (parent / "prunenet-compare-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) fail_errno(parent.string(), "cannot make a folder for the pruned models");
    path_ = name;
  }
  ~WorkFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class MethodComparison {
 public:
  MethodComparison(const CompareMethodsOptions& options, const OpenModel& open, Progress& progress)
      : options_(options),
        open_(open),
        progress_(progress),
        work_(options.work.empty() ? std::filesystem::temp_directory_path() : std::filesystem::path(options.work)) {
    const int64_t context = open.model.max_context;
    tokens_ = context > 0 ? std::min(options.tokens, context) : options.tokens;
  }

  std::vector<Row> run() {
    const std::vector<const MethodRow*> methods = chosen();
    if (options_.ratio || ffn_ratio() < 1)
      kept_widths(open_.model, ffn_ratio(), options_.width_multiple);  // throws where it cannot be
    if (!options_.data.empty()) file_ = text_windows(open_, options_.data, tokens_, 0, "own text without --data");
    dense_ = open_engine(open_, options_, progress_);
    OwnTextOptions own;
    own.sequences = options_.own_text;
    own.tokens = tokens_;
    own.seed = options_.seed;
    text_ = sample_own_text(*dense_, open_.model, own, progress_);
    std::vector<Row> rows;
    for (const MethodRow* method : methods) {
      throw_if_cancelled();
      progress_.note(
          fmt::format("method {} of {}, {}: {}", rows.size() + 1, methods.size(), method->name, method->words));
      rows.push_back(measure(*method));
    }
    return rows;
  }

  std::optional<double> dense_file_perplexity() const { return dense_file_perplexity_; }
  int64_t tokens() const { return tokens_; }

 private:
  bool fits(const MethodRow& method) const {
    if (method.name == std::string("gate-norm")) return open_.model.layers.front().ffn.gate.has_value();
    if (method.name == std::string("self-mix")) return options_.ratio_total.has_value();
    return true;
  }
  // More than all FFN neurons would have to go: only a mix can.
  bool exceeds_ffn(const MethodRow& method) const { return method.name != std::string("self-mix") && ffn_ratio() >= 1; }

  std::vector<const MethodRow*> chosen() const {
    std::vector<const MethodRow*> methods;
    bool left_out = false;
    for (const std::string& name : options_.methods) {
      methods.push_back(&find_method(name));
      if (!fits(*methods.back())) {
        fail(ErrorCode::kBadOption, "--methods", "{} {}", name,
             name == "self-mix" ? "goes with --ratio-total" : "looks at gate matrices, and this model has none");
      }
      if (exceeds_ffn(*methods.back())) {
        fail(ErrorCode::kBadOption, "--ratio-total",
             "is {}: more than {} can remove, which leaves all but FFN neurons alone", *options_.ratio_total, name);
      }
    }
    if (!methods.empty()) return methods;
    for (const MethodRow& method : kMethods) {
      if (!method.by_default || !fits(method)) continue;
      left_out = left_out || exceeds_ffn(method);
      if (!exceeds_ffn(method)) methods.push_back(&method);
    }
    if (left_out)
      progress_.note("the FFNs alone hold less than is to go: methods that remove nothing else are left out");
    return methods;
  }

  // The FFN's share that a method of neurons alone must remove.
  double ffn_ratio() const {
    if (options_.ratio) return *options_.ratio;
    const ModelSize size = open_.size();
    return *options_.ratio_total * static_cast<double>(size.params) / static_cast<double>(size.ffn_params);
  }

  PruneOptions prune_options(const MethodRow& method) const {
    PruneOptions prune;
    static_cast<EngineVerbOptions&>(prune) = options_;
    prune.output = (work_.path() / method.name).string();
    if (open_.checkpoint.gguf() != nullptr) prune.output += ".gguf";
    prune.self.from_gguf = open_.checkpoint.gguf() != nullptr;
    prune.self.to_gguf = open_.checkpoint.gguf() != nullptr;
    prune.training.device = options_.device;
    prune.training.threads = options_.usable_threads();
    prune.selection.method = method.method;
    prune.selection.width_multiple = options_.width_multiple;
    prune.selection.seed = options_.seed;
    prune.self.own_text = options_.calibration_text;
    prune.self.check = 0;
    if (method.name == std::string("self-mix")) {
      prune.self.ratio_total = options_.ratio_total;
    } else {
      prune.selection.ratio = ffn_ratio();
    }
    if (method.set != nullptr) method.set(prune.self);
    if (prune.self.to_gguf && open_.model.keys.deci_refused.empty()) prune.self.pad = false;  // layers may differ there
    return prune;
  }

  Row measure(const MethodRow& method) {
    const PruneOptions prune = prune_options(method);
    Row row;
    row.method = &method;
    {
      const Stopwatch watch;
      const Outcome outcome = prune_model(prune, open_, progress_);
      row.elapsed_s = watch.elapsed_s();
      row.sizes = outcome.sizes;
      row.loads = outcome.uniform;
    }
    {
      const OpenModel pruned(prune.output);
      const auto engine = open_engine(pruned, options_, progress_);
      row.divergence = measure_divergence(*dense_, *engine, text_, progress_);
      if (!file_.empty()) {
        const Divergence on_file = measure_divergence(*dense_, *engine, file_, progress_);
        row.file_perplexity = on_file.other_perplexity();
        dense_file_perplexity_ = on_file.dense_perplexity();
      }
    }
    std::filesystem::remove_all(prune.output);
    return row;
  }

  const CompareMethodsOptions& options_;
  const OpenModel& open_;
  Progress& progress_;
  WorkFolder work_;
  int64_t tokens_ = 0;
  std::unique_ptr<Engine> dense_;
  std::vector<std::vector<TokenId>> text_, file_;
  std::optional<double> dense_file_perplexity_;
};

Json rows_json(const std::vector<Row>& rows) {
  Json json = Json::array();
  for (const Row& row : rows) {
    json.push_back(
        {{"method", row.method->name},
         {"ffn_ratio", row.sizes.ffn_ratio_reached()},
         {"total_ratio", row.sizes.total_ratio_reached()},
         {"kl_nats", row.divergence.kl_nats},
         {"kl_standard_error", row.divergence.kl_standard_error ? Json(*row.divergence.kl_standard_error) : Json()},
         {"top1_agreement", row.divergence.top1_agreement},
         {"perplexity", row.divergence.other_perplexity()},
         {"perplexity_on_data", row.file_perplexity ? Json(*row.file_perplexity) : Json()},
         {"bytes", row.sizes.after.bytes},
         {"elapsed_s", row.elapsed_s},
         {"needs_data", false},  // none of ours does; for whoever puts other methods beside them
         {"stock_loadable", row.loads}});
  }
  return json;
}

void print_rows(const CompareMethodsOptions& options, const OpenModel& open, const std::vector<Row>& rows,
                int64_t tokens, const std::optional<double>& dense_on_file) {
  const bool same = std::all_of(rows.begin(), rows.end(), [&](const Row& row) {
    return row.sizes.after.bytes == rows.front().sizes.after.bytes;
  });
  const std::string asked = options.ratio ? format_percent(*options.ratio) + " of the FFNs"
                                          : format_percent(*options.ratio_total) + " of all parameters";
  fmt::print("{}: {} asked, {}; on {} sequences of up to {} tokens of its own text, seed {}\n", open.name(), asked,
             same ? "every method at the same size" : "the sizes differ (widths are rounded): see \"of all\"",
             options.own_text, tokens, options.seed);
  fmt::print("  {:<14} {:>8} {:>8} {:>9} {:>10} {:>10}{} {:>9} {:>8} {:>6}\n", "method", "of FFN", "of all", "KL",
             "agreement", "perplexity", dense_on_file ? "    on data" : "", "size", "time", "loads");
  for (const Row& row : rows) {
    fmt::print("  {:<14} {:>8} {:>8} {:>9.4f} {:>10} {:>10.4f}{} {:>9} {:>8} {:>6}\n", row.method->name,
               "-" + format_percent(row.sizes.ffn_ratio_reached()),
               "-" + format_percent(row.sizes.total_ratio_reached()), row.divergence.kl_nats,
               format_percent(row.divergence.top1_agreement), row.divergence.other_perplexity(),
               row.file_perplexity ? fmt::format(" {:>10.4f}", *row.file_perplexity) : "",
               format_bytes(static_cast<double>(row.sizes.after.bytes)), format_duration(row.elapsed_s),
               row.loads ? "yes" : "no");
  }
  fmt::print("  {:<14} {:>8} {:>8} {:>9.4f} {:>10} {:>10.4f}{} {:>9}\n", "dense", "", "", 0.0, "",
             rows.front().divergence.dense_perplexity(), dense_on_file ? fmt::format(" {:>10.4f}", *dense_on_file) : "",
             format_bytes(static_cast<double>(open.size().bytes)));
  fmt::print(
      "KL is that from the dense model, in nats a token. No method reads any text but the model's own; \"loads\": in "
      "stock "
      "programs.\n");
}

Report methods_report(const CompareMethodsOptions& options, const OpenModel& open, const std::vector<Row>& rows,
                      int64_t tokens) {
  Report report;
  report.title = fmt::format("{}: methods compared", open.name());
  report.model_name = open.name();
  report.family = open.model.family;
  report.before_label = "dense";
  report.version = PRUNENET_VERSION;
  report.options = {{"asked", options.ratio ? format_percent(*options.ratio) + " of the FFNs"
                                            : format_percent(*options.ratio_total) + " of all parameters"},
                    {"text", fmt::format("{} sequences of up to {} tokens of the model's own, seed {}",
                                         options.own_text, tokens, options.seed)},
                    {"arithmetic", engine_words(options)}};
  for (const Row& row : rows) {
    MethodReport method;
    method.name = row.method->name;
    method.words = row.method->words;
    method.ffn_ratio = row.sizes.ffn_ratio_reached();
    method.total_ratio = row.sizes.total_ratio_reached();
    method.kl_nats = row.divergence.kl_nats;
    method.kl_standard_error = row.divergence.kl_standard_error;
    method.perplexity = row.divergence.other_perplexity();
    method.bytes = row.sizes.after.bytes;
    method.elapsed_s = row.elapsed_s;
    method.loads = row.loads;
    report.methods.push_back(std::move(method));
  }
  return report;
}

void compare_methods(const CompareMethodsOptions& options) {
  const auto progress = make_progress(options);
  require_report_possible(options.report, options.force, {options.model});
  const OpenModel open(options.model);
  prepare_linear_algebra(options, *progress);
  MethodComparison comparison(options, open, *progress);
  const std::vector<Row> rows = comparison.run();
  if (!options.report.empty()) {
    write_file_atomically(options.report, render_html(methods_report(options, open, rows, comparison.tokens())),
                          options.force);
  }
  if (options.json) {
    print_json({{"model", open.name()},
                {"ratio", options.ratio ? Json(*options.ratio) : Json()},
                {"ratio_total", options.ratio_total ? Json(*options.ratio_total) : Json()},
                {"seed", options.seed},
                {"dense_perplexity", rows.front().divergence.dense_perplexity()},
                {"rows", rows_json(rows)}});
    return;
  }
  print_rows(options, open, rows, comparison.tokens(), comparison.dense_file_perplexity());
  if (!options.report.empty()) fmt::print("report: {}\n", options.report);
}

}  // namespace

void add_compare_methods(CLI::App& program, Action& action) {
  auto options = std::make_shared<CompareMethodsOptions>();
  CLI::App* verb =
      program.add_subcommand("compare-methods", "Prune by every method to the same size and measure what each lost");
  verb->add_option("MODEL", options->model, "Hugging Face folder, or a GGUF file")->required();
  CLI::Option* ratio = verb->add_option("--ratio", options->ratio, "Share of FFN neurons to remove, 0 to below 1");
  CLI::Option* total =
      verb->add_option("--ratio-total", options->ratio_total, "Share of all parameters to remove instead");
  ratio->excludes(total);
  verb->add_option("--methods", options->methods, "Only these, separated by commas; all unless said")->delimiter(',');
  verb->add_option("--width-multiple", options->width_multiple,
                   "Round the kept width to a multiple of this; 0: 256 for widths of 4096 and more, else 32")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--own-text", options->own_text, "Sequences of own text to compare on; no method is fitted to them")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}));
  verb->add_option("--tokens", options->tokens, "Tokens of a sequence or window; at most the context's")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{2}, int64_t{1'000'000}));
  verb->add_option("--calibration-text", options->calibration_text,
                   "Sequences of own text that self is calibrated on; by the size of the model unless said")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}));
  verb->add_option("--data", options->data, "Measure the perplexity of this text file, too");
  verb->add_option("--work", options->work,
                   "Folder for the pruned models while they are measured; the system's temporary one unless said");
  verb->add_option("--seed", options->seed, "Seed of every random draw")->capture_default_str()->check(whole_number());
  verb->add_option("--report", options->report, "Write an HTML report to this file");
  verb->add_flag("--force", options->force, "Overwrite the report");
  add_engine_options(*verb, *options);
  verb->footer(
      "Methods: random, prunenet (published), gate-norm, up-norm, down-norm, product, gaussian; self and its parts: "
      "self-gaussian,\n"
      "self-one-shot, self-down, self; with --ratio-total self-mix; and where named self-adaptive, which keeps as many "
      "neurons\n"
      "as the others but pads them to the widest layer.\n"
      "Examples:\n"
      "  prunenet compare-methods ./model --ratio 0.3 --report methods.html\n"
      "  prunenet compare-methods ./model --ratio-total 0.2 --methods product,self,self-mix");
  verb->callback([options, &action] {
    if (!options->ratio && !options->ratio_total)
      fail(ErrorCode::kBadOption, "--ratio", "is needed (or --ratio-total): the share to remove, such as 0.3");
    for (const std::string& name : options->methods) find_method(name);
    action = [options] { compare_methods(*options); };
  });
}

}  // namespace prunenet::cli
