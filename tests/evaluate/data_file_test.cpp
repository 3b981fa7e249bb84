// Plain and packed files, lines, CSV rows, JSON records; and what is wrong with damaged ones.
#include "evaluate/data_file.h"

#include <zlib.h>

#include "evaluate/csv.h"
#include "evaluate/record.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

std::string packed(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string some_text(size_t size) {
  std::string text;
  for (size_t i = 0; text.size() < size; ++i) text += std::to_string(i * i % 977) + (i % 7 == 0 ? "\n" : " ");
  return text;
}

TEST(DataFile, PackedAndPlainHoldTheSameText) {
  const TemporaryFolder folder;
  // Sizes around the reader's buffer, text that packs to almost nothing, and nothing at all.
  for (const std::string& text :
       {std::string(), std::string("a"), some_text(262143), some_text(262144 * 3 + 1), std::string(5 << 20, 'x')}) {
    write_bytes(folder / "plain", text);
    write_bytes(folder / "packed", packed(text));
    EXPECT_EQ(read_data_file(folder / "plain"), text);
    EXPECT_TRUE(read_data_file(folder / "packed") == text) << text.size();
    EXPECT_EQ(read_data_start(folder / "packed", 10), text.substr(0, 10));
    write_bytes(folder / "twice", packed(text) + packed("end"));
    EXPECT_TRUE(read_data_file(folder / "twice") == text + "end") << text.size();
  }
}

TEST(DataFile, DamagedGzipIsRefused) {
  const TemporaryFolder folder;
  const std::string whole = packed(some_text(5000));
  for (size_t size = 2; size < whole.size(); size += 7) {
    write_bytes(folder / "cut", whole.substr(0, size));
    expect_error(ErrorCode::kFormat, {"cut", "gzip"}, [&] { read_data_file(folder / "cut"); });
  }
  std::string damaged = whole;
  damaged[whole.size() / 2] = static_cast<char>(damaged[whole.size() / 2] ^ 0x55);
  write_bytes(folder / "damaged", damaged);
  expect_error(ErrorCode::kFormat, {"damaged"}, [&] { read_data_file(folder / "damaged"); });
  write_bytes(folder / "more", whole + "junk");
  expect_error(ErrorCode::kFormat, {"follows"}, [&] { read_data_file(folder / "more"); });
  expect_error(ErrorCode::kNotFound, {"nothing"}, [&] { read_data_file(folder / "nothing"); });
  expect_error(ErrorCode::kFormat, {"regular"}, [&] { read_data_file(folder.path()); });
}

TEST(DataFile, LinesKeepTheirNumbers) {
  const auto lines = data_lines(
      "\xEF\xBB\xBF"
      "one\r\n\n  \ntwo\n\nthree");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].text, "one");
  EXPECT_EQ(lines[1].text, "two");
  EXPECT_EQ(lines[1].number, 4);
  EXPECT_EQ(lines[2].number, 6);
  EXPECT_TRUE(data_lines("").empty());
}

TEST(Csv, QuotesCommasAndLineEnds) {
  const auto rows = parse_csv("a,\"b, c\",\"say \"\"hi\"\"\"\r\n\n\"two\nlines\",5\" pipe,\n,", "f.csv");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].fields, (std::vector<std::string>{"a", "b, c", "say \"hi\""}));
  EXPECT_EQ(rows[1].fields, (std::vector<std::string>{"two\nlines", "5\" pipe", ""}));
  EXPECT_EQ(rows[1].line, 3);
  EXPECT_EQ(rows[2].fields, (std::vector<std::string>{"", ""}));
  EXPECT_EQ(rows[2].line, 5);
  expect_error(ErrorCode::kFormat, {"f.csv:2", "does not end"}, [] { parse_csv("a\n\"b\nc", "f.csv"); });
  expect_error(ErrorCode::kFormat, {"f.csv:1", "followed by 'x'"}, [] { parse_csv("\"b\"x", "f.csv"); });
}

TEST(Record, ErrorsNameLineKeyAndKind) {
  const Record record(
      R"({"a": "x", "n": 3, "q": "7", "l": ["x", 1], "neg": -1, "big": 18446744073709551615, "o": {"b": true}})",
      "f:9");
  EXPECT_EQ(record.text("a"), "x");
  EXPECT_EQ(record.integer("n"), 3);
  EXPECT_EQ(record.integer("q"), 7);
  EXPECT_EQ(record.index("n", 4), 3u);
  expect_error(ErrorCode::kFormat, {"f:9", "misses 'z'", "a, big, l, n"}, [&] { record.text("z"); });
  expect_error(ErrorCode::kFormat, {"f:9", "'n'", "a text", "number"}, [&] { record.text("n"); });
  expect_error(ErrorCode::kFormat, {"f:9", "'a'", "whole number", "'x'"}, [&] { record.integer("a"); });
  expect_error(ErrorCode::kFormat, {"f:9", "'big'"}, [&] { record.integer("big"); });
  expect_error(ErrorCode::kFormat, {"f:9", "'l'", "texts", "number"}, [&] { record.texts("l"); });
  expect_error(ErrorCode::kFormat, {"f:9", "'n' is 3", "3 choices"}, [&] { record.index("n", 3); });
  expect_error(ErrorCode::kFormat, {"f:9", "'neg' is -1"}, [&] { record.index("neg", 3); });
  expect_error(ErrorCode::kFormat, {"f:9", "'o'", "'b'"}, [&] { record.object("o").text("b"); });
}

TEST(Record, WhatIsNoObjectIsRefused) {
  for (const std::string line : {"", "{", "[1]", "3", "{\"a\": \"\xFF\"}", "{\"a\": 1} x"}) {
    expect_error(ErrorCode::kFormat, {"f:1"}, [&] { Record(line, "f:1"); });
  }
  std::string deep = "1";
  for (int i = 0; i < 100000; ++i) deep = "[" + std::move(deep);
  expect_error(ErrorCode::kFormat, {"f:1", "deeper"}, [&] { Record("{\"a\":" + deep, "f:1"); });
}

}  // namespace
}  // namespace prunenet::test
