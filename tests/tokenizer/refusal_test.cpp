// Files that no tokenizer should be made of, and what is said of them.
#include "tokenizer/folders.h"

namespace prunenet::test {
namespace {

Json changed(const std::string& pointer, const Json& value) {
  Json json = byte_level_tokenizer({{"a", "b"}});
  json[Json::json_pointer(pointer)] = value;
  return json;
}

void expect_refused(const Json& json, ErrorCode code, const std::vector<std::string>& fragments) {
  expect_error(code, fragments, [&] { open_json(json); });
}

void expect_text_refused(const std::string& text, const std::vector<std::string>& fragments) {
  TokenizerFolder folder;
  folder.write("tokenizer.json", text);
  expect_error(ErrorCode::kFormat, fragments, [&] { folder.open(); });
}

TEST(TokenizerRefusal, NoTokenizer) {
  const TemporaryFolder folder;
  EXPECT_FALSE(has_tokenizer(folder.path()));
  expect_error(ErrorCode::kNotFound, {folder.path().string(), "tokenizer.json", "tokenizer.model"},
               [&] { open_tokenizer(folder.path()); });
  EXPECT_FALSE(has_tokenizer(folder / "nowhere"));
}

TEST(TokenizerRefusal, KindsThatAreNotKnownAreNamed) {
  expect_refused(changed("/model/type", "Unigram"), ErrorCode::kUnsupported, {"tokenizer.json: model", "Unigram"});
  expect_refused(changed("/model/type", "WordPiece"), ErrorCode::kUnsupported, {"model", "WordPiece"});
  expect_refused(changed("/normalizer", {{"type", "Precompiled"}}), ErrorCode::kUnsupported,
                 {"normalizer", "Precompiled"});
  expect_refused(changed("/pre_tokenizer", {{"type", "BertPreTokenizer"}}), ErrorCode::kUnsupported,
                 {"pre_tokenizer", "BertPreTokenizer"});
  expect_refused(changed("/decoder", {{"type", "WordPiece"}}), ErrorCode::kUnsupported, {"decoder", "WordPiece"});
  expect_refused(changed("/post_processor", {{"type", "Other"}}), ErrorCode::kUnsupported, {"post_processor", "Other"});
  expect_refused(changed("/model/end_of_word_suffix", "</w>"), ErrorCode::kUnsupported, {"end_of_word_suffix", "</w>"});
  expect_refused(changed("/model/dropout", 0.1), ErrorCode::kUnsupported, {"dropout", "0.1"});
}

TEST(TokenizerRefusal, DamagedJson) {
  const std::string whole = byte_level_tokenizer().dump();
  for (size_t size : {size_t{0}, size_t{1}, whole.size() / 2, whole.size() - 1}) {
    expect_text_refused(whole.substr(0, size), {"tokenizer.json", "is no JSON"});
  }
  expect_text_refused("[]", {"not a JSON object"});
  expect_text_refused("{}", {"model", "missing"});
  expect_text_refused(whole + std::string(1, '\0') + "x", {"zero byte"});
  expect_text_refused("{\"a\":" + std::string(100'000, '['), {"nested deeper"});
  expect_text_refused("{\"model\":\"\xff\"}", {"is no JSON"});
}

TEST(TokenizerRefusal, Vocabularies) {
  expect_refused(changed("/model/vocab/same", 7), ErrorCode::kFormat, {"model.vocab", "same", "7"});
  expect_refused(changed("/model/vocab/x1", -1), ErrorCode::kFormat, {"model.vocab", "x1", "-1"});
  expect_refused(changed("/model/vocab/x1", 1.5), ErrorCode::kFormat, {"model.vocab", "x1", "1.5"});
  expect_refused(changed("/model/vocab/x1", 2'147'483'647), ErrorCode::kFormat, {"largest id", "2147483647"});
  expect_refused(changed("/model/vocab/x1", 99'999'999'999), ErrorCode::kFormat, {"x1", "99999999999"});
  expect_refused(changed("/model/vocab", Json::array()), ErrorCode::kFormat, {"model.vocab", "array"});
  expect_refused(changed("/model/unk_token", "<none>"), ErrorCode::kFormat, {"unk_token", "<none>"});
}

TEST(TokenizerRefusal, Merges) {
  expect_refused(changed("/model/merges", {"a zz"}), ErrorCode::kFormat,
                 {"model.merges[0]", "'zz'", "not in the vocabulary"});
  expect_refused(changed("/model/merges", {"a c"}), ErrorCode::kFormat,
                 {"model.merges[0]", "'ac'", "not in the vocabulary"});
  expect_refused(changed("/model/merges", {"a b", "ab"}), ErrorCode::kFormat, {"model.merges[1]", "'ab'"});
  expect_refused(changed("/model/merges", {"a b c"}), ErrorCode::kFormat, {"model.merges[0]"});
  expect_refused(changed("/model/merges", {{"a", 1}}), ErrorCode::kFormat, {"model.merges"});
  expect_refused(changed("/model/merges", Json::array({Json::array({"a"})})), ErrorCode::kFormat,
                 {"model.merges[0]", "two texts"});
  expect_refused(changed("/model/merges", nullptr), ErrorCode::kFormat, {"model.merges", "missing"});
}

TEST(TokenizerRefusal, Components) {
  const Json bad_regex{{"type", "Split"}, {"pattern", {{"Regex", "("}}}, {"behavior", "Isolated"}};
  expect_refused(changed("/pre_tokenizer", bad_regex), ErrorCode::kFormat,
                 {"pre_tokenizer.pattern.Regex", "wrong at character"});
  expect_refused(changed("/pre_tokenizer", "ByteLevel"), ErrorCode::kFormat, {"pre_tokenizer", "an object"});
  expect_refused(changed("/pre_tokenizer/use_regex", "yes"), ErrorCode::kFormat, {"use_regex", "true or false"});
  const Json outside{{"type", "RobertaProcessing"}, {"cls", {"<s>", 5000}}, {"sep", {"</s>", 2}}};
  expect_refused(changed("/post_processor", outside), ErrorCode::kFormat, {"post_processor", "5000"});
  Json many = Json::array();
  for (int i = 0; i < 100; ++i) many.push_back({{"type", "NFC"}});
  expect_refused(changed("/normalizer", {{"type", "Sequence"}, {"normalizers", many}}), ErrorCode::kFormat,
                 {"more than"});
}

TEST(TokenizerRefusal, IdsOutsideTheVocabulary) {
  const auto tokenizer = open_json(byte_level_tokenizer());
  for (TokenId id : {-1, 256, 2'147'483'647}) {
    const std::vector<TokenId> ids{65, id};
    expect_error(ErrorCode::kBadOption, {std::to_string(id), "256 tokens"}, [&] { (void)tokenizer->decode(ids); });
    expect_error(ErrorCode::kBadOption, {std::to_string(id)}, [&] { (void)tokenizer->token(id); });
    EXPECT_FALSE(tokenizer->is_special(id));
  }
}

TEST(TokenizerRefusal, SideFiles) {
  const Json json = byte_level_tokenizer();
  const auto with = [&](const std::string& name, const std::string& text) {
    expect_error(ErrorCode::kFormat, {name}, [&] { TokenizerFolder(json).write(name, text).open(); });
  };
  with("tokenizer_config.json", "{");
  with("tokenizer_config.json", R"({"bos_token": 5})");
  with("tokenizer_config.json", R"({"bos_token": {"text": "x"}})");
  with("tokenizer_config.json", R"({"add_bos_token": "yes"})");
  with("tokenizer_config.json", R"({"added_tokens_decoder": {"one": {"content": "x"}}})");
  with("special_tokens_map.json", "null");
  with("added_tokens.json", R"({"x": -5})");
}

}  // namespace
}  // namespace prunenet::test
