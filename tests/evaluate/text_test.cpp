// Text as Python's str methods see it: expected values were written down from their documentation and Unicode's tables.
#include "evaluate/text.h"

#include "support/support.h"

namespace prunenet::test {
namespace {

TEST(Text, StripTakesUnicodeWhitespaceAndNothingElse) {
  EXPECT_EQ(strip(" \t\r\n\v\f a b \x1f"), "a b");
  EXPECT_EQ(strip("\u00a0\u2003x\u3000\u2029"), "x");
  EXPECT_EQ(strip("\u200bx\u200b"), "\u200bx\u200b");  // zero width space is none
  EXPECT_EQ(strip_end(" x \n"), " x");
  EXPECT_EQ(strip(" \u2003 "), "");
  EXPECT_EQ(strip(""), "");
  EXPECT_EQ(strip("\xA0"), "\xA0");  // a byte that is no UTF-8 is no blank
  EXPECT_EQ(strip("x\xE2\x80"), "x\xE2\x80");
}

TEST(Text, CharactersAreCountedNotBytes) {
  EXPECT_EQ(count_characters(""), 0);
  EXPECT_EQ(count_characters("na\u00efve \u20ac \U0001F600"), 9);
  EXPECT_EQ(count_characters("\xFF\xFE"), 2);
}

TEST(Text, CapitalisedRaisesTheFirstLetterAndLowersTheRest) {
  EXPECT_EQ(capitalised("he Runs To NASA"), "He runs to nasa");
  EXPECT_EQ(capitalised("\u00e9COLE \u00c0 L\u2019\u00c9T\u00c9"), "\u00c9cole \u00e0 l\u2019\u00e9t\u00e9");
  EXPECT_EQ(capitalised("\u0434\u041e\u041c \u0401"), "\u0414\u043e\u043c \u0451");
  EXPECT_EQ(capitalised("\u0151\u0150 \u017d\u0179 \u0141"), "\u0150\u0151 \u017e\u017a \u0142");
  EXPECT_EQ(capitalised("\u00ffA \u0178"), "\u0178a \u00ff");
  EXPECT_EQ(capitalised("1ST [B] \u00d7\u00f7"), "1st [b] \u00d7\u00f7");
  EXPECT_EQ(capitalised(""), "");
  EXPECT_EQ(capitalised("\xFFX"), "\xFFx");
}

TEST(Text, ReplacedGoesFromLeftToRightOnce) {
  EXPECT_EQ(replaced("a   b", "  ", " "), "a  b");  // as str.replace: what it wrote is not looked at again
  EXPECT_EQ(replaced("x [title]y [title]", " [title]", ". "), "x. y. ");
}

TEST(Text, BadUtf8IsFoundWhereItStands) {
  EXPECT_EQ(first_bad_utf8("plain \u20ac \U0010FFFF"), std::nullopt);
  EXPECT_EQ(first_bad_utf8("ab\x80"), 2u);
  EXPECT_EQ(first_bad_utf8("\xC0\xAF"), 0u);           // overlong
  EXPECT_EQ(first_bad_utf8("x\xE0\x80\xAF"), 1u);      // overlong
  EXPECT_EQ(first_bad_utf8("x\xED\xA0\x80"), 1u);      // a surrogate
  EXPECT_EQ(first_bad_utf8("x\xF4\x90\x80\x80"), 1u);  // beyond U+10FFFF
  EXPECT_EQ(first_bad_utf8("\u20ac\xE2\x82"), 3u);     // cut short
}

}  // namespace
}  // namespace prunenet::test
