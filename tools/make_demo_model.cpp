// prunenet-make-demo-model: writes a complete small Llama checkpoint, so that prunenet can be tried without a download.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/output_folder.h"
#include "base/version.h"
#include "checkpoint/checkpoint_writer.h"
#include "demo_texts.h"
#include "demo_weights.h"

namespace prunenet {
namespace {

struct Options {
  std::filesystem::path out;
  uint64_t seed = 7;
  bool force = false;
};

uint64_t write_model(const Options& options) {
  OutputFolder folder(options.out, options.force);
  const std::vector<DemoTensor> tensors = demo_weights(options.seed);
  const std::map<std::string, std::string> texts = demo_texts(options.seed);

  std::vector<TensorSpec> specs;
  for (const DemoTensor& tensor : tensors) specs.push_back(tensor.spec);
  CheckpointWriter writer(folder.staging(), specs, {});
  uint64_t total_bytes = writer.total_bytes();
  for (const auto& [name, text] : texts) total_bytes += text.size();
  folder.require_space(total_bytes);

  for (const DemoTensor& tensor : tensors) writer.append(std::as_bytes(std::span(tensor.bits)));
  writer.finish();
  for (const auto& [name, text] : texts) {
    FileWriter file(folder.staging() / name);
    file.append(text);
    file.close();
  }
  folder.commit();
  return total_bytes;
}

}  // namespace
}  // namespace prunenet

int main(int argc, char** argv) {
  prunenet::Options options;
  CLI::App app(
      "Writes a small Llama checkpoint (about 1 million parameters, 2 MB, bf16) with a tokenizer, to try prunenet on.\n"
      "The weights are random with structured spectra; the model cannot talk. The same seed gives the same bytes on\n"
      "every machine.",
      "prunenet-make-demo-model");
  app.set_version_flag("--version", std::string(PRUNENET_VERSION));
  app.add_option("OUT", options.out, "Folder to make")->required();
  app.add_option("--seed", options.seed, "Seed of the weights, 0 to 2^64 - 1")->capture_default_str();
  app.add_flag("--force", options.force, "Replace OUT where it is a checkpoint folder (default: refuse)");
  app.footer("Example:\n  prunenet-make-demo-model demo --seed 7\n\nExit status: 0 done, 1 failed, 2 wrong usage.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    const uint64_t bytes = prunenet::write_model(options);
    fmt::print("{}: {} bytes, seed {}\n", options.out.string(), bytes, options.seed);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
