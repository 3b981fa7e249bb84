// Journals in the words of the command line.
#include "cli/journalled_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/version.h"
#include "checkpoint/fingerprint.h"
#include "cli/format.h"
#include "linalg/blas_info.h"

namespace prunenet::cli {
namespace {

std::string option_name(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

// Whether the same command may come further another time.
bool may_go_on(ErrorCode code) {
  switch (code) {
    case ErrorCode::kFormat:
    case ErrorCode::kMismatch:
    case ErrorCode::kUnsupported:
    case ErrorCode::kBadOption:
    case ErrorCode::kNonFinite:
    case ErrorCode::kNotFound:
      return false;
    default:
      return true;
  }
}

}  // namespace

void add_restart_option(CLI::App& verb, bool& restart) {
  verb.add_flag(
      "--restart", restart,
      "Begin anew: throw away what an unfinished run for the same output has kept. Otherwise the same command "
      "goes on from it, and another is refused");
}

std::string file_hash(const std::string& path) {
  try {
    const MappedFile file(path);
    Sha256 hash;
    hash.update(file.bytes());
    return hash.hex_digest();
  } catch (const Error&) {
    return {};
  }
}

RunJournal::Identity run_identity(const std::string& verb, const OpenModel& open, const Json& options) {
  RunJournal::Identity identity{{"the program", std::string("prunenet ") + PRUNENET_VERSION},
                                {"the verb", verb},
                                {"the model's fingerprint", model_fingerprint(open.checkpoint)}};
  for (const auto& [key, value] : options.items())
    identity.emplace_back(option_name(key), value.is_string() ? value.get<std::string>() : value.dump());
  // Kernels differ in their last bits.
  identity.emplace_back("linear algebra", blas_info().name);
  return identity;
}

JournalledRun::JournalledRun(const std::string& output, RunJournal::Identity identity, bool restart)
    : journal_(resolved_path(output), std::move(identity),
               restart ? RunJournal::Opening::kBeginAnew : RunJournal::Opening::kGoOn) {}

std::string JournalledRun::kept() const {
  return fmt::format("{} ({} parts, {})", journal_.folder().string(), journal_.num_parts(),
                     format_bytes(static_cast<double>(journal_.size_bytes())));
}

void JournalledRun::say_what_is_there(const std::string& done, Progress& progress) const {
  if (!goes_on()) return;
  progress.note(
      fmt::format("going on from an unfinished run of this command{}{}: {}", done.empty() ? "" : ", ", done, kept()));
}

std::optional<std::string> JournalledRun::remembered_output() const {
  const auto bytes = journal_.find(kOutput);
  if (!bytes) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

void JournalledRun::stop() {
  try {
    throw;
  } catch (const Error& error) {
    if (!may_go_on(error.code())) journal_.finish();
    if (journal_.num_parts() == 0) throw;
    if (error.code() == ErrorCode::kCancelled) {
      throw Error(error.code(), "",
                  "interrupted; no output was written, and what is finished is kept in " + kept() +
                      ": the same command goes on from there");
    }
    const char* when = error.code() == ErrorCode::kNoSpace ? "the same command goes on from there when there is room"
                                                           : "the same command goes on from there";
    throw Error(error.code(), "", fmt::format("{}; what is finished is kept in {}: {}", error.what(), kept(), when));
  } catch (const std::exception&) {
    if (journal_.num_parts() > 0)
      fmt::print(stderr, "what is finished is kept in {}: the same command goes on from there\n", kept());
    throw;
  }
}

}  // namespace prunenet::cli
