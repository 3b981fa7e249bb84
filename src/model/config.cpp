// Config: typed access to config.json.
#include "model/config.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace prunenet {
namespace {
using Json = nlohmann::json;
constexpr int kMaxDepth = 64;  // no config nests deeper; a hostile one must not exhaust the memory
}  // namespace

Config::Config(const std::string& text, std::string where) : where_(std::move(where)) {
  const auto bound_depth = [&](int depth, Json::parse_event_t event, Json&) {
    if (depth > kMaxDepth &&
        (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start)) {
      fail(ErrorCode::kFormat, where_, "nested deeper than {} levels", kMaxDepth);
    }
    return true;
  };
  try {
    json_ = std::make_shared<const Json>(Json::parse(text, bound_depth));
  } catch (const Json::exception& error) {
    fail(ErrorCode::kFormat, where_, "is no JSON: {}", error.what());
  }
  if (!json_->is_object()) fail(ErrorCode::kFormat, where_, "is not a JSON object");
}

Config::Config(std::shared_ptr<const Json> json, std::string where)
    : json_(std::move(json)), where_(std::move(where)) {}

std::optional<int64_t> Config::find_size(std::span<const std::string_view> keys) const {
  for (std::string_view key : keys) {
    const auto found = json_->find(key);
    if (found == json_->end() || found->is_null()) continue;
    const bool whole = found->is_number_integer();
    if (!whole || *found < 1 || *found >= (int64_t{1} << 31)) {
      fail(ErrorCode::kFormat, where_, "'{}' is {}, expected a whole number from 1 to 2147483647", key, found->dump());
    }
    return found->get<int64_t>();
  }
  return std::nullopt;
}

int64_t Config::size(std::span<const std::string_view> keys) const {
  if (const auto value = find_size(keys)) return *value;
  fail(ErrorCode::kFormat, where_, "lacks '{}'", fmt::join(keys, "' or '"));
}

std::optional<double> Config::find_number(std::span<const std::string_view> keys) const {
  for (std::string_view key : keys) {
    const auto found = json_->find(key);
    if (found == json_->end() || found->is_null()) continue;
    if (!found->is_number() || !std::isfinite(found->get<double>())) {
      fail(ErrorCode::kFormat, where_, "'{}' is {}, expected a number", key, found->dump());
    }
    return found->get<double>();
  }
  return std::nullopt;
}

double Config::number(std::string_view key, double fallback) const {
  return find_number(std::span(&key, 1)).value_or(fallback);
}

std::vector<double> Config::numbers(std::string_view key) const {
  const auto found = json_->find(key);
  if (found == json_->end() || found->is_null()) return {};
  std::vector<double> values;
  for (const Json& item : *found) {
    if (!found->is_array() || !item.is_number()) fail(ErrorCode::kFormat, where_, "'{}' is no list of numbers", key);
    values.push_back(item.get<double>());
  }
  return values;
}

std::vector<int32_t> Config::ids(std::string_view key) const {
  const auto found = json_->find(key);
  if (found == json_->end() || found->is_null()) return {};
  const Json list = found->is_array() ? *found : Json::array({*found});
  std::vector<int32_t> ids;
  for (const Json& item : list) {
    if (!item.is_number_integer() || item > std::numeric_limits<int32_t>::max()) {
      fail(ErrorCode::kFormat, where_, "'{}' is {}, expected a token id", key, found->dump());
    }
    if (item >= 0) ids.push_back(item.get<int32_t>());  // -1 is written for "none"
  }
  return ids;
}

std::optional<Config> Config::section(std::string_view key) const {
  const auto found = json_->find(key);
  if (found == json_->end() || !found->is_object()) return std::nullopt;
  return Config(std::make_shared<const Json>(*found), fmt::format("{}: '{}'", where_, key));
}

std::vector<Config> Config::sections(std::string_view key) const {
  const auto found = json_->find(key);
  if (found == json_->end() || found->is_null()) return {};
  std::vector<Config> sections;
  for (const Json& item : *found) {
    if (!found->is_array() || !item.is_object()) fail(ErrorCode::kFormat, where_, "'{}' is no list of objects", key);
    sections.push_back(
        Config(std::make_shared<const Json>(item), fmt::format("{}: '{}'[{}]", where_, key, sections.size())));
  }
  return sections;
}

bool Config::flag(std::string_view key, bool fallback) const {
  const auto found = json_->find(key);
  if (found == json_->end() || found->is_null()) return fallback;
  if (!found->is_boolean()) fail(ErrorCode::kFormat, where_, "'{}' is {}, expected true or false", key, found->dump());
  return found->get<bool>();
}

std::optional<std::string> Config::text(std::string_view key) const {
  const auto found = json_->find(key);
  if (found == json_->end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<std::string> Config::architecture() const {
  const auto found = json_->find("architectures");
  if (found == json_->end() || !found->is_array() || found->empty() || !found->front().is_string()) return std::nullopt;
  return found->front().get<std::string>();
}

bool Config::is_false(std::string_view key) const {
  const auto found = json_->find(key);
  return found != json_->end() && found->is_boolean() && !found->get<bool>();
}

bool Config::has(std::string_view key) const {
  return json_->contains(key);
}

bool Config::states(std::string_view key) const {
  return has(key) && !json_->at(std::string(key)).is_null();
}

}  // namespace prunenet
