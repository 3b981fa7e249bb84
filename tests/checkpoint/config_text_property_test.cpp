// Random JSON objects with random spelling and spacing. The writer below knows where each value lies, so the expected
// text is exact, and a full parser says that the change means what it should.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "checkpoint/config_text.h"
#include "support/support.h"

namespace prunenet {
namespace {

using Json = nlohmann::ordered_json;

class Writer {
 public:
  explicit Writer(uint32_t seed) : random_(seed) {}

  size_t below(size_t bound) { return random_() % bound; }

  std::string space() {
    std::string text;
    while (below(3) == 0) text += " \n\t\r"[below(4)];
    return text;
  }

  // A text with the characters that could mislead a scanner, each spelled in one of the ways JSON allows.
  std::string quoted() {
    static const std::vector<std::vector<std::string>> spellings{{"a", "\\u0061"},
                                                                 {"\\\"", "\\u0022"},
                                                                 {"\\\\", "\\u005c"},
                                                                 {"{"},
                                                                 {"}", "\\u007D"},
                                                                 {"["},
                                                                 {"]"},
                                                                 {","},
                                                                 {":"},
                                                                 {"\\n", "\\u000a"},
                                                                 {"/", "\\/"},
                                                                 {"\xc3\xa4", "\\u00e4"},
                                                                 {"\xf0\x9f\x98\x80", "\\ud83d\\uDE00"},
                                                                 {" "},
                                                                 {"width"}};
    std::string text = "\"";
    for (size_t i = below(6); i > 0; --i) {
      const auto& spelling = spellings[below(spellings.size())];
      text += spelling[below(spelling.size())];
    }
    return text + '"';
  }

  std::string scalar() {
    static const std::vector<std::string> scalars{
        "0", "-0", "17", "-1.50", "1E+5", "2e-3", "true", "false", "null", "18446744073709551615", "0.1000"};
    return below(3) == 0 ? quoted() : scalars[below(scalars.size())];
  }

  std::string value(int depth) {
    const size_t kind = below(depth > 4 ? 2 : 5);
    if (kind < 2) return scalar();
    const bool is_object = kind >= 3;
    std::string text = (is_object ? "{" : "[") + space();
    const size_t count = below(4);
    for (size_t i = 0; i < count; ++i) {
      if (is_object) text += (below(4) == 0 ? "\"width\"" : quoted()) + space() + ":" + space();
      text += value(depth + 1) + space() + (i + 1 < count ? "," : "") + space();
    }
    return text + (is_object ? "}" : "]");
  }

 private:
  std::mt19937 random_;
};

// A top-level object in pieces: the last value of the key "width" (if it is there), what is before it and behind it.
struct Case {
  std::string before, old_value, after;
  bool has_key = false;
  std::string text() const { return before + old_value + after; }
};

Case make_case(Writer& writer) {
  std::vector<std::pair<std::string, std::string>> members;  // quoted key, value
  std::set<std::string> keys{"width"};
  for (size_t i = writer.below(6); i > 0; --i) {
    const std::string key = writer.quoted();
    if (keys.insert(Json::parse(key)).second) members.emplace_back(key, writer.value(0));
  }
  size_t last = members.size();
  const size_t times = writer.below(3);  // not at all, once, twice
  for (size_t i = 0; i < times; ++i) {
    const size_t place = i == 0 ? writer.below(members.size() + 1) : last + 1 + writer.below(members.size() - last);
    const std::string key = writer.below(4) == 0 ? "\"wid\\u0074h\"" : "\"width\"";
    members.insert(members.begin() + static_cast<std::ptrdiff_t>(place), {key, writer.value(0)});
    last = place;
  }
  Case result;
  result.has_key = times > 0;
  result.before = writer.space() + "{" + writer.space();
  std::string* side = &result.before;
  for (size_t i = 0; i < members.size(); ++i) {
    *side += members[i].first + writer.space() + ":" + writer.space();
    if (result.has_key && i == last) {
      result.old_value = members[i].second;
      side = &result.after;
    } else {
      *side += members[i].second;
    }
    *side += writer.space() + (i + 1 < members.size() ? "," : "") + writer.space();
  }
  *side += "}" + writer.space();
  return result;
}

TEST(ConfigTextProperty, OnlyTheValueOfTheKeyChanges) {
  size_t replaced = 0, added = 0;
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    Writer writer(seed);
    const Case sample = make_case(writer);
    const std::string text = sample.text(), value = writer.value(2);
    SCOPED_TRACE(fmt::format("seed {}: {}", seed, text));
    const std::string changed = with_top_level_value(text, "width", value, "config.json");

    Json expected = Json::parse(text);
    expected["width"] = Json::parse(value);
    ASSERT_EQ(Json::parse(changed).dump(), expected.dump());
    if (sample.has_key) {
      ++replaced;
      ASSERT_EQ(changed, sample.before + value + sample.after);
    } else {
      ++added;  // the old text is all there, cut once
      size_t same = 0;
      while (same < text.size() && text[same] == changed[same]) ++same;
      ASSERT_GT(changed.size(), text.size());
      ASSERT_TRUE(changed.ends_with(text.substr(same))) << changed;
    }
  }
  EXPECT_GT(replaced, 1000u);
  EXPECT_GT(added, 500u);
}

TEST(ConfigTextProperty, ChangingBackGivesTheFormerText) {
  size_t tried = 0;
  for (uint32_t seed = 0; seed < 1000; ++seed) {
    Writer writer(seed);
    const Case sample = make_case(writer);
    if (!sample.has_key) continue;
    const std::string changed = with_top_level_value(sample.text(), "width", "[\"}\"]", "config.json");
    ASSERT_EQ(with_top_level_value(changed, "width", sample.old_value, "config.json"), sample.text())
        << "seed " << seed;
    ++tried;
  }
  EXPECT_GT(tried, 300u);
}

}  // namespace
}  // namespace prunenet
