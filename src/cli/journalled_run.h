// A verb's run with a journal: opened for its output, spoken of when it is gone on from, kept or removed at the end.
#pragma once

#include <optional>
#include <string>

#include "base/run_journal.h"
#include "cli/verb.h"

namespace prunenet::cli {

/// --restart.
void add_restart_option(CLI::App& verb, bool& restart);

/// What says which run a journal belongs to: program, verb, the weights and what is written beside them, then `options`
/// (as an artefact states them; a key becomes the option of the same name).
RunJournal::Identity run_identity(const std::string& verb, const OpenModel& open, const Json& options);
/// SHA-256 of a file's bytes, for what decides the result and is no option; empty for what cannot be read, of which
/// whoever needs it will say more.
std::string file_hash(const std::string& path);

class JournalledRun {
 public:
  /// Throws what RunJournal throws.
  JournalledRun(const std::string& output, RunJournal::Identity identity, bool restart);

  ResultStore& store() { return journal_; }
  /// Parts of an unfinished run are there.
  bool goes_on() const { return journal_.num_found() > 0; }
  /// Tells the user that the run goes on from them; `done` says in words what they come to, where that is known.
  void say_what_is_there(const std::string& done, Progress& progress) const;

  /// The run is done: nothing is kept.
  void finish() { journal_.finish(); }
  /// Called while an exception is handled. Rethrows it with a word on what is kept and how to go on; where the same
  /// command would fail in the same way, nothing is kept.
  [[noreturn]] void stop();

  /// The text that the finished output will hold, and that tells it from any other.
  void remember_output(const std::string& text) { journal_.put(kOutput, std::as_bytes(std::span(text))); }
  /// The one that an unfinished run remembered before it wrote its output.
  std::optional<std::string> remembered_output() const;

  static constexpr const char* kOutput = "output";

 private:
  std::string kept() const;

  RunJournal journal_;
};

}  // namespace prunenet::cli
