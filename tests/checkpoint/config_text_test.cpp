// with_top_level_value: exactly one value of a JSON text changes, and no other byte.
#include "checkpoint/config_text.h"

#include <nlohmann/json.hpp>
#include <random>

#include "support/support.h"

namespace prunenet {
namespace {

using test::expect_error;
using OrderedJson = nlohmann::ordered_json;

std::string change(const std::string& json, const std::string& key = "width", const std::string& value = "7680") {
  return with_top_level_value(json, key, value, "config.json");
}

TEST(ConfigText, ReplacesTheValueAndNoOtherByte) {
  EXPECT_EQ(change("{\n  \"a\": 1,\r\n\t\"width\" :  11008 ,\n  \"b\": 1.50e+1\n}\n"),
            "{\n  \"a\": 1,\r\n\t\"width\" :  7680 ,\n  \"b\": 1.50e+1\n}\n");
  EXPECT_EQ(change(R"({"width":1})"), R"({"width":7680})");
  EXPECT_EQ(change(R"({"width":1,"b":2})"), R"({"width":7680,"b":2})");
  EXPECT_EQ(change(" {\"b\":2,\"width\":1}\n\n"), " {\"b\":2,\"width\":7680}\n\n");
}

TEST(ConfigText, ReplacesValuesOfEveryKind) {
  for (const char* old : {"0", "-1.5e-3", "true", "null", R"("text")", R"("\"},{\\")", "[]", "{}", R"([1,{"a":"]}"}])",
                          R"({"width":[{}],"b":"\\"})"}) {
    EXPECT_EQ(change("{\"a\":1,\"width\":" + std::string(old) + ",\"b\":2}"), R"({"a":1,"width":7680,"b":2})");
    EXPECT_EQ(change("{\"width\": " + std::string(old) + " }"), R"({"width": 7680 })");
  }
}

TEST(ConfigText, PutsInValuesOfEveryKind) {
  for (const char* value : {"null", R"("text")", "[1, 2]", R"({"a": "}"})"}) {
    EXPECT_EQ(change(R"({"width":1})", "width", value), "{\"width\":" + std::string(value) + "}");
  }
}

TEST(ConfigText, DoesNotTouchTheKeyInsideNestedObjectsOrTexts) {
  const std::string nested =
      R"({"text_config":{"width":1},"list":[{"width":2}],"s":"\"width\":3","width":4,"t":{"width":5}})";
  EXPECT_EQ(change(nested),
            R"({"text_config":{"width":1},"list":[{"width":2}],"s":"\"width\":3","width":7680,"t":{"width":5}})");
  const auto added = OrderedJson::parse(change(R"({"text_config":{"width":1}})"));
  EXPECT_EQ(added["text_config"]["width"], 1);
  EXPECT_EQ(added["width"], 7680);
}

TEST(ConfigText, AddsAMissingKeyAtTheEnd) {
  EXPECT_EQ(change("{\n  \"a\": 1\n}\n"), "{\n  \"a\": 1,\n  \"width\": 7680\n}\n");
  EXPECT_EQ(OrderedJson::parse(change(R"({"a":"x, y }"})")), OrderedJson::parse(R"({"a":"x, y }","width":7680})"));
}

TEST(ConfigText, FillsAnEmptyObject) {
  for (const char* empty : {"{}", "{ }", " {\n\n} \n"}) {
    const std::string changed = change(empty);
    EXPECT_EQ(OrderedJson::parse(changed), OrderedJson::parse(R"({"width":7680})")) << changed;
  }
}

TEST(ConfigText, OfAKeyThatStandsTwiceTheLastCountsAndIsChanged) {
  EXPECT_EQ(change(R"({"width":1,"a":2,"width":3})"), R"({"width":1,"a":2,"width":7680})");
}

TEST(ConfigText, KnowsAKeyHoweverItIsSpelled) {
  EXPECT_EQ(change(R"({"w\u0069dth":1,"\"width\"":2})"), R"({"w\u0069dth":7680,"\"width\"":2})");
  const std::string odd = "a\"b\\\n\xc3\xa4";
  EXPECT_EQ(OrderedJson::parse(change("{}", odd))[odd], 7680);
  EXPECT_EQ(OrderedJson::parse(change(R"({"":1})", ""))[""], 7680);
}

TEST(ConfigText, RefusesWhatIsNoJsonObject) {
  using namespace std::string_literals;
  for (const std::string& text : {""s, "{"s, "[]"s, "5"s, "\"text\""s, "null"s, "{} {}"s, "{\"a\":1,}"s, "{'a':1}"s,
                                  "{\"a\":\"\xff\"}"s, "{\"a\":1e999}"s, "// {}\n{}"s, "{}\0"s, "{\"width\":1}\0{}"s}) {
    expect_error(ErrorCode::kFormat, {"config.json"}, [&] { change(text); });
  }
}

// A mark of the byte order in front of the text, as some editors leave it.
TEST(ConfigText, KeepsAByteOrderMark) {
  EXPECT_EQ(change("\xef\xbb\xbf{\"width\":1}"), "\xef\xbb\xbf{\"width\":7680}");
  EXPECT_EQ(change("\xef\xbb\xbf {}").substr(0, 5), "\xef\xbb\xbf {");
}

TEST(ConfigText, RefusesNestingDeeperThanAnyConfig) {
  for (const auto& [open, close] : {std::pair("[", "]"), std::pair("{\"a\":", "}")}) {
    std::string text = "{\"a\":";
    for (int i = 0; i < 2'000'000; ++i) text += open;
    text += "1";
    for (int i = 0; i < 2'000'000; ++i) text += close;
    expect_error(ErrorCode::kFormat, {"config.json", "nested deeper"}, [&] { change(text + "}"); });
  }
}

TEST(ConfigText, ChangesEveryRealConfigInOnePlaceOnly) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  size_t configs = 0;
  for (const auto& place : std::filesystem::recursive_directory_iterator(data)) {
    if (place.path().filename() != "config.json") continue;
    const std::string text = test::read_bytes(place.path());
    const OrderedJson original = OrderedJson::parse(text);
    OrderedJson expected = original;
    for (const auto& [key, old] : original.items()) {
      const std::string changed = change(text, key, "\"new\"");
      expected[key] = "new";
      EXPECT_EQ(OrderedJson::parse(changed), expected) << place.path() << ' ' << key;
      expected[key] = old;
    }
    ++configs;
  }
  EXPECT_GE(configs, 17u);
}

}  // namespace
}  // namespace prunenet
