// The shard index: what is read from it and what is refused.
#include "base/system.h"
#include "checkpoint/checkpoint_index.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::expect_error;
using WeightMap = std::map<std::string, std::string>;

WeightMap parse(const std::string& text) {
  return parse_shard_index(text, "index.json");
}

TEST(ShardIndex, GivesTheFileOfEveryTensor) {
  EXPECT_EQ(parse(R"({"metadata":{"total_size":12},"weight_map":{"a":"1.safetensors","b\"\u00e4":"2.safetensors"}})"),
            (WeightMap{{"a", "1.safetensors"}, {"b\"\xc3\xa4", "2.safetensors"}}));
}

TEST(ShardIndex, IgnoresEverythingBesideTheMap) {
  EXPECT_EQ(
      parse(R"({"x":[1,[2,{"weight_map":"y"}]],"weight_map":{"a":"f"},"metadata":{"weight_map":{"b":"g"}},"z":"t"})"),
      (WeightMap{{"a", "f"}}));
}

TEST(ShardIndex, WithoutAMapIsRefused) {
  for (const char* text :
       {"{}", "[]", "5", "null", "\"weight_map\"", R"({"weight_map":{}})", R"({"metadata":{"a":"f"}})",
        R"(["weight_map",{"a":"f"}])", R"([{"weight_map":{"a":"f"}}])"}) {
    expect_error(ErrorCode::kFormat, {"index.json", "no 'weight_map' with tensors"}, [&] { parse(text); });
  }
}

TEST(ShardIndex, AMapThatIsNoObjectOfTextsIsRefused) {
  for (const char* map : {"5", "-5", "0.5", "null", "true", "\"f\"", "[]", "[\"f\"]", R"([{"a":"f"}])", R"({"a":1})",
                          R"({"a":null})", R"({"a":["f"]})", R"({"a":{"b":"f"}})", R"({"a":"f","b":{}})"}) {
    expect_error(ErrorCode::kFormat, {"index.json", "'weight_map' is not an object of texts"},
                 [&] { parse(R"({"weight_map":)" + std::string(map) + "}"); });
  }
}

TEST(ShardIndex, ANameTwiceIsRefused) {
  expect_error(ErrorCode::kFormat, {"index.json", "tensor 'a' stands twice"},
               [] { parse(R"({"weight_map":{"a":"f","\u0061":"g"}})"); });
  expect_error(ErrorCode::kFormat, {"index.json", "'weight_map' stands twice"},
               [] { parse(R"({"weight_map":{"a":"f"},"weight_map":{"b":"g"}})"); });
}

TEST(ShardIndex, WhatIsNoJsonIsRefusedWithThePlace) {
  using namespace std::string_literals;
  for (const std::string& text : {""s, "{"s, R"({"weight_map":{"a":"f"}} x)"s, R"({"weight_map":{"a":"f",}})"s,
                                  "{\"weight_map\":{\"a\":\"\xff\"}}"s, R"({"weight_map":{"a":"f"},"b":1e999})"s}) {
    expect_error(ErrorCode::kFormat, {"index.json", "no JSON", "wrong at byte"}, [&] { parse(text); });
  }
  expect_error(ErrorCode::kFormat, {"no JSON"}, [] { parse("{\"weight_map\":{\"a\":\"f\"}}\0{"s); });
}

TEST(ShardIndex, DeepNestingCostsNothing) {
  const int64_t before = peak_rss_bytes();
  for (const char* start : {"", R"({"metadata":)", R"({"weight_map":)", R"({"weight_map":{"a":)"}) {
    const std::string text = start + std::string(50'000'000, '[');
    expect_error(ErrorCode::kFormat, {"index.json"}, [&] { parse_shard_index(text, "index.json"); });
  }
  EXPECT_LT(peak_rss_bytes() - before, 400'000'000);
}

}  // namespace
}  // namespace prunenet
