// What the verbs share: how a verb joins the program, the options that every verb has, and how results leave it.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/progress.h"
#include "checkpoint/checkpoint.h"
#include "model/description.h"

namespace prunenet::cli {

using Json = nlohmann::ordered_json;

/// What main runs once the command line is understood.
using Action = std::function<void()>;

// One file a verb.
void add_inspect(CLI::App& program, Action& action);
void add_plan(CLI::App& program, Action& action);
void add_spectrum(CLI::App& program, Action& action);
void add_train(CLI::App& program, Action& action);
void add_prune(CLI::App& program, Action& action);
void add_tokenize(CLI::App& program, Action& action);
void add_score(CLI::App& program, Action& action);
void add_generate(CLI::App& program, Action& action);
void add_eval(CLI::App& program, Action& action);
void add_compare(CLI::App& program, Action& action);
void add_compare_methods(CLI::App& program, Action& action);
void add_convert(CLI::App& program, Action& action);
void add_bench(CLI::App& program, Action& action);

/// --json, --quiet, --threads.
struct CommonOptions {
  bool json = false;
  bool quiet = false;
  int threads = 0;

  /// At most one a processor: more never change a result and only wait for each other.
  int usable_threads() const;
};
void add_common_options(CLI::App& verb, CommonOptions& options, bool computes);

/// To be asked before work, for a file (`what`: "report") that is written at its end. Throws kBadOption when it lies in one
/// of `folders` (models, outputs), kExists when it exists and `overwrite` is false, or is not a `what` of this program
/// (`is_ours` of its first bytes), kNotFound when its folder is missing, kIo when nothing may be written there.
void require_file_possible(const std::filesystem::path& path, const std::string& what, bool overwrite,
                           const std::vector<std::string>& folders, const std::function<bool(std::string_view)>& is_ours);
/// The same for an HTML report; an empty path is no report and always possible.
void require_report_possible(const std::string& path, bool overwrite, const std::vector<std::string>& folders);

/// The user gave this option; false where the verb has none of the name.
bool was_said(const CLI::App& verb, const char* name);
/// Throws kBadOption for the first of `names` that the user gave: an option that would do nothing is a mistake of whoever
/// gave it.
void refuse_said(const CLI::App& verb, std::initializer_list<const char*> names, const std::string& why);

/// Accepts finite numbers above 0, up to `most` (CLI::PositiveNumber lets NaN through).
CLI::Validator positive_number(double most = 1e300);
/// Accepts whole numbers from 0 to 2^64 - 1 (CLI11 wraps negative ones around).
CLI::Validator whole_number();

/// Sets the threads and warns of a slow BLAS. Call before linear algebra.
void prepare_linear_algebra(const CommonOptions& options, Progress& progress);

/// The progress of a verb: bar or lines on stderr, silent with --quiet.
std::unique_ptr<Progress> make_progress(const CommonOptions& options);

/// A checkpoint with its description.
struct OpenModel {
  explicit OpenModel(const std::string& folder) : checkpoint(folder), model(describe_model(checkpoint)) {}
  Checkpoint checkpoint;
  ModelDescription model;

  std::string name() const;  // the folder's own name
  std::vector<TensorSpec> tensors() const;
  ModelSize size() const;
  std::vector<std::string> dtypes() const;  // of the tensors, most bytes first
};

/// Names of the types of tensors, most bytes first; and the bytes of all of them.
std::vector<std::string> dtypes_of(const std::vector<TensorSpec>& tensors);
uint64_t bytes_of(const std::vector<TensorSpec>& tensors);

/// Says what a plan notes and warns of; gives all of it, for --json.
std::vector<std::string> say(const std::vector<std::string>& notes, const std::vector<std::string>& warnings, Progress& progress);

/// --max-shard-size in bytes.
uint64_t shard_bytes(double gb);

/// Prints the JSON object to stdout.
void print_json(const Json& json);

}  // namespace prunenet::cli
