// Shared parts of the verbs.
#include "cli/verb.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/file.h"
#include "cli/terminal_progress.h"
#include "linalg/blas_info.h"
#include "linalg/parallel.h"

namespace prunenet::cli {

void add_common_options(CLI::App& verb, CommonOptions& options, bool computes) {
  verb.add_flag("--json", options.json, "Print one JSON object on stdout and nothing else there");
  verb.add_flag("-q,--quiet", options.quiet, "No progress on stderr (warnings and errors still come)");
  if (computes) {
    verb.add_option("--threads", options.threads, "Threads to compute with; 0: all processors. Never changes a result")
        ->capture_default_str()
        ->check(CLI::Range(0, 4096));
  }
}

void prepare_linear_algebra(const CommonOptions& options, Progress& progress) {
  set_num_threads(options.threads);
  const BlasInfo blas = blas_info();
  if (!blas.is_optimised) {
    progress.warn("linear algebra runs on " + blas.name + ", about a hundred times slower than OpenBLAS: install libopenblas0-openmp");
  }
}

std::unique_ptr<Progress> make_progress(const CommonOptions& options) {
  return std::make_unique<TerminalProgress>(options.quiet, ::isatty(STDERR_FILENO) == 1);
}

std::string OpenModel::name() const { return resolved_path(checkpoint.folder()).filename().string(); }

ModelSize OpenModel::size() const {
  std::vector<TensorSpec> specs;
  for (const auto& entry : checkpoint.tensors()) specs.push_back(entry.stored.spec);
  return measure_size(model, specs);
}

std::vector<std::string> OpenModel::dtypes() const {
  std::map<std::string, uint64_t> bytes;
  for (const auto& entry : checkpoint.tensors()) bytes[std::string(dtype_name(entry.stored.spec.dtype))] += entry.stored.spec.size_bytes();
  std::vector<std::string> names;
  for (const auto& [name, size] : bytes) names.push_back(name);
  std::stable_sort(names.begin(), names.end(), [&](const auto& a, const auto& b) { return bytes[a] > bytes[b]; });
  return names;
}

void print_json(const Json& json) {
  const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace prunenet::cli
