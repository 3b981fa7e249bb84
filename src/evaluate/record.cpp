// Fields of a JSON line.
#include "evaluate/record.h"

#include <charconv>

#include "base/error.h"

namespace prunenet {

using Json = nlohmann::json;

namespace {
constexpr int kMaxDepth = 16;
}

Record::Record(std::string_view line, std::string where) : where_(std::move(where)) {
  const auto bound_depth = [&](int depth, Json::parse_event_t event, Json&) {
    if (depth > kMaxDepth &&
        (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start)) {
      fail(ErrorCode::kFormat, where_, "nested deeper than any dataset");
    }
    return true;
  };
  try {
    json_ = Json::parse(line, bound_depth);
  } catch (const Json::exception& error) {
    fail(ErrorCode::kFormat, where_, "is no JSON: {}", error.what());
  }
  if (!json_.is_object()) fail(ErrorCode::kFormat, where_, "expected a JSON object, found {}", json_.type_name());
}

Record Record::inside(const Json& object, std::string where) {
  Record record;
  record.json_ = object;
  record.where_ = std::move(where);
  return record;
}

std::string Record::keys() const {
  std::string names;
  for (const auto& [key, value] : json_.items()) names += (names.empty() ? "" : ", ") + key;
  return names.empty() ? "none" : names;
}

const Json& Record::field(const std::string& key) const {
  const auto found = json_.find(key);
  if (found == json_.end()) fail(ErrorCode::kFormat, where_, "misses '{}' (found: {})", key, keys());
  return *found;
}

void Record::wrong_kind(const std::string& key, std::string_view expected) const {
  fail(ErrorCode::kFormat, where_, "'{}' must be {}, found {}", key, expected, json_[key].type_name());
}

std::string Record::text(const std::string& key) const {
  const Json& value = field(key);
  if (!value.is_string()) wrong_kind(key, "a text");
  return value.get<std::string>();
}

std::vector<std::string> Record::texts(const std::string& key) const {
  const Json& value = field(key);
  if (!value.is_array()) wrong_kind(key, "a list of texts");
  std::vector<std::string> list;
  for (const Json& entry : value) {
    if (!entry.is_string()) fail(ErrorCode::kFormat, where_, "'{}' must hold texts, found {}", key, entry.type_name());
    list.push_back(entry.get<std::string>());
  }
  return list;
}

int64_t Record::integer(const std::string& key) const {
  const Json& value = field(key);
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    wrong_kind(key, "a whole number");
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_string()) wrong_kind(key, "a whole number");
  const auto& digits = value.get_ref<const std::string&>();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    fail(ErrorCode::kFormat, where_, "'{}' must be a whole number, found '{}'{}", key, digits,
         digits.empty() ? " (a split without answers?)" : "");
  }
  return number;
}

size_t Record::index(const std::string& key, size_t end) const {
  const int64_t number = integer(key);
  if (number < 0 || static_cast<uint64_t>(number) >= end) {
    fail(ErrorCode::kFormat, where_, "'{}' is {}, but there are {} choices, counted from 0", key, number, end);
  }
  return static_cast<size_t>(number);
}

Record Record::object(const std::string& key) const {
  const Json& value = field(key);
  if (!value.is_object()) wrong_kind(key, "an object");
  return inside(value, where_ + ": '" + key + "'");
}

std::vector<Record> Record::objects(const std::string& key) const {
  const Json& value = field(key);
  if (!value.is_array()) wrong_kind(key, "a list of objects");
  std::vector<Record> list;
  for (const Json& entry : value) {
    if (!entry.is_object())
      fail(ErrorCode::kFormat, where_, "'{}' must hold objects, found {}", key, entry.type_name());
    list.push_back(inside(entry, where_ + ": '" + key + "'"));
  }
  return list;
}

}  // namespace prunenet
