// prunenet tokenize: text to token ids, and ids to text. Needs the tokenizer's files only, no config and no weights.
#include <fmt/format.h>

#include <cstdio>

#include "base/file.h"
#include "cli/token_input.h"
#include "cli/verb.h"
#include "convert/vocabulary.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace prunenet::cli {
namespace {

constexpr uint64_t kLargestTextBytes = uint64_t{1} << 30;

struct TokenizeOptions : CommonOptions {
  std::string model, text, file, ids;
  bool from_ids = false, from_file = false;
  bool decode = false, no_special = false, keep_special = false, parse_special = false;
};

// The text of ids as UTF-8, which JSON needs.
std::string valid_text(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, bool keep_special) {
  StreamDecoder decoder(tokenizer, keep_special);
  std::string text;
  for (TokenId id : ids) text += decoder.feed(id);
  return text + decoder.finish();
}

// A token as it may stand in a line on a terminal.
std::string shown(const std::string& token) {
  std::string line;
  for (char c : token) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      line += c;
    }
  }
  return line;
}

void print_tokens(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, size_t size_bytes) {
  for (TokenId id : ids) fmt::print("{:>8}  {}\n", id, shown(tokenizer.token(id)));
  fmt::print("{} tokens from {} bytes\n", ids.size(), size_bytes);
}

void tokenize(const TokenizeOptions& options) {
  const auto tokenizer = open_any_tokenizer(options.model);
  std::vector<TokenId> ids;
  std::string text;
  if (options.from_ids) {
    ids = parse_ids(options.ids);
  } else {
    text = options.from_file ? read_text_file(options.file, kLargestTextBytes) : options.text;
    ids = tokenizer->encode(text, {.add_special = !options.no_special, .parse_special = options.parse_special});
  }
  const bool decodes = options.decode || options.from_ids;
  if (options.json) {
    std::vector<std::string> tokens;
    for (TokenId id : ids) tokens.push_back(tokenizer->token(id));
    Json json{{"ids", ids}, {"tokens", tokens}};
    if (decodes) json["text"] = valid_text(*tokenizer, ids, options.keep_special);
    print_json(json);
  } else if (decodes) {
    const std::string decoded = tokenizer->decode(ids, options.keep_special);
    std::fwrite(decoded.data(), 1, decoded.size(), stdout);
    std::fputc('\n', stdout);
  } else {
    print_tokens(*tokenizer, ids, text.size());
  }
}

}  // namespace

void add_tokenize(CLI::App& program, Action& action) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* verb =
      program.add_subcommand("tokenize", "Text to token ids, or token ids to text, by the model's tokenizer");
  verb->add_option("MODEL", options->model, "Folder with tokenizer.json or tokenizer.model, or a GGUF file")->required();
  CLI::Option* text = verb->add_option("--text", options->text, "Text to encode");
  CLI::Option* file = verb->add_option("--file", options->file, "File whose bytes to encode")->excludes(text);
  CLI::Option* ids =
      verb->add_option("--ids", options->ids, "Token ids to decode")->check(id_list())->excludes(text)->excludes(file);
  verb->add_flag("--decode", options->decode, "Print the text that the ids stand for (--ids does so by itself)");
  verb->add_flag("--no-special", options->no_special,
                 "Encode without what the tokenizer puts around a text, such as BOS")
      ->excludes(ids);
  verb->add_flag("--parse-special", options->parse_special,
                 "Special tokens written in the text, such as </s>, become their ids instead of text")
      ->excludes(ids);
  verb->add_flag("--keep-special", options->keep_special, "Decode special tokens as they are written, not as nothing");
  add_common_options(*verb, *options, false);
  verb->footer(
      "Examples:\n"
      "  prunenet tokenize ./Llama-2-7b-hf --text \"Once upon a time\"\n"
      "  prunenet tokenize ./Llama-2-7b-hf --decode --ids 1,9038,2501,263,931");
  verb->callback([options, text, file, ids, &action] {
    options->from_ids = ids->count() > 0;
    options->from_file = file->count() > 0;
    if (text->count() + file->count() + ids->count() == 0) throw CLI::RequiredError("--text, --file or --ids");
    action = [options] { tokenize(*options); };
  });
}

}  // namespace prunenet::cli
