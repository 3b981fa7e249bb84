// From a GGUF vocabulary to the files of a Hugging Face folder, and back.
#include <sentencepiece_processor.h>

#include "tokenizer/folders.h"
#include "tokenizer/gguf_file.h"
#include "tokenizer/gguf_vocabularies.h"
#include "tokenizer/piece_file.h"
#include "tokenizer/random_text.h"
#include "tokenizer/trained_pieces.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<TokenId>;

/// A folder with the vocabulary's files, but for those named.
TokenizerFolder& write_files(TokenizerFolder& folder, const GgufVocabulary& vocabulary,
                             const std::string& left_out = "") {
  for (const auto& [name, bytes] : tokenizer_files(vocabulary, "t")) {
    if (name != left_out) folder.write(name, bytes);
  }
  return folder;
}

void expect_same_ids(const Tokenizer& a, const Tokenizer& b) {
  EXPECT_EQ(a.bos(), b.bos());
  EXPECT_EQ(a.eos(), b.eos());
  EXPECT_EQ(a.adds_bos(), b.adds_bos());
  std::mt19937 random(11);
  for (int i = 0; i < 200; ++i) {
    const std::string text = i % 2 == 0 ? random_words(random) : random_unicode(random, 30);
    const Ids ids = a.encode(text);
    EXPECT_EQ(ids, b.encode(text)) << text;
    EXPECT_EQ(a.encode(text, {.parse_special = true}), b.encode(text, {.parse_special = true})) << text;
    EXPECT_EQ(a.decode(ids), b.decode(ids)) << text;
  }
}

/// Vocabulary -> files -> tokenizers of the folder, by each of the files; and the vocabulary of the folder.
GgufVocabulary expect_round_trip(const GgufVocabulary& vocabulary) {
  const auto tokenizer = make_tokenizer(vocabulary, "t");
  TokenizerFolder folder;
  write_files(folder, vocabulary);
  expect_same_ids(*tokenizer, *folder.open());
  if (vocabulary.model == "llama") {
    TokenizerFolder pieces;
    expect_same_ids(*tokenizer, *write_files(pieces, vocabulary, "tokenizer.json").open());
  }
  GgufVocabulary back = gguf_vocabulary(folder.path(), tokenizer->vocab_size());
  EXPECT_EQ(back.model, vocabulary.model);
  EXPECT_EQ(back.tokens, vocabulary.tokens);
  EXPECT_EQ(back.scores, vocabulary.scores);
  EXPECT_EQ(back.merges, vocabulary.merges);
  EXPECT_EQ(back.bos, tokenizer->bos());
  EXPECT_EQ(back.eos, tokenizer->eos());
  EXPECT_EQ(back.add_bos, tokenizer->adds_bos());
  EXPECT_EQ(back.chat_template, vocabulary.chat_template);
  expect_same_ids(*tokenizer, *make_tokenizer(back, "t"));
  return back;
}

TEST(GgufFiles, RoundTripOfPublishedVocabularies) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const char* file : {"tokenizers/ggml-vocab-llama-spm", "tokenizers/ggml-vocab-gpt-2",
                           "tokenizers/ggml-vocab-phi-3", "models/stories260K/stories260K"}) {
    SCOPED_TRACE(file);
    GgufVocabulary vocabulary = read_gguf_vocabulary(data / (std::string(file) + ".gguf"));
    vocabulary.model_name.clear();  // what it says of a Phi-3 no vocabulary of a folder can say
    const GgufVocabulary back = expect_round_trip(vocabulary);
    EXPECT_EQ(back.pre, vocabulary.pre);
    for (size_t id = 0; id < vocabulary.types.size(); ++id) {
      // Older converters wrote <unk> as a control token, [PAD7] as an unknown one, and Phi-3's </s> as a user's.
      const std::string& text = vocabulary.tokens[id];
      const bool is_old =
          std::string(file).ends_with("phi-3") && (text == "<unk>" || text == "</s>" || text.starts_with("[PAD"));
      if (is_old) continue;
      EXPECT_EQ(back.types[id], vocabulary.types[id]) << text;
    }
  }
}

TEST(GgufFiles, RoundTripOfATrainedModel) {
  TokenizerFolder folder;
  folder.write("tokenizer.model", llama_like_model());
  GgufVocabulary vocabulary = gguf_vocabulary(folder.path(), 500);
  vocabulary.chat_template = "{% for m in messages %}\"{{ m }}\"\n{% endfor %}";
  EXPECT_EQ(expect_round_trip(vocabulary).types, vocabulary.types);
  vocabulary.add_space_prefix = false;
  vocabulary.add_bos = false;
  vocabulary.add_eos = true;
  const GgufVocabulary back = expect_round_trip(vocabulary);
  EXPECT_EQ(back.types, vocabulary.types);
  EXPECT_EQ(back.add_space_prefix, false);
  EXPECT_EQ(back.add_eos, true);
}

TEST(GgufFiles, RoundTripOfEveryWordRule) {
  GgufVocabulary vocabulary = byte_level_vocabulary();
  for (const char* merge : {"a b", "Ġ t", "h e", "Ġt he", "3 3"}) {
    vocabulary.merges.emplace_back(merge);
    std::string token = merge;
    token.erase(token.find(' '), 1);
    vocabulary.tokens.push_back(token);
  }
  vocabulary.tokens.emplace_back("<|x|>");
  vocabulary.types.assign(vocabulary.tokens.size(), 1);
  vocabulary.types.back() = 3;
  vocabulary.bos = vocabulary.eos = static_cast<TokenId>(vocabulary.tokens.size() - 1);
  for (const char* name :
       {"default", "llama-bpe", "smaug-bpe", "gpt-2", "qwen2", "falcon", "starcoder", "tekken", "gpt-4o",
        "deepseek-llm", "deepseek-coder", "deepseek-v3", "seed-coder", "poro-chat", "viking"}) {
    SCOPED_TRACE(name);
    vocabulary.pre = name;
    const GgufVocabulary back = expect_round_trip(vocabulary);
    EXPECT_EQ(back.pre, name);
    EXPECT_EQ(back.types, vocabulary.types);
  }
}

TEST(GgufFiles, WhatTransformersReads) {
  GgufVocabulary vocabulary = bytes_only();
  add_token(vocabulary, "▁", -1);
  add_token(vocabulary, "[X]", -2, GgufTokenType::kUserDefined);
  add_token(vocabulary, "[PAD261]", -3, GgufTokenType::kUnused);
  vocabulary.padding = 2;
  vocabulary.chat_template = "{{ x }}";
  const auto files = tokenizer_files(vocabulary, "t");
  ASSERT_EQ(files.size(), 3u);
  const Json config = Json::parse(files.at("tokenizer_config.json")), json = Json::parse(files.at("tokenizer.json"));
  EXPECT_EQ(config["tokenizer_class"], "LlamaTokenizer");
  EXPECT_EQ(config["bos_token"], "<s>");
  EXPECT_EQ(config["eos_token"], "</s>");
  EXPECT_EQ(config["unk_token"], "<unk>");
  EXPECT_EQ(config["pad_token"], "</s>");
  EXPECT_EQ(config["add_bos_token"], true);
  EXPECT_EQ(config["add_eos_token"], false);
  EXPECT_EQ(config["chat_template"], "{{ x }}");
  EXPECT_EQ(config["added_tokens_decoder"].size(), 4u);
  EXPECT_EQ(json["model"]["byte_fallback"], true);
  EXPECT_EQ(json["model"]["unk_token"], "<unk>");
  EXPECT_FALSE(json["model"]["vocab"].contains("[PAD261]")) << "a row of the embedding, no token";
  EXPECT_EQ(json["normalizer"], llama_normalizer());
  EXPECT_EQ(json["decoder"], llama_decoder());
  EXPECT_EQ(json["post_processor"]["special_tokens"]["<s>"]["ids"], Json::array({1}));
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto(files.at("tokenizer.model")).ok());
  EXPECT_EQ(library.GetPieceSize(), 262);
  EXPECT_EQ(library.bos_id(), 1);
  EXPECT_EQ(library.eos_id(), 2);
  EXPECT_EQ(library.unk_id(), 0);
  EXPECT_TRUE(library.IsUnused(261));
  EXPECT_EQ(library.EncodeAsIds("[X]"), (Ids{259, 260}));
}

TEST(GgufFiles, ATokenizerModelOnlyWhereItsLibraryReadsIt) {
  GgufVocabulary vocabulary = bytes_only();
  EXPECT_TRUE(tokenizer_files(vocabulary, "t").contains("tokenizer.model"));
  vocabulary.tokens[3 + 'a'] = "x";
  vocabulary.types[3 + 'a'] = 1;
  EXPECT_FALSE(tokenizer_files(vocabulary, "t").contains("tokenizer.model")) << "255 bytes";
  vocabulary = bytes_only();
  vocabulary.types[0] = 1;
  EXPECT_FALSE(tokenizer_files(vocabulary, "t").contains("tokenizer.model")) << "no unknown piece";
  EXPECT_FALSE(tokenizer_files(byte_level_vocabulary(), "t").contains("tokenizer.model"));
}

TEST(PieceFile, ReadsWhatItsLibraryWrites) {
  const tokenization::PieceFile file = tokenization::parse_piece_file(llama_like_model(), "t");
  EXPECT_EQ(file.model_type, tokenization::PieceFile::kBpe);
  EXPECT_TRUE(file.byte_fallback);
  EXPECT_EQ(file.normalizer, "identity");
  EXPECT_FALSE(file.has_character_map);
  EXPECT_TRUE(file.add_dummy_prefix);
  EXPECT_FALSE(file.remove_extra_whitespaces);
  EXPECT_EQ(file.padding_id, -1);
  const tokenization::PieceFile again = tokenization::parse_piece_file(tokenization::serialised(file), "t");
  ASSERT_EQ(again.pieces.size(), file.pieces.size());
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    EXPECT_EQ(again.pieces[id].text, file.pieces[id].text);
    EXPECT_EQ(again.pieces[id].score, file.pieces[id].score);
    EXPECT_EQ(again.pieces[id].type, file.pieces[id].type);
  }
  EXPECT_EQ(again.padding_id, -1);
  EXPECT_EQ(again.model_type, file.model_type);
}

TEST(PieceFile, RefusesWhatIsNone) {
  const auto refused = [](const std::string& bytes) {
    expect_error(ErrorCode::kFormat, {"x.model"}, [&] { (void)tokenization::parse_piece_file(bytes, "x.model"); });
  };
  for (const std::string& bytes :
       {std::string(), std::string("IQ== 0\n"), std::string(1000, '\xff'), std::string("\x0a\x7f"),
        std::string("\x0a\x04\x18\x09\x0a\x00", 6), std::string("\x00\x00", 2)}) {
    refused(bytes);
  }
  const std::string& model = llama_like_model();
  std::mt19937 random(2);
  for (int i = 0; i < 3000; ++i) {  // cut and damaged: refused, or something else, but never a crash
    std::string bytes = model.substr(0, random() % model.size());
    for (size_t count = random() % 4; count > 0 && !bytes.empty(); --count) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    try {
      EXPECT_FALSE(tokenization::parse_piece_file(bytes, "x.model").pieces.empty());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFormat);
    }
  }
}

}  // namespace
}  // namespace prunenet::test
