// A verb's run with a journal: opened for its output, spoken of when it is gone on from, kept or removed at the end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/run_journal.h"
#include "base/token_id.h"
#include "cli/verb.h"

namespace prunenet::cli {

/// --restart.
void add_restart_option(CLI::App& verb, bool& restart);

/// What says which run a journal belongs to: program, verb, the weights and what is written beside them, `options` (as
/// an artefact states them; a key becomes the option of the same name), and `more`: what decides the result and is no
/// option, under names for people ("the file of --mask").
RunJournal::Identity run_identity(const std::string& verb, const OpenModel& open, const Json& options,
                                  const RunJournal::Identity& more = {});
/// A hash of a text.
std::string text_hash(const std::string& text);
/// That of a file's bytes; empty for what cannot be read, of which whoever needs it will say more.
std::string file_hash(const std::string& path);
/// A hash of the names and sizes of a folder's files, and of three stretches of each (as model_fingerprint takes them:
/// moments may be as large as a model). Throws what MappedFile throws.
std::string folder_hash(const std::string& path);
/// Of sequences of ids.
std::string ids_hash(const std::vector<std::vector<TokenId>>& sequences);
/// The libraries behind the engine; empty where there is none, of which whoever needs it will say more. Loads it.
std::string engine_name();

/// "which has trained 3 of 20 episodes", of a store whose run trains the published policy.
std::string trained_words(const ResultStore& store, int64_t episodes);

class JournalledRun {
 public:
  /// Throws what RunJournal throws.
  JournalledRun(const std::string& output, RunJournal::Identity identity, bool restart);

  ResultStore& store() { return journal_; }
  /// Parts of an unfinished run are there.
  bool goes_on() const { return journal_.num_found() > 0; }
  /// Tells the user that the run goes on from them; `done` says in words what they come to, where that is known.
  void say_what_is_there(const std::string& done, Progress& progress) const;

  /// From here on no other process begins the same work. Throws what RunJournal::claim throws.
  void claim() { journal_.claim(); }
  /// The run is done: nothing is kept. Warns where that cannot be.
  void finish(Progress& progress);
  /// Called while an exception is handled. Rethrows it with a word on what is kept and how to go on. What an earlier
  /// run has finished is kept whatever the error; of a run that began with nothing, no part is kept when it came upon
  /// NaN, as it would again.
  [[noreturn]] void stop();

  /// What a run remembers before it writes its output (the text that tells it from any other) and its report (a hash):
  /// so that, stopped between there and its end, it knows them for its own.
  std::optional<std::string> remembered(const char* name) const;

  static constexpr const char* kOutput = "output";
  static constexpr const char* kReport = "report";

 private:
  std::string kept() const;

  RunJournal journal_;
};

}  // namespace prunenet::cli
