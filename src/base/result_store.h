// Where the parts of a long run's result wait for their place, each under a name: a nameless scratch file that is gone
// with the process (ScratchFile), or a journal that the same command goes on from after it was stopped (RunJournal).
// Code that makes parts asks for them first, and makes what is not there.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace prunenet {

class ResultStore {
 public:
  virtual ~ResultStore() = default;

  /// The bytes that `put` gave under this name, in this run or in an earlier one of the same identity; nothing where
  /// there are none. They stay where they are as long as the store lives, or until the name is replaced or removed;
  /// large ones are a mapping whose pages may leave memory.
  virtual std::optional<std::span<const std::byte>> find(const std::string& name) const = 0;
  /// Stores the bytes, whole or not at all, and gives them back as `find` would. What stood under the name is
  /// replaced. Throws kNoSpace, kIo; what was stored before stays then.
  virtual std::span<const std::byte> put(const std::string& name, std::span<const std::byte> bytes) = 0;
  /// Forgets the name, where it is known.
  virtual void remove(const std::string& name) = 0;
  /// Forgets every name that begins so, also those that only an earlier run knew.
  virtual void remove_all(const std::string& prefix) = 0;
};

}  // namespace prunenet
