// prunenet bench: tokens a second, measured. Several models are measured in turn, so that what the machine does
// meanwhile hits all of them.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/cancel.h"
#include "base/error.h"
#include "base/random.h"
#include "base/system.h"
#include "cli/engine_options.h"
#include "cli/format.h"
#include "linalg/parallel.h"

namespace prunenet::cli {
namespace {

struct BenchOptions : EngineVerbOptions {
  std::string model;
  std::vector<std::string> others;
  int64_t prompt = 512, generate = 64, repeat = 5, batch = 1;
  bool prompt_said = false;
  uint64_t seed = 42;
};

struct Subject {
  std::unique_ptr<OpenModel> open;
  std::unique_ptr<Engine> engine;
  std::vector<double> prompt_s, generate_s;  // one of each repeat
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double prompt_speed(const BenchOptions& options, const Subject& subject) {
  return static_cast<double>(options.prompt * options.batch) / median(subject.prompt_s);
}
double generate_speed(const BenchOptions& options, const Subject& subject) {
  return static_cast<double>(options.generate * options.batch) / median(subject.generate_s);
}

// What is fed, equal for every model and repeat: [batch] sequences of prompt + generate ids. Which ids they are does
// not matter for the speed.
std::vector<std::vector<TokenId>> random_ids(const BenchOptions& options, int64_t vocab) {
  std::vector<std::vector<TokenId>> sequences(static_cast<size_t>(options.batch));
  for (size_t s = 0; s < sequences.size(); ++s) {
    RandomStream stream(options.seed, RandomStage::kBench, static_cast<uint32_t>(s));
    for (int64_t t = 0; t < options.prompt + options.generate; ++t) {
      sequences[s].push_back(static_cast<TokenId>(stream.next_uniform(0, static_cast<double>(vocab))));
    }
  }
  return sequences;
}

// One prompt, then token after token. The session is opened before the clock starts.
void measure(const BenchOptions& options, const std::vector<std::vector<TokenId>>& ids, Subject& subject, bool counts) {
  std::vector<std::vector<TokenId>> prompts;
  for (const auto& sequence : ids)
    prompts.emplace_back(sequence.begin(), sequence.begin() + static_cast<std::ptrdiff_t>(options.prompt));
  const auto session = subject.engine->open_session(options.batch, options.prompt + options.generate);
  const Stopwatch prompt;
  session->append(prompts);
  const double prompt_s = prompt.elapsed_s();
  std::vector<std::vector<TokenId>> next(ids.size(), std::vector<TokenId>(1));
  const Stopwatch generation;
  for (int64_t t = 0; t < options.generate; ++t) {
    for (size_t s = 0; s < ids.size(); ++s) next[s][0] = ids[s][static_cast<size_t>(options.prompt + t)];
    session->append(next);
    throw_if_cancelled();
  }
  if (!counts) return;
  subject.prompt_s.push_back(prompt_s);
  subject.generate_s.push_back(generation.elapsed_s());
}

std::vector<Subject> describe_all(const BenchOptions& options) {
  std::vector<std::string> folders{options.model};
  folders.insert(folders.end(), options.others.begin(), options.others.end());
  std::vector<Subject> subjects(folders.size());
  for (size_t i = 0; i < folders.size(); ++i) subjects[i].open = std::make_unique<OpenModel>(folders[i]);
  return subjects;
}

// The prompt's length: as asked, or the default where every context holds it, else what they hold.
int64_t prompt_tokens(const BenchOptions& options, const std::vector<Subject>& subjects) {
  int64_t prompt = options.prompt;
  for (const Subject& subject : subjects) {
    const int64_t context = subject.open->model.max_context;
    if (context == 0 || prompt + options.generate <= context) continue;
    if (options.prompt_said || context <= options.generate) {
      fail(ErrorCode::kBadOption, subject.open->checkpoint.folder().string(),
           "has a context of {} tokens; --prompt {} and --generate {} need {}", context, prompt, options.generate,
           prompt + options.generate);
    }
    prompt = context - options.generate;
  }
  return prompt;
}

Json subject_json(const BenchOptions& options, const Subject& subject) {
  const ModelSize size = subject.open->size();
  return {{"model", subject.open->name()},
          {"params", size.params},
          {"bytes", size.bytes},
          {"flops_per_token", size.flops_per_token},
          {"prompt_tokens_per_s", prompt_speed(options, subject)},
          {"generate_tokens_per_s", generate_speed(options, subject)},
          {"prompt_s", subject.prompt_s},
          {"generate_s", subject.generate_s}};
}

Json result_json(const BenchOptions& options, const std::vector<Subject>& subjects) {
  Json json = {{"dtype", options.dtype},   {"device", options.device}, {"stream", options.stream},
               {"threads", num_threads()}, {"prompt", options.prompt}, {"generate", options.generate},
               {"batch", options.batch},   {"repeat", options.repeat}};
  if (subjects.size() == 1) {
    json.update(subject_json(options, subjects.front()));
  } else {
    json["models"] = Json::array();
    for (const Subject& subject : subjects) {
      Json row = subject_json(options, subject);
      row["prompt_ratio"] = prompt_speed(options, subject) / prompt_speed(options, subjects.front());
      row["generate_ratio"] = generate_speed(options, subject) / generate_speed(options, subjects.front());
      json["models"].push_back(std::move(row));
    }
  }
  json["peak_rss_bytes"] = peak_rss_bytes();
  return json;
}

// How far the repeats lie apart, as a share of their median.
double spread(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return (*high - *low) / median(values);
}

void print_result(const BenchOptions& options, const std::vector<Subject>& subjects) {
  fmt::print("{}, {}: a prompt of {} tokens, then {} one by one; {} at once; median of {}{}\n", engine_words(options),
             num_threads() == 1 ? "1 thread" : fmt::format("{} threads", num_threads()), options.prompt,
             options.generate, options.batch == 1 ? "1 sequence" : fmt::format("{} sequences", options.batch),
             options.repeat, subjects.size() > 1 ? ", in turn" : "");
  size_t longest = 5;
  for (const Subject& subject : subjects) longest = std::max(longest, subject.open->name().size());
  fmt::print("  {:<{}}  {:>10}  {:>22}  {:>22}\n", "model", longest, "parameters", "prompt, tokens/s",
             "generation, tokens/s");
  const auto cell = [&](double own, double first, const std::vector<double>& times) {
    const bool several = subjects.size() > 1;
    return fmt::format("{:.1f} {:>11}", own,
                       several ? fmt::format("({:.3f} x)", own / first) : "+-" + format_percent(spread(times) / 2));
  };
  for (const Subject& subject : subjects) {
    fmt::print("  {:<{}}  {:>10}  {:>22}  {:>22}\n", subject.open->name(), longest,
               format_count(static_cast<double>(subject.open->size().params)),
               cell(prompt_speed(options, subject), prompt_speed(options, subjects[0]), subject.prompt_s),
               cell(generate_speed(options, subject), generate_speed(options, subjects[0]), subject.generate_s));
  }
  fmt::print("peak memory {}{}\n", format_bytes(static_cast<double>(peak_rss_bytes())),
             subjects.size() > 1 ? ", all models together" : "");
}

void bench(BenchOptions options) {
  const auto progress = make_progress(options);
  set_num_threads(options.threads);
  std::vector<Subject> subjects = describe_all(options);
  options.prompt = prompt_tokens(options, subjects);
  for (Subject& subject : subjects) subject.engine = open_engine(*subject.open, options, *progress);
  int64_t vocab = subjects.front().engine->vocab();
  for (const Subject& subject : subjects) vocab = std::min(vocab, subject.engine->vocab());
  const auto ids = random_ids(options, vocab);
  progress->begin("measuring", static_cast<double>(options.repeat + 1) * static_cast<double>(subjects.size()));
  for (int64_t round = 0; round <= options.repeat; ++round) {
    for (Subject& subject : subjects) {
      measure(options, ids, subject, round > 0);  // the first round brings weights, buffers and threads up
      progress->advance(1);
    }
  }
  progress->end();
  if (options.json) {
    print_json(result_json(options, subjects));
  } else {
    print_result(options, subjects);
  }
}

}  // namespace

void add_bench(CLI::App& program, Action& action) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* verb =
      program.add_subcommand("bench", "Measure a model's speed: tokens a second of a prompt and of generation");
  verb->add_option("MODEL", options->model, "Hugging Face folder, or a GGUF file")->required();
  verb->add_option("OTHER", options->others,
                   "More of them (a pruned copy), measured in turn with the first; all are in memory together");
  const auto add_count = [&](const char* name, int64_t& value, const char* help) {
    verb->add_option(name, value, help)->capture_default_str()->check(CLI::Range(int64_t{1}, int64_t{1'000'000}));
  };
  add_count("--prompt", options->prompt,
            "Tokens of the prompt, fed at once; unless said, fewer where the context is shorter");
  add_count("--generate", options->generate, "Tokens fed one by one after it");
  add_count("--repeat", options->repeat, "Measurements, after one that does not count");
  add_count("--batch", options->batch, "Sequences computed together");
  verb->add_option("--seed", options->seed, "Seed of the random ids that are fed")
      ->capture_default_str()
      ->check(whole_number());
  add_engine_options(*verb, *options);
  verb->footer(
      "Tokens a second count those of all sequences together; choosing a token from its logits is not measured.\n"
      "Example:\n"
      "  prunenet bench ./Llama-2-7b-hf ./Llama-2-7b-pruned --dtype bf16");
  verb->callback([options, verb, &action] {
    options->prompt_said = verb->get_option("--prompt")->count() > 0;
    action = [options] { bench(*options); };
  });
}

}  // namespace prunenet::cli
