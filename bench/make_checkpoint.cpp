// prunenet-bench-make-checkpoint: writes a checkpoint of a real model's layer shape with random weights, for measuring
// time and memory where no real model is at hand.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/output_folder.h"
#include "base/system.h"
#include "base/version.h"
#include "checkpoint/checkpoint_writer.h"
#include "checkpoint_shapes.h"
#include "fast_weights.h"
#include "piece_vocabulary.h"

namespace prunenet {
namespace {

struct Options {
  std::filesystem::path out;
  std::string shape;
  std::string dtype = "bf16";
  CheckpointSize size;
  uint64_t seed = 1;
  bool tokenizer = false;
  bool force = false;
};

constexpr int64_t kBufferBytes = int64_t{16} << 20;

const CheckpointShape& find_shape(const std::string& name) {
  const auto shapes = checkpoint_shapes();
  return *std::find_if(shapes.begin(), shapes.end(), [&](const CheckpointShape& shape) { return shape.name == name; });
}

void append_matrix(const TensorSpec& spec, const WeightAddress& address, std::vector<std::byte>& buffer,
                   CheckpointWriter& writer) {
  const int64_t rows = spec.shape[0], cols = spec.shape[1];
  const FastMatrix matrix(address, rows, cols);
  const int64_t row_bytes = cols * static_cast<int64_t>(dtype_size_bytes(spec.dtype));
  const int64_t rows_at_once = std::max<int64_t>(1, kBufferBytes / row_bytes);
  for (int64_t first = 0; first < rows; first += rows_at_once) {
    const int64_t count = std::min(rows_at_once, rows - first);
    buffer.resize(static_cast<size_t>(count * row_bytes));
    matrix.fill_rows(first, count, spec.dtype, buffer.data());
    writer.append(buffer);
  }
}

uint64_t write_checkpoint(const Options& options) {
  const CheckpointShape& shape = find_shape(options.shape);
  OutputFolder folder(options.out, options.force);
  const std::vector<PlannedTensor> tensors = plan_tensors(shape, options.size);
  std::vector<TensorSpec> specs;
  for (const PlannedTensor& tensor : tensors) specs.push_back(tensor.spec);
  CheckpointWriter writer(folder.staging(), specs, {});
  std::map<std::string, std::string> side_files;
  if (options.tokenizer) side_files = piece_vocabulary(options.size.vocab);
  side_files["config.json"] = config_json(shape, options.size);
  uint64_t bytes = writer.total_bytes();
  for (const auto& [name, text] : side_files) bytes += text.size();
  folder.require_space(bytes);

  std::vector<std::byte> buffer;
  for (const PlannedTensor& tensor : tensors) {
    const WeightAddress address{options.seed, tensor.layer, tensor.slot};
    const TensorSpec& spec = tensor.spec;
    switch (tensor.role) {
      case TensorRole::kMatrix:
        append_matrix(spec, address, buffer, writer);
        break;
      case TensorRole::kNormWeight:
        writer.append(fast_vector(address, spec.shape[0], 1.0, 0.1, spec.dtype));
        break;
      case TensorRole::kBias:
        writer.append(fast_vector(address, spec.shape[0], 0.0, 0.02, spec.dtype));
        break;
    }
  }
  writer.finish();
  for (const auto& [name, text] : side_files) {
    FileWriter file(folder.staging() / name);
    file.append(text);
    file.close();
  }
  folder.commit();
  return bytes;
}

}  // namespace
}  // namespace prunenet

int main(int argc, char** argv) {
  prunenet::Options options;
  std::vector<std::string> shape_names;
  for (const auto& shape : prunenet::checkpoint_shapes()) shape_names.emplace_back(shape.name);

  CLI::App app(
      "Writes a checkpoint of a real model's layer shape with random weights like those of a language model: singular\n"
      "values with a heavy tail, rows of different size, a few outlier columns. Every layer has its true size; the\n"
      "vocabulary is small unless told, so that embeddings do not fill the disk. The same options give "
      "the\n"
      "same bytes with any number of threads (OMP_NUM_THREADS; default: all cores).",
      "prunenet-bench-make-checkpoint");
  app.set_version_flag("--version", std::string(PRUNENET_VERSION));
  app.add_option("OUT", options.out, "Folder to make")->required();
  app.add_option("--shape", options.shape, "Whose layers: llama2-7b, phi2, opt-6.7b, llama2-70b, tinyllama-1.1b or tiny")
      ->required()
      ->check(CLI::IsMember(shape_names));
  app.add_option("--layers", options.size.layers, "Number of layers, 1 to 1000")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1000}));
  app.add_option("--dtype", options.dtype, "Type of the weights: bf16 or f32")
      ->capture_default_str()
      ->check(CLI::IsMember({"bf16", "f32"}));
  app.add_option("--vocab", options.size.vocab, "Tokens in the vocabulary, 8 to 1000000")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{8}, int64_t{1000000}));
  app.add_option("--seed", options.seed, "Seed of the weights, 0 to 2^64 - 1")->capture_default_str();
  app.add_flag("--tokenizer", options.tokenizer,
               "Make a tokenizer of as many tokens as well (llama shapes; a vocabulary of 512 or more)");
  app.add_flag("--force", options.force, "Replace OUT where it is a checkpoint folder (default: refuse)");
  app.footer(
      "Example: two layers of LLaMA-2-7B, about 0.8 GB\n"
      "  prunenet-bench-make-checkpoint llama-two --shape llama2-7b --layers 2\n\n"
      "Exit status: 0 done, 1 failed, 2 wrong usage.");
  try {
    app.parse(argc, argv);
    const bool llama = prunenet::find_shape(options.shape).family == prunenet::ShapeFamily::kLlama;
    if (options.tokenizer && (!llama || options.size.vocab < prunenet::kSmallestPieceVocabulary)) {
      throw CLI::ValidationError("--tokenizer", "is for llama shapes and a vocabulary of 512 or more");
    }
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    options.size.dtype = options.dtype == "f32" ? prunenet::Dtype::kF32 : prunenet::Dtype::kBf16;
    const prunenet::Stopwatch watch;
    const uint64_t bytes = prunenet::write_checkpoint(options);
    const double seconds = watch.elapsed_s();
    fmt::print("{}: {} bytes in {:.2f} s ({:.0f} MB/s), {}, {} layers, seed {}\n", options.out.string(), bytes, seconds,
               static_cast<double>(bytes) / 1e6 / seconds, options.shape, options.size.layers, options.seed);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
