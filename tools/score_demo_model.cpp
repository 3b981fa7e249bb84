// prunenet-score-demo-model: how much of the grammar the trained demo model knows, whole or pruned.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/version.h"
#include "checkpoint/checkpoint.h"
#include "generate/generate.h"
#include "runtime/torch_engine.h"
#include "story_parser.h"
#include "story_score.h"

namespace prunenet {
namespace {

struct Options {
  std::filesystem::path model;
  uint64_t seed = kHeldOutTextSeed;
  uint32_t stories = 2000;
  int64_t samples = 200;
  int threads = 0;
};

constexpr uint64_t kMostTokenizerBytes = 1 << 20;

BpeEncoder story_tokenizer(const Checkpoint& checkpoint, const ModelDescription& model) {
  BpeEncoder encoder = learn_story_tokenizer(kTrainingTextSeed, model.vocab);
  const std::filesystem::path file = checkpoint.folder() / "tokenizer.json";
  if (read_text_file(file, kMostTokenizerBytes) != bpe_tokenizer_json(encoder.vocabulary())) {
    fail(ErrorCode::kMismatch, file.string(),
         "is not the tokenizer of the demo model that prunenet-train-demo-model makes");
  }
  return encoder;
}

// Stories that the model tells by itself, and how many of them the grammar could have told, word for word.
int64_t count_true_stories(Engine& engine, const BpeEncoder& encoder, const Options& options, int64_t max_context,
                           std::string& first) {
  const std::vector<std::vector<TokenId>> prompts(static_cast<size_t>(options.samples), {kBosToken});
  GenerateOptions generation;
  generation.max_tokens = generation.max_context = max_context;
  generation.stop_ids = {kEosToken, kNewlineToken};
  generation.sampling.temperature = 1;
  generation.seed = options.seed;
  int64_t count = 0;
  for (Generated& generated : generate(engine, prompts, generation)) {
    if (generated.finish == FinishReason::kStopToken) generated.ids.pop_back();
    const std::string text = encoder.decode(generated.ids);
    if (first.empty()) first = text;
    if (!story::derivations(text).empty()) ++count;
  }
  return count;
}

void score(const Options& options) {
  const Checkpoint checkpoint(options.model);
  const ModelDescription model = describe_model(checkpoint);
  BpeEncoder encoder = story_tokenizer(checkpoint, model);
  EngineOptions engine_options;
  engine_options.threads = options.threads;
  TorchEngine engine(checkpoint, model, engine_options);
  const auto score_ids = [&](std::span<const ScoreRequest> requests) { return engine.score(requests); };
  fmt::print("{} stories of seed {}: {}\n", options.stories, options.seed,
             to_string(score_stories(score_ids, encoder, options.seed, options.stories)));
  if (options.samples == 0) return;
  std::string first;
  const int64_t count = count_true_stories(engine, encoder, options, model.max_context, first);
  fmt::print("{} of {} stories that it tells by itself keep to every rule; the first: {}\n", count, options.samples,
             first);
}

}  // namespace
}  // namespace prunenet

int main(int argc, char** argv) {
  prunenet::Options options;
  CLI::App app(
      "Measures what the trained demo model (or a pruned copy of it) knows of the grammar of its stories: the loss on "
      "stories\n"
      "that it has not seen beside the entropy of the grammar, how often its first choice is right where a rule leaves "
      "one\n"
      "word only, and how many of the stories that it tells by itself keep to every rule.",
      "prunenet-score-demo-model");
  app.set_version_flag("--version", std::string(PRUNENET_VERSION));
  app.add_option("MODEL", options.model, "Folder of the model")->required();
  app.add_option("--seed", options.seed, "Seed of the stories and of the sampling")->capture_default_str();
  app.add_option("--stories", options.stories, "Stories to score")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000));
  app.add_option("--samples", options.samples, "Stories to sample")
      ->capture_default_str()
      ->check(CLI::Range(0, 100000));
  app.add_option("--threads", options.threads, "Threads; 0: all processors")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  app.footer("Example:\n  prunenet-score-demo-model demo/stories1M\n\nExit status: 0 done, 1 failed, 2 wrong usage.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    prunenet::score(options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
