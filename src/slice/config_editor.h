// A config.json while it is rewritten: values of the source's, and the text with changed ones.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "checkpoint/config_text.h"

namespace prunenet {

class ConfigEditor {
 public:
  using Json = nlohmann::ordered_json;

  /// `text` must be a JSON object; `where` names it in errors.
  ConfigEditor(std::string text, std::string where)
      : text_(std::move(text)), where_(std::move(where)), source_(Json::parse(text_, nullptr, false)) {}

  /// Changes or adds a top-level value. Every other byte stays.
  void set(const std::string& key, const Json& value) {
    text_ = with_top_level_value(text_, key, value.dump(-1, ' ', false, Json::error_handler_t::replace), where_);
  }
  /// The value under `key` in the source's config; nullptr where it is absent.
  const Json* find(std::string_view key) const {
    const auto found = source_.find(key);
    return found == source_.end() ? nullptr : &*found;
  }
  const std::string& text() const { return text_; }
  const std::string& where() const { return where_; }

 private:
  std::string text_, where_;
  Json source_;
};

}  // namespace prunenet
