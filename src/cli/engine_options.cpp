// The options of every verb that runs a model.
#include "cli/engine_options.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/cancel.h"
#include "cli/memory_hint.h"
#include "engine/load.h"
#include "engine/streaming.h"

namespace prunenet::cli {
namespace {

// "cpu", "cuda" or "cuda:N"; whether the device is there is the engine's to say.
CLI::Validator device_name() {
  const auto problem = [](std::string& text) {
    const std::string number = text.starts_with("cuda:") ? text.substr(5) : "";
    const bool digits = !number.empty() && number.size() <= 3 && number.find_first_not_of("0123456789") == number.npos;
    if (text == "cpu" || text == "cuda" || digits) return std::string();
    return "'" + text + "' is no device; expected cpu, cuda or cuda:N";
  };
  return CLI::Validator(problem, "cpu|cuda[:N]");
}

}  // namespace

// OpenMP's threads spin while they wait, by default for milliseconds. A small model waits thousands of times a second:
// on a machine that does anything else, spinning takes the processor from the thread that is waited for, and a run
// takes ten times as long. OpenMP reads its settings before main, so they can only be given to a fresh start of the
// program: it costs some milliseconds, once.
void let_waiting_threads_sleep() {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(argument);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::setenv("GOMP_SPINCOUNT", "1000", 1);
  if (!arguments.empty()) ::execv("/proc/self/exe", pointers.data());
  // Where that is not possible, it goes on as it is.
}

void add_device_option(CLI::App& verb, std::string& device) {
  verb.add_option("--device", device, "Where to compute: cpu, cuda or cuda:N")
      ->capture_default_str()
      ->check(device_name());
}

void add_engine_choices(CLI::App& verb, EngineVerbOptions& options) {
  verb.add_option(
          "--dtype", options.dtype,
          "Arithmetic of the matrix products: f32 (numbers to trust) or bf16 (half the memory, faster, coarser)")
      ->capture_default_str()
      ->check(CLI::IsMember({"f32", "bf16"}));
  add_device_option(verb, options.device);
  verb.add_flag("--stream", options.stream,
                "Keep one layer in memory at a time: for models larger than memory; slower");
  add_common_options(verb, options, true);
}

void add_engine_options(CLI::App& verb, EngineVerbOptions& options) {
  add_engine_choices(verb, options);
  verb.parse_complete_callback(let_waiting_threads_sleep);
}

std::unique_ptr<Engine> open_engine(const OpenModel& open, const EngineVerbOptions& options, Progress& progress) {
  EngineOptions engine;
  engine.compute = options.dtype == "bf16" ? ComputeType::kBf16 : ComputeType::kF32;
  engine.device = options.device;
  engine.stream = options.stream;
  engine.threads = options.usable_threads();
  engine.throw_if_cancelled = &throw_if_cancelled;
  engine.scratch_folder = options.scratch_folder;
  progress.begin("loading the model", 1);
  auto loaded = load_engine(open.checkpoint, open.model, engine);
  progress.advance(1);
  progress.end();
  if (loaded->streams() && !options.stream) {
    progress.note(
        "the converted weights would not fit into memory: one layer at a time is converted, as with --stream" +
        std::string(options.dtype == "bf16" ? "" : "; --dtype bf16 takes half the memory, and bf16 weights none"));
  }
  return loaded;
}

std::unique_ptr<Accelerator> open_accelerator(const std::string& device, int threads) {
  if (device == "cpu") return nullptr;
  AcceleratorOptions accelerator;
  accelerator.device = device;
  accelerator.threads = threads;
  accelerator.throw_if_cancelled = &throw_if_cancelled;
  return load_accelerator(accelerator);
}

void require_device(const std::string& device, int threads) {
  open_accelerator(device, threads);
}

std::optional<std::string> memory_hint(const OpenModel& open, const EngineVerbOptions& options) {
  EngineOptions engine;
  engine.device = options.device;
  engine.stream = options.stream;
  const auto bytes_in = [&](ComputeType type) { return converted_weight_bytes(open.checkpoint, open.model, type); };
  WeightMemory memory;
  memory.is_f32 = options.dtype == "f32";
  memory.free_bytes = usable_memory_bytes();
  memory.bf16_bytes = bytes_in(ComputeType::kBf16);
  memory.bytes = memory.is_f32 ? bytes_in(ComputeType::kF32) : memory.bf16_bytes;
  if (options.device != "cpu" || engine_streams(engine, memory.bytes, memory.free_bytes)) return std::nullopt;
  return memory_hint(memory);
}

std::string engine_words(const EngineVerbOptions& options) {
  return options.dtype + " on " + options.device + (options.stream ? ", one layer in memory at a time" : "");
}

}  // namespace prunenet::cli
