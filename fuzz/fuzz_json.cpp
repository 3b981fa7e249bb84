// Fuzz target: a JSON text as shard index and as config. The first byte chooses key and value of the config's change,
// the rest is the text. A full parser says what must come out.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "checkpoint/checkpoint_index.h"
#include "checkpoint/config_text.h"

namespace {

using namespace prunenet;
using Json = nlohmann::json;

constexpr std::array<std::string_view, 4> kKeys{"width", "", "a", "\"\\\xc3\xa4"};
constexpr std::array<std::string_view, 4> kValues{"7680", R"("text } ] \" ,")", R"([1,{"width":[]}])", "null"};

void require(bool kept, const char* promise) {
  if (kept) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

void check_index(const std::string& text) {
  std::map<std::string, std::string> map;
  try {
    map = parse_shard_index(text, "index");
  } catch (const Error& error) {
    require(error.code() == ErrorCode::kFormat, "an index is refused for its format only");
    return;
  }
  const Json json = Json::parse(text);
  require(Json(map) == json.at("weight_map"), "the index is what its 'weight_map' says");
  require(!map.empty(), "an index names a tensor");
}

void check_config(const std::string& text, std::string_view key, std::string_view value) {
  std::string changed;
  try {
    changed = with_top_level_value(text, key, value, "config");
  } catch (const Error& error) {
    require(error.code() == ErrorCode::kFormat, "a config is refused for its format only");
    return;
  }
  Json expected = Json::parse(text);
  const bool had_key = expected.contains(std::string(key));
  expected[std::string(key)] = Json::parse(value);
  require(Json::parse(changed) == expected, "the changed text means the old one with the new value");

  // Outside one place every byte is the old one: what is the same at either end covers all but the value.
  size_t front = 0, back = 0;
  const size_t shorter = std::min(text.size(), changed.size());
  while (front < shorter && text[front] == changed[front]) ++front;
  while (back < shorter - front && text[text.size() - 1 - back] == changed[changed.size() - 1 - back]) ++back;
  if (had_key) {
    require(changed.size() - front - back <= value.size(), "no more than the value is new");
    const std::string former = with_top_level_value(changed, key, "0", "config");
    require(former == with_top_level_value(text, key, "0", "config"), "the value lies where it lay before");
  } else {
    require(front + back == text.size(), "a key that was not there is put in between");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  check_index(text);
  check_config(text, kKeys[data[0] % 4], kValues[data[0] / 4 % 4]);
  return 0;
}
