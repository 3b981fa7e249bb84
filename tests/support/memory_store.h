// A ResultStore in memory, which can be made to fail at a chosen put.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/result_store.h"

namespace prunenet::test {

class MemoryStore final : public ResultStore {
 public:
  /// What a put throws when it is the one to fail.
  struct Stopped : std::runtime_error {
    Stopped() : std::runtime_error("stopped") {}
  };

  std::optional<std::span<const std::byte>> find(const std::string& name) const override {
    const auto found = parts.find(name);
    if (found == parts.end()) return std::nullopt;
    return std::span<const std::byte>(found->second);
  }
  std::span<const std::byte> put(const std::string& name, std::span<const std::byte> bytes) override {
    if (puts_left == 0) throw Stopped();
    if (puts_left > 0) --puts_left;
    ++puts;
    return parts[name] = std::vector<std::byte>(bytes.begin(), bytes.end());
  }
  void remove(const std::string& name) override { parts.erase(name); }
  void remove_all(const std::string& prefix) override {
    std::erase_if(parts, [&](const auto& part) { return part.first.starts_with(prefix); });
  }
  size_t size() const { return parts.size(); }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : parts) names.push_back(name);
    return names;
  }

  int64_t puts_left = -1;  // before one throws; below 0: none does
  int64_t puts = 0;
  std::map<std::string, std::vector<std::byte>> parts;
};

}  // namespace prunenet::test
