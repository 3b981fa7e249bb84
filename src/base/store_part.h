// The part of a store whose names begin alike: so that the same work can be done several times in one run, each time
// with results of its own.
#pragma once

#include <set>
#include <string>

#include "base/result_store.h"

namespace prunenet {

class StorePart final : public ResultStore {
 public:
  /// `whole` must outlive it.
  StorePart(ResultStore& whole, std::string prefix) : whole_(whole), prefix_(std::move(prefix)) {}

  std::optional<std::span<const std::byte>> find(const std::string& name) const override {
    auto found = whole_.find(prefix_ + name);
    if (found) names_.insert(name);
    return found;
  }
  std::span<const std::byte> put(const std::string& name, std::span<const std::byte> bytes) override {
    const auto stored = whole_.put(prefix_ + name, bytes);
    names_.insert(name);
    return stored;
  }
  void remove(const std::string& name) override {
    whole_.remove(prefix_ + name);
    names_.erase(name);
  }
  /// Removes whatever was found or put through this object.
  void clear() {
    for (const std::string& name : names_) whole_.remove(prefix_ + name);
    names_.clear();
  }

 private:
  ResultStore& whole_;
  std::string prefix_;
  mutable std::set<std::string> names_;
};

}  // namespace prunenet
