// One line of a JSON-lines file: an object whose fields are asked for by name and kind. Every error names file, line
// and key.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace prunenet {

class Record {
 public:
  /// Parses one line. Throws kFormat when it is no JSON object, is nested deeper than any dataset, or is no UTF-8.
  Record(std::string_view line, std::string where);

  bool has(const std::string& key) const { return json_.contains(key); }
  /// "a, b, c": the names of its fields.
  std::string keys() const;
  const std::string& where() const { return where_; }

  // Each throws kFormat when the field is missing or of another kind.
  std::string text(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;
  /// A whole number, or a text that holds one (some distributions quote their labels).
  int64_t integer(const std::string& key) const;
  /// integer(key), which must be at least 0 and below `end`.
  size_t index(const std::string& key, size_t end) const;
  Record object(const std::string& key) const;
  std::vector<Record> objects(const std::string& key) const;
  bool is_object(const std::string& key) const { return has(key) && json_[key].is_object(); }

 private:
  Record() = default;
  static Record inside(const nlohmann::json& object, std::string where);  // an object within a line
  const nlohmann::json& field(const std::string& key) const;
  [[noreturn]] void wrong_kind(const std::string& key, std::string_view expected) const;

  nlohmann::json json_;
  std::string where_;
};

}  // namespace prunenet
