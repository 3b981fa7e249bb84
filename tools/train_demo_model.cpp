// prunenet-train-demo-model: trains the small Llama that comes with the program, on stories that it tells itself.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <span>
#include <string>

#include "base/system.h"
#include "base/version.h"
#include "story_folder.h"
#include "story_score.h"
#include "story_trainer.h"

namespace prunenet {
namespace {

struct Options {
  std::filesystem::path out;
  StoryModelShape shape;
  StoryTraining training;
  int threads = 1;
  int64_t measure_every = 200;
  uint32_t held_out = 2000;
  bool force = false;
};

constexpr uint32_t kHeldOutOnTheWay = 256;

int64_t parameter_count(const StoryModel& model) {
  int64_t count = 0;
  for (const auto& [name, tensor] : model.parameters()) count += tensor.numel();
  return count;
}

std::string model_card(const Options& options, const StoryModel& model, int64_t steps_done, const StoryScore& score) {
  const StoryModelShape& shape = options.shape;
  const StoryTraining& training = options.training;
  return fmt::format(R"(---
library_name: transformers
tags:
- prunenet
- demo
---

# prunenet story model

A Llama of {} parameters that tells small stories. prunenet's own program trained it from random weights, on text that the
same program generates: nothing in it was taken from another model or from a data set.

- Shape: hidden size {}, {} layers, FFN width {}, {} heads, {} key/value heads, vocabulary {}, tied embeddings, context {},
  bf16.
- Text: a seeded grammar of stories in which verbs agree, pronouns fit, counts come out right, and names, colours, things and
  places come back. A document is BOS, one or more stories with newlines between them, EOS.
- Recipe: `prunenet-train-demo-model OUT --seed {} --steps {} --rows {} --rate {} --layers {} --ffn {} --vocab {}
  --threads {}`; {} of its steps done, {} tokens seen.
- Measured in f32 on {} held-out stories (seed {}): {}.
)",
                     parameter_count(model), shape.hidden, shape.layers, shape.ffn, shape.heads, shape.kv_heads,
                     shape.vocab, shape.positions, training.seed, training.steps, training.rows, training.peak_rate,
                     shape.layers, shape.ffn, shape.vocab, options.threads, steps_done,
                     steps_done * training.rows * shape.positions, score.stories, training.seed + 1, to_string(score));
}

void train(const Options& options) {
  at::set_num_threads(options.threads);
  BpeEncoder encoder = learn_story_tokenizer(options.training.seed, options.shape.vocab);
  StoryModel model(options.shape, options.training.seed);
  StoryTrainer trainer(model, encoder, options.training);
  fmt::print("{} parameters, {} steps of {} tokens, {} threads\n", parameter_count(model), options.training.steps,
             options.training.rows * options.shape.positions, options.threads);
  const Stopwatch watch;
  bool overwrite = options.force;
  double sum = 0;
  const auto measure_and_write = [&](uint32_t stories) {
    const auto score_ids = [&](std::span<const ScoreRequest> requests) { return model.score(requests); };
    const StoryScore score = score_stories(score_ids, encoder, options.training.seed + 1, stories);
    write_story_model(options.out, overwrite, model, encoder.vocabulary(),
                      model_card(options, model, trainer.steps_done(), score));
    overwrite = true;
    return to_string(score);
  };
  measure_and_write(1);  // an output that cannot be written shows now and not after the training
  while (trainer.steps_done() < options.training.steps) {
    sum += trainer.step();
    const int64_t done = trainer.steps_done();
    if (done % options.measure_every != 0 || done == options.training.steps) continue;
    const double left_s =
        watch.elapsed_s() * static_cast<double>(options.training.steps - done) / static_cast<double>(done);
    fmt::print("step {}: loss {:.4f}, {:.0f} s, {:.0f} s left\n  held out: {}\n", done,
               sum / static_cast<double>(options.measure_every), watch.elapsed_s(), left_s,
               measure_and_write(kHeldOutOnTheWay));
    std::fflush(stdout);
    sum = 0;
  }
  model.round_to_bf16();
  fmt::print("{}: done in {:.0f} s\n  as stored, held out: {}\n", options.out.string(), watch.elapsed_s(),
             measure_and_write(options.held_out));
}

}  // namespace
}  // namespace prunenet

int main(int argc, char** argv) {
  prunenet::Options options;
  CLI::App app(
      "Trains a small Llama on stories of a seeded grammar and writes it as a Hugging Face folder (bf16) with its "
      "tokenizer.\n"
      "OUT holds the model as it was when it was last measured, until the training is done. The same options, "
      "libtorch,\n"
      "machine and number of threads give the same bytes.",
      "prunenet-train-demo-model");
  app.set_version_flag("--version", std::string(PRUNENET_VERSION));
  app.add_option("OUT", options.out, "Folder to make")->required();
  app.add_option("--seed", options.training.seed,
                 "Seed of the stories and the first weights; held-out stories are those of the next")
      ->capture_default_str();
  app.add_option("--steps", options.training.steps, "Steps of the optimiser")->capture_default_str();
  app.add_option("--rows", options.training.rows, "Rows of text a step")->capture_default_str();
  app.add_option("--rate", options.training.peak_rate, "Largest learning rate")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--layers", options.shape.layers, "Layers")->capture_default_str()->check(CLI::Range(1, 64));
  app.add_option("--ffn", options.shape.ffn, "FFN width")->capture_default_str()->check(CLI::Range(1, 65536));
  app.add_option("--vocab", options.shape.vocab, "Pieces of the tokenizer")
      ->capture_default_str()
      ->check(CLI::Range(320, 65536));
  app.add_option("--threads", options.threads, "Threads")->capture_default_str()->check(CLI::Range(1, 1024));
  app.add_option("--measure-every", options.measure_every, "Steps between two measurements on held-out stories")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--held-out", options.held_out, "Held-out stories of the last measurement")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000));
  app.add_flag("--force", options.force, "Replace OUT where it is a checkpoint folder (default: refuse)");
  app.footer(
      "Example:\n  prunenet-train-demo-model stories1M --seed 7\n\nExit status: 0 done, 1 failed, 2 wrong usage.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    prunenet::train(options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
