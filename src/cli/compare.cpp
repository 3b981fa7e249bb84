// prunenet compare: what a smaller model lost and saved against the one that it was made of.
#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/system.h"
#include "cli/compare_output.h"
#include "cli/text_windows.h"
#include "generate/own_text.h"

namespace prunenet::cli {
namespace {

struct CompareOptions : EngineVerbOptions {
  std::string dense, other, data, report;
  int64_t own_text = 64, tokens = 256, limit = 0, batch = 0;
  bool tokens_said = false, force = false;
  uint64_t seed = 42;
};

struct Text {
  std::vector<std::vector<TokenId>> sequences;
  std::string words;  // what it is
};

void require_same_vocabulary(const OpenModel& dense, const OpenModel& other) {
  if (dense.model.vocab == other.model.vocab) return;
  fail(ErrorCode::kMismatch, other.checkpoint.folder().string(),
       "has a vocabulary of {} tokens, {} one of {}: what they say of the next token cannot be compared",
       other.model.vocab, dense.checkpoint.folder().string(), dense.model.vocab);
}

// Ids a sequence: as asked, or the default where both contexts hold it, else what they hold.
int64_t sequence_tokens(const CompareOptions& options, const OpenModel& dense, const OpenModel& other) {
  int64_t tokens = options.tokens;
  for (const OpenModel* open : {&dense, &other}) {
    const int64_t context = open->model.max_context;
    if (context == 0 || tokens <= context) continue;
    if (options.tokens_said) {
      fail(ErrorCode::kBadOption, "--tokens", "is {}, the context of {} holds {}", tokens, open->name(), context);
    }
    tokens = context;
  }
  return tokens;
}

Text own_text(const CompareOptions& options, const OpenModel& dense, Engine& engine, int64_t tokens,
              Progress& progress) {
  OwnTextOptions own;
  own.sequences = options.own_text;
  own.tokens = tokens;
  own.seed = options.seed;
  own.batch = options.batch;
  if (!dense.model.bos && !dense.model.eos.empty()) {
    progress.note(
        fmt::format("{} states no BOS: its own text begins with EOS ({})", dense.name(), text_start(dense.model)));
  }
  return {sample_own_text(engine, dense.model, own, progress),
          fmt::format("{} sequences of up to {} tokens that {} wrote itself, seed {}", own.sequences, tokens,
                      dense.name(), own.seed)};
}

Text windows_of_file(const CompareOptions& options, const OpenModel& dense, int64_t tokens) {
  Text result{text_windows(dense, options.data, tokens, options.limit, "--own-text"), {}};
  result.words = fmt::format("{} windows of up to {} tokens of {}", result.sequences.size(), tokens,
                             std::filesystem::path(options.data).filename().string());
  return result;
}

Comparison run(const CompareOptions& options, const OpenModel& dense, const OpenModel& other, Progress& progress) {
  require_same_vocabulary(dense, other);
  const int64_t tokens = sequence_tokens(options, dense, other);
  if (options.data.empty()) text_start(dense.model);  // refuses before any model is loaded
  Text text;
  if (!options.data.empty()) text = windows_of_file(options, dense, tokens);  // before any model is loaded
  const auto dense_engine = open_engine(dense, options, progress);
  const auto other_engine = open_engine(other, options, progress);
  if (options.data.empty()) text = own_text(options, dense, *dense_engine, tokens, progress);
  return {measure_divergence(*dense_engine, *other_engine, text.sequences, progress), dense.size(), other.size(),
          text.words};
}

void compare(const CompareOptions& options) {
  const Stopwatch watch;
  const auto progress = make_progress(options);
  require_report_possible(options.report, options.force, {options.dense, options.other});
  const OpenModel dense(options.dense), other(options.other);
  const Comparison result = run(options, dense, other, *progress);
  if (!options.report.empty()) {
    write_file_atomically(options.report,
                          render_html(comparison_report(options, dense, other, result, watch.elapsed_s())),
                          options.force);
  }
  if (options.json) {
    print_json(comparison_json(options, dense, other, result));
  } else {
    print_comparison(dense, other, result);
    if (!options.report.empty()) fmt::print("report: {}\n", options.report);
  }
}

}  // namespace

void add_compare(CLI::App& program, Action& action) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* verb = program.add_subcommand(
      "compare", "What a smaller model lost and saved: KL, agreement, perplexity and sizes beside the dense one's");
  verb->add_option("DENSE", options->dense, "Hugging Face folder or GGUF file of the model to compare with")->required();
  verb->add_option("OTHER", options->other, "That of the smaller one; the same vocabulary")->required();
  const auto count = [] { return CLI::Range(int64_t{1}, int64_t{1'000'000}); };
  CLI::Option* own = verb->add_option("--own-text", options->own_text,
                                      "Compare on this many sequences that DENSE writes itself at temperature 1")
                         ->capture_default_str()
                         ->check(count());
  CLI::Option* data =
      verb->add_option("--data", options->data, "Compare on this text file instead, in windows that do not overlap");
  CLI::Option* limit =
      verb->add_option("--limit", options->limit, "Only the first windows of the file; all unless said")
          ->check(count());
  CLI::Option* tokens = verb->add_option("--tokens", options->tokens,
                                         "Tokens of a sequence or window, its first included; at most the context's")
                            ->capture_default_str()
                            ->check(CLI::Range(int64_t{2}, int64_t{1'000'000}));
  CLI::Option* seed = verb->add_option("--seed", options->seed, "Seed of DENSE's own text")
                          ->capture_default_str()
                          ->check(whole_number());
  CLI::Option* batch =
      verb->add_option("--batch", options->batch,
                       "Sequences to write together; unless said, as many as keep their cache within 4 GiB")
          ->check(count());
  verb->add_option("--report", options->report, "Write an HTML report to this file");
  verb->add_flag("--force", options->force, "Overwrite the report");
  own->excludes(data);
  seed->excludes(data);
  batch->excludes(data);
  limit->needs(data);
  add_engine_options(*verb, *options);
  verb->footer(
      "KL is the mean over tokens of KL(DENSE || OTHER), in nats: 0 where the two predict alike. No data is needed: "
      "the model's\n"
      "own text stands for what it has learned. Both models are in memory together.\n"
      "Examples:\n"
      "  prunenet compare ./Llama-2-7b-hf ./Llama-2-7b-pruned --report compared.html\n"
      "  prunenet compare ./Llama-2-7b-hf ./Llama-2-7b-pruned --data wiki.test.txt --tokens 2048");
  verb->callback([options, tokens, &action] {
    options->tokens_said = tokens->count() > 0;
    action = [options] { compare(*options); };
  });
}

}  // namespace prunenet::cli
