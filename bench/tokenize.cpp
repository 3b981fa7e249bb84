// prunenet-bench-tokenize MODEL FILE: how fast a tokenizer encodes and decodes a text, one thread, first with an empty
// word cache; and how long the worst words take (10 MB without a place to cut).
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/system.h"
#include "tokenizer/tokenizer.h"

namespace {

using namespace prunenet;

void measure(const Tokenizer& tokenizer, const std::string& name, const std::string& text) {
  const Stopwatch encoding;
  const auto ids = tokenizer.encode(text);
  const double encode_s = encoding.elapsed_s();
  const Stopwatch decoding;
  const std::string back = tokenizer.decode(ids);
  const double decode_s = decoding.elapsed_s();
  const double megabytes = static_cast<double>(text.size()) / 1e6;
  fmt::print("{:<16} {:8.2f} MB {:>9} ids  encode {:7.3f} s {:6.1f} MB/s  decode {:7.3f} s {:6.1f} MB/s  {}\n", name,
             megabytes, ids.size(), encode_s, megabytes / encode_s, decode_s, megabytes / decode_s,
             back == text ? "same text" : "other text");
}

std::string repeated(const std::string& part, size_t size_bytes) {
  std::string text;
  while (text.size() < size_bytes) text += part;
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App program{"Times a tokenizer"};
  std::string folder, file;
  program.add_option("MODEL", folder, "Folder with the tokenizer")->required();
  program.add_option("FILE", file, "Text")->required();
  CLI11_PARSE(program, argc, argv);
  try {
    const Stopwatch opening;
    const auto tokenizer = open_tokenizer(folder);
    fmt::print("opened in {:.3f} s\n", opening.elapsed_s());
    const std::string text = read_text_file(file, uint64_t{1} << 30);
    measure(*tokenizer, "text, first", text);
    measure(*tokenizer, "text, again", text);
    constexpr size_t kWordBytes = 10'000'000;
    measure(*tokenizer, "letters", repeated("thequickbrownfoxjumpsoverthelazydog", kWordBytes));
    measure(*tokenizer, "spaces", repeated(" ", kWordBytes));
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
