// A place in a JSON file: reading it says what was expected where. What is missing and what is null are the same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace prunenet::tokenization {

class JsonNode {
 public:
  using Json = nlohmann::json;

  /// The root of a text. Throws kFormat for what is no JSON object, or nested deeper than any tokenizer's.
  static JsonNode parse(std::string_view text, const std::string& file);
  static JsonNode read(const std::filesystem::path& path);
  /// The root of an object that was made here; `file` stands for it in errors.
  static JsonNode of(Json object, const std::string& file);

  bool present() const { return json_ != nullptr; }
  const Json& json() const;
  /// Where it stands, for errors: "FILE: model.vocab".
  std::string where() const { return path_.empty() ? file_ : file_ + ": " + path_; }

  /// A member of an object; not present where the object lacks it.
  JsonNode operator[](std::string_view key) const;
  JsonNode element(size_t index) const;
  /// Elements of an array; throws for anything else.
  size_t size() const;

  bool is_string() const { return present() && json_->is_string(); }
  bool is_object() const { return present() && json_->is_object(); }
  const std::string& text() const;
  std::string text_or(std::string_view otherwise) const;
  bool flag_or(bool otherwise) const;
  std::optional<bool> flag() const;
  /// A whole number from 0 to 2^31 - 1.
  int32_t number() const;
  /// `type`, the kind of a component.
  const std::string& kind() const { return (*this)["type"].text(); }

  [[noreturn]] void reject(std::string_view expected) const;

 private:
  JsonNode(std::shared_ptr<const Json> root, const Json* json, std::string file, std::string path);

  std::shared_ptr<const Json> root_;
  const Json* json_;
  std::string file_, path_;
};

}  // namespace prunenet::tokenization
