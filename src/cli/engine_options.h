// The options of every verb that runs a model, and opening the engine by them.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/progress.h"
#include "cli/verb.h"
#include "engine/accelerator.h"
#include "engine/engine.h"

namespace prunenet::cli {

/// --dtype, --device, --stream, and the common ones.
struct EngineVerbOptions : CommonOptions {
  std::string dtype = "f32";
  std::string device = "cpu";
  bool stream = false;
  std::filesystem::path scratch_folder;  // no option: a verb with an output has it on that disk; empty: TMPDIR
};

/// Adds --dtype, --device and --stream, and the common options of a verb that computes.
void add_engine_options(CLI::App& verb, EngineVerbOptions& options);

/// The same options without what they do to the process: for verbs that only sometimes run a model. These call
/// let_waiting_threads_sleep when they are about to.
void add_engine_choices(CLI::App& verb, EngineVerbOptions& options);
/// Starts the program again, once, with OpenMP's threads sleeping while they wait.
void let_waiting_threads_sleep();

/// A model ready to run; `open` must outlive it. What it spills goes to the options' scratch folder, or the nearest
/// folder above that is there. Throws what load_engine throws.
std::unique_ptr<Engine> open_engine(const OpenModel& open, const EngineVerbOptions& options, Progress& progress);

/// Adds --device alone.
void add_device_option(CLI::App& verb, std::string& device);
/// What chooses, refits and trains on that device; null for "cpu", where the host does. Throws what load_accelerator
/// throws.
std::unique_ptr<Accelerator> open_accelerator(const std::string& device, int threads);

/// To be asked before a run says or does anything. Throws what load_accelerator throws; "cpu" is there.
void require_device(const std::string& device, int threads);

/// That of cli/memory_hint.h, where the engine will be on the CPU and hold all weights at once.
std::optional<std::string> memory_hint(const OpenModel& open, const EngineVerbOptions& options);

/// "f32 on cpu", for reports and tables.
std::string engine_words(const EngineVerbOptions& options);

}  // namespace prunenet::cli
