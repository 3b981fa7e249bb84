// UTF-8, escapes, classes of characters and normal forms.
#include "tokenizer/unicode.h"

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <cstdlib>

#include "tokenizer/random_text.h"

namespace prunenet::test {
namespace {

using namespace tokenization;

TEST(Unicode, EveryCodePointIsWrittenAndReadBack) {
  for (char32_t value = 0; value <= 0x10ffff; value += value < 0x3000 ? 1 : 17) {
    if (value >= 0xd800 && value <= 0xdfff) continue;
    std::string text;
    append_code_point(text, value);
    ASSERT_EQ(valid_sequence_length(text), text.size()) << static_cast<uint32_t>(value);
    ASSERT_EQ(code_point_at(text, 0).value, value);
    ASSERT_EQ(code_point_at(text, 0).size_bytes, text.size());
    for (size_t cut = 1; cut < text.size(); ++cut)
      ASSERT_EQ(valid_sequence_length(text.substr(0, cut)), 0u) << static_cast<uint32_t>(value);
  }
}

TEST(Unicode, WhatIsNoUtf8HasNoLength) {
  for (const char* bytes :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3(", "\xe2\x82(", ""}) {
    EXPECT_EQ(valid_sequence_length(bytes), 0u);
  }
}

TEST(Unicode, EscapesKeepEveryByte) {
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    const std::string bytes = i % 2 ? random_bytes(random, 40) : random_unicode(random, 20) + random_bytes(random, 4);
    const std::string escaped = escape_invalid(bytes);
    std::string back;
    for (size_t at = 0; at < escaped.size();) {
      const CodePoint point = code_point_at(escaped, at);
      if (const auto byte = escaped_byte(point.value)) {
        back += *byte;
      } else {
        back.append(escaped, at, point.size_bytes);
      }
      at += point.size_bytes;
    }
    EXPECT_EQ(back, bytes);
    EXPECT_EQ(is_valid_utf8(bytes), escaped == bytes);
  }
}

TEST(Unicode, NormalFormsOfKnownTexts) {
  EXPECT_EQ(normalised("e\u0301 \u212b", NormalForm::kNfc), "\u00e9 \u00c5");
  EXPECT_EQ(normalised("\u00e9\uac00", NormalForm::kNfd), "e\u0301\u1100\u1161");
  EXPECT_EQ(normalised("\ufb01\u00b2 \uff21", NormalForm::kNfkc), "fi2 A");
  EXPECT_EQ(normalised("\ufb01\u00e9", NormalForm::kNfkd), "fie\u0301");
  EXPECT_EQ(normalised("x\u0323\u0307", NormalForm::kNfc), normalised("x\u0307\u0323", NormalForm::kNfc));
  EXPECT_EQ(normalised("plain", NormalForm::kNfkc), "plain");
}

TEST(Unicode, NormalisingInStretchesEqualsNormalisingAtOnce) {
  std::mt19937 random(2);
  for (int i = 0; i < 400; ++i) {
    std::string text = random_unicode(random, 30);
    std::erase(text, '\0');
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.c_str());
    utf8proc_uint8_t* whole[4] = {utf8proc_NFC(bytes), utf8proc_NFD(bytes), utf8proc_NFKC(bytes), utf8proc_NFKD(bytes)};
    for (int form = 0; form < 4; ++form) {
      EXPECT_EQ(normalised(text, static_cast<NormalForm>(form)), reinterpret_cast<const char*>(whole[form]));
      std::free(whole[form]);
    }
  }
}

TEST(Unicode, EscapesPassThroughNormalForms) {
  const std::string escape = escape_invalid("\xff");
  EXPECT_EQ(normalised("e" + escape + "\u0301" + escape + escape + "e\u0301", NormalForm::kNfc),
            "e" + escape + "\u0301" + escape + escape + "\u00e9");
  EXPECT_EQ(lower_case("A" + escape + "\u00c9\u0130\u03a3"), "a" + escape + "\u00e9i\u0307\u03c3");
}

TEST(Unicode, ClassesOfCharacters) {
  for (char32_t value : {U' ', U'\n', U'\u00a0', U'\u2003', U'\u3000', U'\u0085'}) EXPECT_TRUE(is_space(value));
  for (char32_t value : {U'a', U'\u200b', U'\u180e', U'_'}) EXPECT_FALSE(is_space(value));
  for (char32_t value : {U'!', U'$', U'^', U'~', U'\u2026', U'\u3002', U'\u00ab'}) EXPECT_TRUE(is_punctuation(value));
  for (char32_t value : {U'a', U'1', U' ', U'\u00b4', U'\u20ac'}) EXPECT_FALSE(is_punctuation(value));
  for (char32_t value : {U'0', U'\u0663', U'\u00b2', U'\u2167', U'\u00bd'}) EXPECT_TRUE(is_numeric(value));
  for (char32_t value : {U'a', U'\u4e00', U'-'}) EXPECT_FALSE(is_numeric(value));
  for (char32_t value : {U'a', U'_', U'\u0301', U'\u0663', U'\u4e00', U'\u200d', U'\u24b6'})
    EXPECT_TRUE(is_word(value));
  for (char32_t value : {U'-', U' ', U'\u00b2', U'\u2026', char32_t{0xdcff}}) EXPECT_FALSE(is_word(value));
}

}  // namespace
}  // namespace prunenet::test
