// What a long run has finished, on disk: a folder `.NAME.prunenet-journal` beside the output, with a file for each part
// and one that says which run it belongs to. The same command finds the parts and goes on from them, whatever stopped
// the run before. The files are untrusted: what is cut short, zeroed, or not of this journal counts as absent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result_store.h"

namespace prunenet {

/// `.NAME.prunenet-journal` beside `target` (a resolved path).
std::filesystem::path journal_path(const std::filesystem::path& target);

class RunJournal final : public ResultStore {
 public:
  /// What decides the result, as (name, value), in the order in which differences are to be named: "--ratio", "0.3".
  using Identity = std::vector<std::pair<std::string, std::string>>;
  enum class Opening { kGoOn, kBeginAnew };

  /// Opens the journal beside `target` where there is one, and locks it; temporaries of a run that was killed are
  /// removed, and with kBeginAnew all parts. Makes nothing: the folder, and those above it, come with `claim` or the
  /// first `put`. One thread at a time. Throws kMismatch where it holds parts of another identity (the first difference
  /// and the ways out are named), kExists where another process has it, kIo.
  RunJournal(const std::filesystem::path& target, Identity identity, Opening opening = Opening::kGoOn);
  /// Keeps what is stored; a folder without parts goes.
  ~RunJournal() override;
  RunJournal(const RunJournal&) = delete;
  RunJournal& operator=(const RunJournal&) = delete;

  /// Makes and locks the folder before there is any part, so that no other process begins the same work. Throws
  /// kExists where one has, kNoSpace, kIo.
  void claim();

  /// A part is checked when it is first asked for. Cost then: reading it once. Small parts are read into memory, larger
  /// ones mapped.
  std::optional<std::span<const std::byte>> find(const std::string& name) const override;
  /// Written beside its place, then renamed: whoever looks finds the old part or the new one. Not synced to the disk,
  /// as all outputs are not (what a power cut leaves fails its checksum).
  std::span<const std::byte> put(const std::string& name, std::span<const std::byte> bytes) override;
  void remove(const std::string& name) override;
  /// Cost: opening every part's file.
  void remove_all(const std::string& prefix) override;

  /// The run is done: the folder gets another name in one step, so that a kill meanwhile leaves no half journal, and
  /// then goes. Where it cannot have another name, what says which run it belongs to goes first, and then the parts.
  /// What `find` and `put` gave stays readable. False where the system lets nothing be removed: the journal is whole.
  bool finish() noexcept;
  /// Removes what a run that was killed in its `finish` has left for this target.
  static void clear_finished(const std::filesystem::path& target) noexcept;

  const std::filesystem::path& folder() const { return folder_; }
  /// Parts that were there on opening.
  size_t num_found() const { return num_found_; }
  /// Parts on disk now.
  size_t num_parts() const;
  /// What they take.
  uint64_t size_bytes() const;

 private:
  class Part;

  bool open_folder();
  void make_folder();
  void lock();
  void read_folder(Opening opening);
  void refuse_other(const Identity& known) const;
  std::vector<std::string> file_names() const;
  int open_part(const std::string& file) const;
  std::optional<std::string> name_in(const std::string& file) const;
  std::unique_ptr<Part> read_part(const std::string& file, const std::string& name) const;
  std::unique_ptr<Part> write_part(const std::string& file, const std::string& name, std::span<const std::byte> bytes);
  void close() noexcept;

  std::filesystem::path folder_;
  Identity identity_;
  int descriptor_ = -1;  // of the folder, locked; -1: there is none
  size_t num_found_ = 0;
  std::vector<std::filesystem::path> created_parents_;  // deepest first
  mutable std::map<std::string, std::unique_ptr<Part>> parts_;
  std::vector<std::unique_ptr<Part>> finished_;  // whose files are gone
};

}  // namespace prunenet
