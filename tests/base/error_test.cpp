// Errors: what their texts say, the codes of the operating system's refusals, and the checks of promises.
#include "base/error.h"

#include <cerrno>
#include <set>

#include "support/support.h"

namespace prunenet {
namespace {

const std::vector<ErrorCode> kAllCodes{ErrorCode::kIo,          ErrorCode::kNotFound,  ErrorCode::kExists,
                                       ErrorCode::kNoSpace,     ErrorCode::kFormat,    ErrorCode::kMismatch,
                                       ErrorCode::kUnsupported, ErrorCode::kBadOption, ErrorCode::kNonFinite,
                                       ErrorCode::kCancelled,   ErrorCode::kInternal};

TEST(Error, EveryCodeHasAMeaningOfItsOwn) {
  std::set<std::string_view> texts;
  for (ErrorCode code : kAllCodes) {
    EXPECT_FALSE(describe(code).empty());
    EXPECT_NE(describe(code), "unknown");
    texts.insert(describe(code));
  }
  EXPECT_EQ(texts.size(), kAllCodes.size());
  EXPECT_EQ(describe(ErrorCode::kNoSpace), "the disk is full, or would be");
}

TEST(Error, TextNamesThePlaceAndThenTheMessage) {
  const Error error(ErrorCode::kFormat, "a.safetensors", "too short");
  EXPECT_STREQ(error.what(), "a.safetensors: too short");
  EXPECT_EQ(error.where(), "a.safetensors");
  EXPECT_EQ(error.code(), ErrorCode::kFormat);
}

TEST(Error, TextWithoutAPlaceIsTheMessageAlone) {
  EXPECT_STREQ(Error(ErrorCode::kCancelled, "", "interrupted").what(), "interrupted");
}

TEST(Error, FailFormatsItsMessage) {
  try {
    fail(ErrorCode::kBadOption, "--ratio", "{} is not in ({}, {})", 1.5, 0, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "--ratio: 1.5 is not in (0, 1)");
    EXPECT_EQ(error.code(), ErrorCode::kBadOption);
  }
}

// A brace in a place or in an argument is text, never a format.
TEST(Error, BracesInNamesStayAsTheyAre) {
  try {
    fail(ErrorCode::kFormat, "{}{0}", "found '{}'", "{x}");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "{}{0}: found '{x}'");
  }
}

// Names come from files: they must not cut the text short, command the terminal, or bury the message.
TEST(Error, ControlCharactersAreSpelledOutAndOverlongTextIsCut) {
  const Error error(ErrorCode::kFormat, std::string("a\0b", 3), "\x1b[2J \x7f\r\n\t\xc3\xa4");
  EXPECT_STREQ(error.what(), "a\\x00b: \\x1b[2J \\x7f\\x0d\n\t\xc3\xa4");
  EXPECT_EQ(error.where(), std::string("a\0b", 3));
  const std::string text = Error(ErrorCode::kFormat, "a", std::string(1'000'000, 'n')).what();
  EXPECT_LT(text.size(), 4100u);
  EXPECT_TRUE(text.ends_with(" ...")) << text;
}

TEST(Error, FullDiskAndQuotaAreNoSpaceAndTheRestIsIo) {
  for (const auto& [number, code] :
       {std::pair{ENOSPC, ErrorCode::kNoSpace}, std::pair{EDQUOT, ErrorCode::kNoSpace},
        std::pair{EFBIG, ErrorCode::kNoSpace}, std::pair{EACCES, ErrorCode::kIo}, std::pair{EIO, ErrorCode::kIo}}) {
    test::expect_error(code, {"some/file: cannot write: ", std::strerror(number)}, [number = number] {
      errno = number;
      fail_errno("some/file", "write");
    });
  }
}

TEST(Error, BrokenPromiseNamesItsExpressionAndPlace) {
  const int layers = 0;
  test::expect_error(ErrorCode::kInternal, {"error_test.cpp:", "internal check failed: layers > 0"},
                     [&] { PRUNENET_CHECK(layers > 0); });
}

TEST(Error, KeptPromiseDoesNothing) {
  EXPECT_NO_THROW(PRUNENET_CHECK(1 + 1 == 2));
}

}  // namespace
}  // namespace prunenet
