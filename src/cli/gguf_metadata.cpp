// Metadata as JSON and as lines.
#include "cli/gguf_metadata.h"

#include <fmt/format.h>

#include <cstring>

namespace prunenet::cli {
namespace {

constexpr uint64_t kLongestList = 128;
constexpr size_t kLongestText = 120;

template <typename Number>
Number number_of(std::string_view bytes) {
  Number number{};
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

Json scalar_json(GgufType type, std::string_view bytes) {
  switch (type) {
    case GgufType::kU8:
      return number_of<uint8_t>(bytes);
    case GgufType::kI8:
      return number_of<int8_t>(bytes);
    case GgufType::kU16:
      return number_of<uint16_t>(bytes);
    case GgufType::kI16:
      return number_of<int16_t>(bytes);
    case GgufType::kU32:
      return number_of<uint32_t>(bytes);
    case GgufType::kI32:
      return number_of<int32_t>(bytes);
    case GgufType::kF32:
      return Json::parse(fmt::format("{}", number_of<float>(bytes)), nullptr, false);  // the shortest text of it
    case GgufType::kBool:
      return number_of<uint8_t>(bytes) != 0;
    case GgufType::kU64:
      return number_of<uint64_t>(bytes);
    case GgufType::kI64:
      return number_of<int64_t>(bytes);
    case GgufType::kF64:
      return number_of<double>(bytes);
    default:
      return std::string(bytes);
  }
}

std::string list_words(const GgufValue& value) {
  return fmt::format("{} x {}", value.length(), gguf_type_name(value.element));
}

Json value_json(const GgufValue& value) {
  if (value.type != GgufType::kArray) {
    const Json json = scalar_json(value.type, value.bytes);
    return json.is_discarded() ? Json(nullptr) : json;  // a number that JSON does not have
  }
  if (value.length() > kLongestList) return list_words(value);
  Json list = Json::array();
  for (const std::string& text : value.texts) list.push_back(text);
  for (const GgufValue& inner : value.arrays) list.push_back(value_json(inner));
  const size_t size = gguf_type_size_bytes(value.element);
  for (size_t at = 0; size > 0 && at < value.packed.size(); at += size)
    list.push_back(value_json({value.element, value.packed.substr(at, size)}));
  return list;
}

}  // namespace

Json metadata_json(const GgufMetadata& metadata) {
  Json json = Json::object();
  for (const auto& [key, value] : metadata.items()) json[key] = value_json(value);
  return json;
}

void print_metadata(const GgufMetadata& metadata) {
  for (const auto& [key, value] : metadata.items()) {
    std::string text = value_json(value).dump(-1, ' ', true, Json::error_handler_t::replace);  // in ASCII: cut anywhere
    if (text.size() > kLongestText) text = text.substr(0, kLongestText) + "...";
    fmt::print("  {:<46} {}\n", key, text);
  }
}

}  // namespace prunenet::cli
