// Shared parts of the verbs.
#include "cli/verb.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "cli/terminal_progress.h"
#include "linalg/blas_info.h"
#include "linalg/parallel.h"

namespace prunenet::cli {

void add_common_options(CLI::App& verb, CommonOptions& options, bool computes) {
  verb.add_flag("--json", options.json, "Print one JSON object on stdout and nothing else there");
  verb.add_flag("-q,--quiet", options.quiet, "No progress on stderr (warnings and errors still come)");
  if (computes) {
    verb.add_option("--threads", options.threads, "Threads to compute with, at most one a processor; 0: all processors. Never changes a result")
        ->capture_default_str()
        ->check(CLI::Range(0, 4096));
  }
}

void require_file_possible(const std::filesystem::path& path, const std::string& what, bool overwrite,
                           const std::vector<std::string>& folders, const std::function<bool(std::string_view)>& is_ours) {
  const auto place = resolved_path(path);
  for (const std::string& folder : folders) {
    if (is_within(place, resolved_path(folder))) {
      fail(ErrorCode::kBadOption, place.string(), "the {} would lie in the checkpoint folder '{}'; put it beside", what, folder);
    }
  }
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    if (!overwrite) fail(ErrorCode::kExists, path.string(), "exists already; --force overwrites it");
    if (!std::filesystem::is_regular_file(path, error)) {
      fail(ErrorCode::kExists, path.string(), "is no regular file; nothing else is overwritten");
    }
    const MappedFile former(path);
    const auto head = former.bytes().first(std::min<size_t>(former.bytes().size(), 1 << 16));
    if (!head.empty() && !is_ours({reinterpret_cast<const char*>(head.data()), head.size()})) {
      fail(ErrorCode::kExists, path.string(), "is no {} of this program; --force does not overwrite it", what);
    }
  }
  const auto folder = std::filesystem::absolute(path).parent_path();
  if (!std::filesystem::is_directory(folder, error)) fail(ErrorCode::kNotFound, folder.string(), "no such folder for the {}", what);
  if (::access(folder.c_str(), W_OK) != 0) fail_errno(folder.string(), "write the " + what + " into this folder");
}

void require_report_possible(const std::string& path, bool overwrite, const std::vector<std::string>& folders) {
  if (path.empty()) return;
  require_file_possible(path, "report", overwrite, folders,
                        [](std::string_view head) { return head.find("prunenet report") != head.npos; });
}

CLI::Validator positive_number(double most) {
  const auto problem = [most](std::string& text) {
    double value = 0;
    const bool fits = CLI::detail::lexical_cast(text, value) && std::isfinite(value) && value > 0 && value <= most;
    if (fits) return std::string();
    return "'" + text + "' is not a number above 0" + (most < 1e300 ? fmt::format(" and up to {}", most) : "");
  };
  return CLI::Validator(problem, "ABOVE 0");
}

CLI::Validator whole_number() {
  const auto problem = [](std::string& text) {
    const bool digits = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
    uint64_t value = 0;
    if (digits && CLI::detail::lexical_cast(text, value)) return std::string();
    return "'" + text + "' is not a whole number from 0 to 18446744073709551615";
  };
  return CLI::Validator(problem, "");
}

bool was_said(const CLI::App& verb, const char* name) {
  const CLI::Option* option = verb.get_option_no_throw(name);
  return option != nullptr && option->count() > 0;
}

void refuse_said(const CLI::App& verb, std::initializer_list<const char*> names, const std::string& why) {
  for (const char* name : names) {
    if (was_said(verb, name)) fail(ErrorCode::kBadOption, name, "{}", why);
  }
}

int CommonOptions::usable_threads() const {
  const int processors = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return std::min(threads, processors);
}

void prepare_linear_algebra(const CommonOptions& options, Progress& progress) {
  set_num_threads(options.usable_threads());
  const BlasInfo blas = blas_info();
  if (!blas.is_optimised) {
    progress.warn("linear algebra runs on " + blas.name + ", about a hundred times slower than OpenBLAS: install libopenblas0-openmp");
  }
}

std::unique_ptr<Progress> make_progress(const CommonOptions& options) {
  return std::make_unique<TerminalProgress>(options.quiet, ::isatty(STDERR_FILENO) == 1);
}

std::string OpenModel::name() const { return resolved_path(checkpoint.folder()).filename().string(); }

std::vector<TensorSpec> OpenModel::tensors() const {
  std::vector<TensorSpec> specs;
  for (const auto& entry : checkpoint.tensors()) specs.push_back(entry.stored.spec);
  return specs;
}

ModelSize OpenModel::size() const { return measure_size(model, tensors()); }

std::vector<std::string> OpenModel::dtypes() const { return dtypes_of(tensors()); }

std::vector<std::string> dtypes_of(const std::vector<TensorSpec>& tensors) {
  std::map<std::string, uint64_t> bytes;
  for (const TensorSpec& tensor : tensors) bytes[std::string(dtype_name(tensor.dtype))] += tensor.size_bytes();
  std::vector<std::string> names;
  for (const auto& [name, size] : bytes) names.push_back(name);
  std::stable_sort(names.begin(), names.end(), [&](const auto& a, const auto& b) { return bytes[a] > bytes[b]; });
  return names;
}

uint64_t bytes_of(const std::vector<TensorSpec>& tensors) {
  uint64_t sum = 0;
  for (const TensorSpec& tensor : tensors) sum += tensor.size_bytes();
  return sum;
}

std::vector<std::string> say(const std::vector<std::string>& notes, const std::vector<std::string>& warnings, Progress& progress) {
  for (const std::string& note : notes) progress.note(note);
  for (const std::string& warning : warnings) progress.warn(warning);
  std::vector<std::string> all = notes;
  all.insert(all.end(), warnings.begin(), warnings.end());
  return all;
}

uint64_t shard_bytes(double gb) {
  return static_cast<uint64_t>(std::min(gb * 1e9, 1e18));  // 1e18: beyond any disk
}

void print_json(const Json& json) {
  const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace prunenet::cli
