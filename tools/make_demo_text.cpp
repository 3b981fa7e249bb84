// prunenet-make-demo-text: writes the stories that the trained demo model knows how to tell, one a line.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <numbers>
#include <string>

#include "base/file.h"
#include "base/version.h"
#include "story_corpus.h"
#include "story_grammar.h"

int main(int argc, char** argv) {
  std::filesystem::path out;
  uint64_t seed = prunenet::kHeldOutTextSeed;
  uint32_t stories = 500;
  bool force = false;
  CLI::App app(
      "Writes small stories, one a line, from a seeded grammar: the same text on every machine. The trained demo model "
      "learned\n"
      "from those of seed 7; those of any other seed are new to it. Prints what no model of this text can go below on "
      "average.",
      "prunenet-make-demo-text");
  app.set_version_flag("--version", std::string(PRUNENET_VERSION));
  app.add_option("OUT", out, "File to make")->required();
  app.add_option("--seed", seed, "Seed of the stories, 0 to 2^64 - 1")->capture_default_str();
  app.add_option("--stories", stories, "How many")->capture_default_str()->check(CLI::Range(1, 10000000));
  app.add_flag("--force", force, "Replace OUT where it exists (default: refuse)");
  app.footer(
      "Example:\n  prunenet-make-demo-text held-out.txt --stories 500\n\nExit status: 0 done, 1 failed, 2 wrong "
      "usage.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    std::string text;
    double nats = 0;
    for (uint32_t i = 0; i < stories; ++i) {
      const prunenet::story::Story story = prunenet::story::random_story(seed, i);
      text += story.text + "\n";
      nats += story.nats;
    }
    prunenet::write_file_atomically(out, text, force);
    fmt::print("{}: {} stories, {} bytes, seed {}; the grammar's entropy: {:.0f} nats, {:.4f} bits a byte\n",
               out.string(), stories, text.size(), seed, nats,
               nats / std::numbers::ln2 / static_cast<double>(text.size()));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
