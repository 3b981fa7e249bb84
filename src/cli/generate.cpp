// prunenet generate: continue one or many prompts.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "base/system.h"
#include "cli/engine_options.h"
#include "cli/format.h"
#include "cli/prompts.h"
#include "cli/token_input.h"
#include "generate/own_text.h"
#include "tokenizer/stream_decoder.h"

namespace prunenet::cli {
namespace {

struct GenerateVerbOptions : EngineVerbOptions {
  std::string model, prompt, prompt_ids, file;
  int64_t sequences = 1, batch = 0;
  GenerateOptions generation;
  bool from_ids = false, from_file = false;
};

struct Continuation {
  size_t prompt = 0;
  std::string text;  // without the prompt; empty where there is no tokenizer
  Generated generated;
};

std::vector<Prompt> read_prompts(const GenerateVerbOptions& options, const OpenModel& open,
                                 const Tokenizer* tokenizer) {
  if (options.from_ids) return {prompt_of_ids(options.prompt_ids, open.model, tokenizer, "--prompt-ids")};
  if (!options.from_file) return {prompt_of_text(options.prompt, open.model, *tokenizer, "--prompt")};
  return prompts_of_file(options.file, open.model, *tokenizer);
}

// What ends a text: EOS; BOS too, with which another text would begin.
std::vector<TokenId> stop_ids_of(const ModelDescription& model, const Tokenizer* tokenizer) {
  std::vector<TokenId> ids = model.eos;
  if (model.bos) ids.push_back(*model.bos);
  if (tokenizer != nullptr && tokenizer->eos()) ids.push_back(*tokenizer->eos());
  return ids;
}

// The text that new ids add to a prompt, piece by piece.
class NewText {
 public:
  NewText(const Tokenizer* tokenizer, const std::vector<TokenId>& prompt) : tokenizer_(tokenizer) {
    if (tokenizer == nullptr) return;
    decoder_.emplace(*tokenizer);
    for (const TokenId id : prompt) feed(id);
  }
  std::string feed(TokenId id) {
    if (!decoder_) return "";
    return has_text(*tokenizer_, id) ? decoder_->feed(id) : kNoText;
  }
  std::string finish() { return decoder_ ? decoder_->finish() : ""; }

 private:
  const Tokenizer* tokenizer_;
  std::optional<StreamDecoder> decoder_;
};

void put(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// Every prompt `sequences` times. Sample n of prompt p is sequence n * prompts + p, so that asking for more samples
// changes none.
std::vector<Continuation> run(const GenerateVerbOptions& options, const OpenModel& open, const Tokenizer* tokenizer,
                              Engine& engine, const std::vector<Prompt>& prompts, bool streams, Progress& progress) {
  GenerateOptions generation = options.generation;
  generation.max_context = open.model.max_context;
  generation.stop_ids = stop_ids_of(open.model, tokenizer);
  std::vector<std::vector<TokenId>> starts;
  size_t longest = 0;
  for (int64_t n = 0; n < options.sequences; ++n) {
    for (const Prompt& prompt : prompts) {
      starts.push_back(prompt.ids);
      longest = std::max(longest, prompt.ids.size());
    }
  }
  generation.batch = options.batch > 0
                         ? options.batch
                         : generation_batch(engine, static_cast<int64_t>(longest) + generation.max_tokens);
  const auto stops = [&](TokenId id) {
    return std::find(generation.stop_ids.begin(), generation.stop_ids.end(), id) != generation.stop_ids.end();
  };
  std::vector<NewText> texts;
  for (const auto& start : starts) texts.emplace_back(tokenizer, start);
  std::vector<Continuation> results(starts.size());
  if (streams) {
    put(prompts.front().text);
  } else {
    progress.begin("generating", static_cast<double>(generation.max_tokens) * static_cast<double>(starts.size()));
  }
  const auto take = [&](size_t sequence, const std::string& piece) {
    results[sequence].text += piece;
    if (streams) put(piece);
  };
  const Stopwatch watch;
  auto generated = generate(engine, starts, generation, [&](int64_t sequence, TokenId id) {
    const auto s = static_cast<size_t>(sequence);
    if (!stops(id)) take(s, texts[s].feed(id));
    if (!streams) progress.advance(1);
  });
  const double elapsed_s = watch.elapsed_s();
  if (!streams) progress.end();
  double count = 0;
  for (size_t s = 0; s < results.size(); ++s) {
    take(s, texts[s].finish());
    results[s].prompt = s % prompts.size();
    count += static_cast<double>(generated[s].ids.size());
    results[s].generated = std::move(generated[s]);
  }
  if (streams) put("\n");
  progress.note(fmt::format("{:.0f} tokens in {}, prompts included: {:.1f} tokens/s", count, format_duration(elapsed_s),
                            count / std::max(elapsed_s, 1e-9)));
  // By prompt, as they were asked for.
  std::stable_sort(results.begin(), results.end(), [](const auto& a, const auto& b) { return a.prompt < b.prompt; });
  return results;
}

const char* finish_word(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStopToken:
      return "stop_token";
    case FinishReason::kContext:
      return "context";
    case FinishReason::kMaxTokens:
      break;
  }
  return "max_tokens";
}

Json result_json(const std::vector<Prompt>& prompts, const std::vector<Continuation>& results,
                 const Tokenizer* tokenizer) {
  const auto one = [&](const Continuation& result) -> Json {
    return {{"text", tokenizer == nullptr ? Json(nullptr) : Json(result.text)},
            {"ids", result.generated.ids},
            {"prompt_ids", prompts[result.prompt].ids},
            {"finish", finish_word(result.generated.finish)}};
  };
  if (results.size() == 1) return one(results.front());
  Json sequences = Json::array();
  for (const Continuation& result : results) {
    Json json = one(result);
    json["prompt"] = result.prompt;
    sequences.push_back(std::move(json));
  }
  return {{"sequences", std::move(sequences)}};
}

void print_results(const std::vector<Prompt>& prompts, const std::vector<Continuation>& results,
                   const Tokenizer* tokenizer) {
  for (size_t s = 0; s < results.size(); ++s) {
    if (results.size() > 1) put(fmt::format("{}--- {}, prompt {}\n", s > 0 ? "\n" : "", s + 1, results[s].prompt + 1));
    if (tokenizer == nullptr) {
      put(fmt::format("{}\n", fmt::join(results[s].generated.ids, ",")));
    } else {
      put(prompts[results[s].prompt].text + results[s].text + "\n");
    }
  }
}

void generate_text(const GenerateVerbOptions& options) {
  const auto progress = make_progress(options);
  const OpenModel open(options.model);
  const auto tokenizer = options.from_ids ? find_tokenizer(open) : require_tokenizer(open, "--prompt-ids");
  const std::vector<Prompt> prompts = read_prompts(options, open, tokenizer.get());
  const auto engine = open_engine(open, options, *progress);
  const bool streams = !options.json && tokenizer != nullptr && prompts.size() == 1 && options.sequences == 1 &&
                       ::isatty(STDOUT_FILENO) == 1;
  const auto results = run(options, open, tokenizer.get(), *engine, prompts, streams, *progress);
  if (options.json) {
    print_json(result_json(prompts, results, tokenizer.get()));
  } else if (!streams) {
    print_results(prompts, results, tokenizer.get());
  }
}

CLI::Validator temperature_number() {
  const auto problem = [](std::string& text) {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && std::isfinite(value) && value >= 0) return std::string();
    return "'" + text + "' is not a number from 0 up";
  };
  return CLI::Validator(problem, "FROM 0");
}

// Options that would do nothing are wrong usage, as everywhere.
void check_options(const CLI::App& verb, const GenerateVerbOptions& options) {
  if (options.generation.sampling.temperature > 0) return;
  const auto refuse = [&](const char* name, const char* why) {
    if (verb.get_option(name)->count() == 0) return;
    fail(ErrorCode::kBadOption, name, "has no effect at --temperature 0, which {}", why);
  };
  refuse("--top-k", "always takes the likeliest token");
  refuse("--top-p", "always takes the likeliest token");
  if (options.sequences > 1) refuse("--sequences", "would give the same text every time");
}

}  // namespace

void add_generate(CLI::App& program, Action& action) {
  auto options = std::make_shared<GenerateVerbOptions>();
  GenerateOptions& generation = options->generation;
  CLI::App* verb = program.add_subcommand("generate", "Continue a prompt, or many");
  verb->add_option("MODEL", options->model, "Hugging Face folder, or a GGUF file")->required();
  CLI::Option* prompt = verb->add_option("--prompt", options->prompt, "Text to continue");
  CLI::Option* ids = verb->add_option("--prompt-ids", options->prompt_ids, "Token ids to continue, taken as they are")
                         ->check(id_list());
  CLI::Option* file =
      verb->add_option("--file", options->file, "File of prompts, one a line; empty lines are passed over");
  prompt->excludes(ids)->excludes(file);
  ids->excludes(file);
  const auto count = [] { return CLI::Range(int64_t{1}, int64_t{10'000'000}); };
  verb->add_option("--max-tokens", generation.max_tokens,
                   "New tokens, unless EOS (or BOS) or the end of the context comes first")
      ->capture_default_str()
      ->check(count());
  verb->add_option("--temperature", generation.sampling.temperature,
                   "0: always the likeliest token; else logits are divided by it and a token is drawn")
      ->capture_default_str()
      ->check(temperature_number());
  verb->add_option("--top-k", generation.sampling.top_k, "Draw from the k likeliest tokens only; all unless said")
      ->check(count());
  verb->add_option("--top-p", generation.sampling.top_p,
                   "Draw from the likeliest tokens whose probabilities reach p together (after --top-k)")
      ->capture_default_str()
      ->check(positive_number(1));
  verb->add_option("--seed", generation.seed, "Seed of the draws")->capture_default_str()->check(whole_number());
  verb->add_option("--sequences", options->sequences, "Continuations of each prompt")
      ->capture_default_str()
      ->check(count());
  verb->add_option("--batch", options->batch,
                   "Sequences computed together; unless said, as many as keep their cache within 4 GiB")
      ->check(count());
  add_engine_options(*verb, *options);
  verb->footer(
      "On a terminal a single text appears as it is written. --json gives text and ids of what is new, without the "
      "prompt; for\n"
      "several, an array `sequences`. A stop token is the last of ids and not in text.\n"
      "Examples:\n"
      "  prunenet generate ./Llama-2-7b-hf --prompt \"Once upon a time\"\n"
      "  prunenet generate ./Llama-2-7b-hf --file prompts.txt --temperature 0.8 --top-p 0.95 --sequences 4 --json");
  verb->callback([options, verb, prompt, ids, file, &action] {
    options->from_ids = ids->count() > 0;
    options->from_file = file->count() > 0;
    if (prompt->count() + ids->count() + file->count() == 0)
      throw CLI::RequiredError("--prompt, --prompt-ids or --file");
    check_options(*verb, *options);
    action = [options] { generate_text(*options); };
  });
}

}  // namespace prunenet::cli
