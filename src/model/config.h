// Reading config.json with errors that name file, key, expected and found.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace prunenet {

class Config {
 public:
  /// Throws kFormat when the text is not a JSON object.
  Config(const std::string& text, std::string where);

  /// The whole number of the first of `keys` that is present and not null. Throws kFormat when it is not a number in
  /// [1, 2^31).
  std::optional<int64_t> find_size(std::span<const std::string_view> keys) const;
  /// The same; throws kFormat when none of `keys` is there.
  int64_t size(std::span<const std::string_view> keys) const;
  /// The number of the first of `keys` that is present and not null. Throws kFormat when it is no finite number.
  std::optional<double> find_number(std::span<const std::string_view> keys) const;
  double number(std::string_view key, double fallback) const;
  /// The numbers of a list; empty where the key is absent or null. Throws kFormat when it is no list of numbers.
  std::vector<double> numbers(std::string_view key) const;
  /// A token id or a list of them; empty where the key is absent or null. Throws kFormat for what is no id.
  std::vector<int32_t> ids(std::string_view key) const;
  /// The object under `key`; nothing where it is absent, null or no object.
  std::optional<Config> section(std::string_view key) const;
  /// The objects of a list; empty where the key is absent or null. Throws kFormat when it is no list of objects.
  std::vector<Config> sections(std::string_view key) const;
  bool flag(std::string_view key, bool fallback) const;
  /// Present, and false.
  bool is_false(std::string_view key) const;
  std::optional<std::string> text(std::string_view key) const;
  /// `architectures[0]`, or nothing.
  std::optional<std::string> architecture() const;
  bool has(std::string_view key) const;
  /// Present, and not null.
  bool states(std::string_view key) const;
  const std::string& where() const { return where_; }

 private:
  Config(std::shared_ptr<const nlohmann::json> json, std::string where);

  std::shared_ptr<const nlohmann::json> json_;
  std::string where_;
};

}  // namespace prunenet
