// Journals in the words of the command line.
#include "cli/journalled_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/version.h"
#include "checkpoint/fingerprint.h"
#include "cli/format.h"
#include "engine/load.h"
#include "linalg/blas_info.h"
#include "policy/trainer.h"

namespace prunenet::cli {
namespace {

std::string option_name(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

// Enough to tell apart what nobody makes to look alike, and short enough for a message.
std::string digits_of(Sha256& hash) {
  constexpr size_t kDigits = 16;
  return hash.hex_digest().substr(0, kDigits);
}

// What has to happen before the same command can go on.
const char* when_to_go_on(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNoSpace:
      return "the same command goes on from there when there is room";
    case ErrorCode::kNotFound:
    case ErrorCode::kExists:
    case ErrorCode::kFormat:
    case ErrorCode::kMismatch:
    case ErrorCode::kUnsupported:
    case ErrorCode::kBadOption:
      return "once that is mended, the same command goes on from there";
    case ErrorCode::kNonFinite:
      return "the same command goes on from there, and --restart begins anew";
    default:
      return "the same command goes on from there";
  }
}

}  // namespace

void add_restart_option(CLI::App& verb, bool& restart) {
  verb.add_flag(
      "--restart", restart,
      "Begin anew: throw away what an unfinished run for the same output has kept. Otherwise the same command "
      "goes on from it, and another is refused");
}

std::string text_hash(const std::string& text) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(text)));
  return digits_of(hash);
}

std::string file_hash(const std::string& path) {
  try {
    const MappedFile file(path);
    Sha256 hash;
    hash.update(file.bytes());
    return digits_of(hash);
  } catch (const Error&) {
    return {};
  }
}

std::string folder_hash(const std::string& path) {
  constexpr size_t kStretchBytes = 4096;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Sha256 hash;
  for (const auto& name : files) {
    const MappedFile file(name);
    const auto bytes = file.bytes();
    const std::string words = fmt::format("{} {}\n", name.filename().string(), bytes.size());
    hash.update(std::as_bytes(std::span(words)));
    const size_t size = std::min(bytes.size(), kStretchBytes);
    for (const size_t part : {0, 1, 2}) hash.update(bytes.subspan((bytes.size() - size) / 2 * part, size));
    hash.update(bytes.last(size));
  }
  return digits_of(hash);
}

std::string ids_hash(const std::vector<std::vector<TokenId>>& sequences) {
  Sha256 hash;
  for (const auto& ids : sequences) {
    const uint64_t count = ids.size();
    hash.update(std::as_bytes(std::span(&count, 1)));
    hash.update(std::as_bytes(std::span(ids)));
  }
  return digits_of(hash);
}

std::string engine_name() {
  try {
    return runtime_about();
  } catch (const Error&) {
    return {};
  }
}

RunJournal::Identity run_identity(const std::string& verb, const OpenModel& open, const Json& options,
                                  const RunJournal::Identity& more) {
  RunJournal::Identity identity{{"the program", std::string("prunenet ") + PRUNENET_VERSION},
                                {"the verb", verb},
                                {"the model's fingerprint", model_fingerprint(open.checkpoint)}};
  for (const auto& [key, value] : options.items())
    identity.emplace_back(option_name(key), value.is_string() ? value.get<std::string>() : value.dump());
  identity.insert(identity.end(), more.begin(), more.end());
  // Kernels differ in their last bits.
  identity.emplace_back("linear algebra", arithmetic_name());
  return identity;
}

std::string trained_words(const ResultStore& store, int64_t episodes) {
  const int64_t trained = num_trained_episodes(store);
  return trained == 0 ? "which has trained no episode yet"
                      : fmt::format("which has trained {} of {} episodes", trained, episodes);
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

std::optional<std::string> JournalledRun::remembered(const char* name) const {
  const auto bytes = journal_.find(name);
  if (!bytes) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

void JournalledRun::finish(Progress& progress) {
  if (journal_.finish()) return;
  progress.warn("the output is whole, but " + journal_.folder().string() +
                " cannot be removed: delete it, or the same command goes on from it and writes the output again");
}

namespace {

// What the same command meets again, whatever the machine is like then.
bool comes_again(ErrorCode code) {
  return code == ErrorCode::kNonFinite || code == ErrorCode::kBadOption || code == ErrorCode::kMismatch;
}

}  // namespace

void JournalledRun::stop() {
  try {
    throw;
  } catch (const Error& error) {
    if (comes_again(error.code()) && !goes_on()) journal_.finish();
    if (journal_.num_parts() == 0) throw;
    if (error.code() == ErrorCode::kCancelled) {
      throw Error(error.code(), "",
                  "interrupted; no output was written, and what is finished is kept in " + kept() +
                      ": the same command goes on from there");
    }
    throw Error(
        error.code(), "",
        fmt::format("{}; what is finished is kept in {}: {}", error.what(), kept(), when_to_go_on(error.code())));
  } catch (const std::exception& error) {
    if (journal_.num_parts() == 0) throw;
    const bool is_memory = dynamic_cast<const std::bad_alloc*>(&error) != nullptr;
    throw std::runtime_error(fmt::format("{}; what is finished is kept in {}: the same command goes on from there",
                                         is_memory ? "out of memory" : error.what(), kept()));
  }
}

}  // namespace prunenet::cli
