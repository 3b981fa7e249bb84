// Metadata of a GGUF file: making, finding, changing and reading values.
#include "checkpoint/gguf_metadata.h"

#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.h"

namespace prunenet {
namespace {

struct TypeRow {
  std::string_view name;
  size_t size_bytes;
};

constexpr std::array<TypeRow, 13> kTypes{{{"u8", 1},
                                          {"i8", 1},
                                          {"u16", 2},
                                          {"i16", 2},
                                          {"u32", 4},
                                          {"i32", 4},
                                          {"f32", 4},
                                          {"bool", 1},
                                          {"string", 0},
                                          {"array", 0},
                                          {"u64", 8},
                                          {"i64", 8},
                                          {"f64", 8}}};

const TypeRow& row_of(GgufType type) {
  return kTypes[static_cast<size_t>(type)];
}

template <typename Stored>
GgufValue scalar(GgufType type, Stored value) {
  GgufValue made{.type = type, .bytes = std::string(sizeof value, '\0')};
  std::memcpy(made.bytes.data(), &value, sizeof value);
  return made;
}

template <typename Stored>
GgufValue array(GgufType element, const std::vector<Stored>& values) {
  GgufValue made{
      .type = GgufType::kArray, .element = element, .packed = std::string(values.size() * sizeof(Stored), '\0')};
  if (!values.empty()) std::memcpy(made.packed.data(), values.data(), made.packed.size());
  return made;
}

template <typename Stored>
Stored load(const char* bytes) {
  Stored value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

bool is_integer(GgufType type) {
  return row_of(type).size_bytes > 0 && type != GgufType::kBool && type != GgufType::kF32 && type != GgufType::kF64;
}

bool is_number(GgufType type) {
  return is_integer(type) || type == GgufType::kF32 || type == GgufType::kF64;
}

// Of an integer type; nothing for a number beyond i64.
std::optional<int64_t> load_integer(GgufType type, const char* bytes) {
  switch (type) {
    case GgufType::kU8:
      return load<uint8_t>(bytes);
    case GgufType::kI8:
      return load<int8_t>(bytes);
    case GgufType::kU16:
      return load<uint16_t>(bytes);
    case GgufType::kI16:
      return load<int16_t>(bytes);
    case GgufType::kU32:
      return load<uint32_t>(bytes);
    case GgufType::kI32:
      return load<int32_t>(bytes);
    case GgufType::kI64:
      return load<int64_t>(bytes);
    default: {
      const auto value = load<uint64_t>(bytes);
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
      return static_cast<int64_t>(value);
    }
  }
}

double load_number(GgufType type, const char* bytes) {
  if (type == GgufType::kF32) return load<float>(bytes);
  if (type == GgufType::kF64) return load<double>(bytes);
  if (type == GgufType::kU64) return static_cast<double>(load<uint64_t>(bytes));
  return static_cast<double>(*load_integer(type, bytes));
}

// "u32", "an array of string": what a value is, for people.
std::string kind_of(const GgufValue& value) {
  if (value.type != GgufType::kArray) return std::string(gguf_type_name(value.type));
  return fmt::format("an array of {}", gguf_type_name(value.element));
}

[[noreturn]] void fail_kind(const std::string& where, std::string_view key, std::string_view expected,
                            const GgufValue& found) {
  fail(ErrorCode::kFormat, where, "metadata key '{}' is {}, expected {}", key, kind_of(found), expected);
}

[[noreturn]] void fail_range(const std::string& where, std::string_view key) {
  fail(ErrorCode::kFormat, where, "metadata key '{}' holds a number beyond 63 bits", key);
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  return row_of(type).name;
}

size_t gguf_type_size_bytes(GgufType type) {
  return row_of(type).size_bytes;
}

GgufValue GgufValue::of_u32(uint32_t value) {
  return scalar(GgufType::kU32, value);
}

GgufValue GgufValue::of_i32(int32_t value) {
  return scalar(GgufType::kI32, value);
}

GgufValue GgufValue::of_u64(uint64_t value) {
  return scalar(GgufType::kU64, value);
}

GgufValue GgufValue::of_f32(float value) {
  return scalar(GgufType::kF32, value);
}

GgufValue GgufValue::of_bool(bool value) {
  return scalar(GgufType::kBool, static_cast<uint8_t>(value ? 1 : 0));
}

GgufValue GgufValue::of_text(std::string value) {
  return {.type = GgufType::kString, .bytes = std::move(value)};
}

GgufValue GgufValue::of_i32s(const std::vector<int32_t>& values) {
  return array(GgufType::kI32, values);
}

GgufValue GgufValue::of_u32s(const std::vector<uint32_t>& values) {
  return array(GgufType::kU32, values);
}

GgufValue GgufValue::of_f32s(const std::vector<float>& values) {
  return array(GgufType::kF32, values);
}

GgufValue GgufValue::of_texts(std::vector<std::string> values) {
  return {.type = GgufType::kArray, .element = GgufType::kString, .texts = std::move(values)};
}

uint64_t GgufValue::length() const {
  if (element == GgufType::kString) return texts.size();
  if (element == GgufType::kArray) return arrays.size();
  return packed.size() / gguf_type_size_bytes(element);
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto found = index_.find(std::string(key));
  return found == index_.end() ? nullptr : &items_[found->second].value;
}

void GgufMetadata::set(std::string_view key, GgufValue value) {
  const auto [place, is_new] = index_.emplace(key, items_.size());
  if (is_new) {
    items_.push_back({std::string(key), std::move(value)});
  } else {
    items_[place->second].value = std::move(value);
  }
}

void GgufMetadata::erase(std::string_view key) {
  const auto found = index_.find(std::string(key));
  if (found == index_.end()) return;
  const size_t place = found->second;
  index_.erase(found);
  items_.erase(items_.begin() + static_cast<std::ptrdiff_t>(place));
  for (auto& [name, at] : index_) at -= at > place ? 1 : 0;
}

void GgufMetadata::rename(std::string_view key, std::string name) {
  if (key == name) return;
  const auto found = index_.find(std::string(key));
  if (found == index_.end()) return;
  PRUNENET_CHECK(!has(name));
  const size_t place = found->second;
  index_.erase(found);
  index_.emplace(name, place);
  items_[place].key = std::move(name);
}

std::optional<std::string> GgufMetadata::text(std::string_view key, const std::string& where) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::kString) fail_kind(where, key, "a string", *value);
  return value->bytes;
}

std::optional<int64_t> GgufMetadata::integer(std::string_view key, const std::string& where) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!is_integer(value->type)) fail_kind(where, key, "an integer", *value);
  const auto number = load_integer(value->type, value->bytes.data());
  if (!number) fail_range(where, key);
  return number;
}

std::optional<double> GgufMetadata::number(std::string_view key, const std::string& where) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!is_number(value->type)) fail_kind(where, key, "a number", *value);
  return load_number(value->type, value->bytes.data());
}

std::optional<bool> GgufMetadata::flag(std::string_view key, const std::string& where) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::kBool) fail_kind(where, key, "a bool", *value);
  return value->bytes.front() != '\0';
}

std::optional<std::vector<std::string>> GgufMetadata::texts(std::string_view key, const std::string& where) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::kArray || value->element != GgufType::kString)
    fail_kind(where, key, "an array of strings", *value);
  return value->texts;
}

std::optional<std::vector<int64_t>> GgufMetadata::integers(std::string_view key, const std::string& where) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::kArray || !is_integer(value->element))
    fail_kind(where, key, "an array of integers", *value);
  const size_t size = gguf_type_size_bytes(value->element);
  std::vector<int64_t> numbers(value->length());
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto number = load_integer(value->element, value->packed.data() + i * size);
    if (!number) fail_range(where, key);
    numbers[i] = *number;
  }
  return numbers;
}

std::optional<std::vector<double>> GgufMetadata::numbers(std::string_view key, const std::string& where) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::kArray || !is_number(value->element))
    fail_kind(where, key, "an array of numbers", *value);
  const size_t size = gguf_type_size_bytes(value->element);
  std::vector<double> numbers(value->length());
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = load_number(value->element, value->packed.data() + i * size);
  return numbers;
}

}  // namespace prunenet
