// The part of a store whose names begin alike: so that the same work can be done several times in one run, each time
// with results of its own.
#pragma once

#include <string>

#include "base/result_store.h"

namespace prunenet {

class StorePart final : public ResultStore {
 public:
  /// `whole` must outlive it.
  StorePart(ResultStore& whole, std::string prefix) : whole_(whole), prefix_(std::move(prefix)) {}

  std::optional<std::span<const std::byte>> find(const std::string& name) const override {
    return whole_.find(prefix_ + name);
  }
  std::span<const std::byte> put(const std::string& name, std::span<const std::byte> bytes) override {
    return whole_.put(prefix_ + name, bytes);
  }
  void remove(const std::string& name) override { whole_.remove(prefix_ + name); }
  void remove_all(const std::string& prefix) override { whole_.remove_all(prefix_ + prefix); }
  /// Removes all of it, also what an earlier run has left.
  void clear() { whole_.remove_all(prefix_); }

 private:
  ResultStore& whole_;
  std::string prefix_;
};

}  // namespace prunenet
