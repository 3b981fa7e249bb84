// prunenet tokenize, as a user runs it.
#include "program/refusal.h"

namespace prunenet::test {
namespace {

using Json = nlohmann::json;

// Bytes as ids, "ab" as 256, and a special token 257.
std::string small_tokenizer() {
  Json vocabulary = Json::object();
  for (int byte = 0x21; byte < 0x7f; ++byte) vocabulary[std::string(1, static_cast<char>(byte))] = byte;
  vocabulary["Ġ"] = 32;
  vocabulary["Ċ"] = 10;
  vocabulary["ÿ"] = 255;
  vocabulary["ab"] = 256;
  const Json byte_level{{"type", "ByteLevel"}, {"add_prefix_space", false}};
  return Json{{"added_tokens", {{{"id", 257}, {"content", "<end>"}, {"special", true}, {"normalized", false}}}},
              {"pre_tokenizer", byte_level},
              {"decoder", byte_level},
              {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", {"a b"}}}}}
      .dump();
}

class Tokenize : public Refusal {
 protected:
  Tokenize() {
    std::filesystem::create_directories(model());
    write_bytes(model() / "tokenizer.json", small_tokenizer());
    write_bytes(model() / "tokenizer_config.json", R"({"bos_token": "<end>", "add_bos_token": true})");
  }
  Json json(std::vector<std::string> options) const {
    options.insert(options.begin(), {"tokenize", model()});
    return prunenet_json(options);
  }
};

TEST_F(Tokenize, TextBecomesIds) {
  const Json result = json({"--text", "ab c"});
  EXPECT_EQ(result["ids"], Json({257, 256, 32, 'c'}));
  EXPECT_EQ(result["tokens"], Json({"<end>", "ab", "Ġ", "c"}));
  EXPECT_FALSE(result.contains("text"));
  EXPECT_EQ(json({"--text", "ab", "--no-special"})["ids"], Json({256}));
  EXPECT_EQ(json({"--text", "", "--no-special"})["ids"], Json::array());
  EXPECT_EQ(json({"--text", "b<end>", "--no-special", "--parse-special"})["ids"], Json({'b', 257}));
  EXPECT_EQ(json({"--text", "b<", "--decode"})["text"], "b<");
}

TEST_F(Tokenize, AFileByItsBytes) {
  write_bytes(root() / "text", "ab\nab\n");
  EXPECT_EQ(json({"--file", root() / "text", "--no-special"})["ids"], Json({256, 10, 256, 10}));
}

TEST_F(Tokenize, IdsBecomeText) {
  EXPECT_EQ(json({"--decode", "--ids", "257, 256,32,99"})["text"], "ab c");
  EXPECT_EQ(json({"--ids", "257,256", "--keep-special"})["text"], "<end>ab");
  EXPECT_EQ(json({"--ids", "99,255"})["text"], "c\ufffd") << "JSON holds no other bytes";
  const RunResult plain = run_prunenet({"tokenize", model(), "--ids", "256,255"});
  EXPECT_EQ(plain.status, 0);
  EXPECT_EQ(plain.out, "ab\xff\n");
}

TEST_F(Tokenize, PlainOutputListsTokens) {
  const RunResult plain = run_prunenet({"tokenize", model(), "--text", "ab"});
  EXPECT_EQ(plain.status, 0) << plain.err;
  EXPECT_NE(plain.out.find("257  <end>"), std::string::npos) << plain.out;
  EXPECT_NE(plain.out.find("256  ab"), std::string::npos);
  EXPECT_NE(plain.out.find("2 tokens from 2 bytes"), std::string::npos);
  EXPECT_EQ(plain.err, "");
}

TEST_F(Tokenize, WrongUse) {
  expect_refused({"tokenize", model()}, {"--text, --file or --ids"}, 2);
  expect_refused({"tokenize", model(), "--text", "a", "--ids", "1"}, {"--ids"}, 2);
  expect_refused({"tokenize", model(), "--ids", "1,x"}, {"--ids", "1,x"}, 2);
  expect_refused({"tokenize", model(), "--ids", "99,5000"}, {"tokenizer.json", "5000"});
  expect_refused({"tokenize", model(), "--file", root() / "none"}, {"none"});
  expect_refused({"tokenize", root() / "nowhere", "--text", "a"}, {"nowhere", "tokenizer.json"});
}

TEST_F(Tokenize, AnUnknownKindIsNamed) {
  write_bytes(model() / "tokenizer.json", R"({"model": {"type": "Unigram", "vocab": []}})");
  expect_refused({"tokenize", model(), "--text", "a"}, {"tokenizer.json: model", "Unigram"});
}

TEST(TokenizeModel, Stories260K) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const std::string model = data / "models" / "stories260K";
  const Json golden = Json::parse(read_bytes(model + "/golden.json"));
  for (const Json& sentence : golden["sentences"]) {
    const Json result = prunenet_json({"tokenize", model, "--text", sentence["text"], "--decode"});
    EXPECT_EQ(result["ids"], sentence["ids"]);
    EXPECT_EQ(result["text"], sentence["text"]);
  }
}

}  // namespace
}  // namespace prunenet::test
