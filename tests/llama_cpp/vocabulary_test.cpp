// The tokenizers that are made for the goldens: each opens, has merges that are used, and gives texts back.
#include "llama_cpp/vocabulary.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/support.h"
#include "tokenizer/tokenizer.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

TEST(LlamaCppVocabulary, EveryKindIsATokenizerOfAsManyTokens) {
  for (const VocabularyKind kind : {VocabularyKind::kLlama, VocabularyKind::kPhi3, VocabularyKind::kGemma,
                                    VocabularyKind::kGpt2, VocabularyKind::kNeox, VocabularyKind::kPhi2,
                                    VocabularyKind::kFalcon, VocabularyKind::kQwen2, VocabularyKind::kLlama3}) {
    SCOPED_TRACE(static_cast<int>(kind));
    const TemporaryFolder folder;
    for (const auto& [name, bytes] : vocabulary_files(kind, 512)) write_bytes(folder / name, bytes);
    const auto tokenizer = open_tokenizer(folder.path());
    EXPECT_LE(tokenizer->vocab_size(), 512);
    EXPECT_GE(tokenizer->vocab_size(), 500);
    EXPECT_EQ(tokenizer->bos(), 1);
    EXPECT_EQ(tokenizer->eos(), 2);
    const bool bos = kind == VocabularyKind::kLlama || kind == VocabularyKind::kPhi3 ||
                     kind == VocabularyKind::kGemma || kind == VocabularyKind::kLlama3;
    EXPECT_EQ(tokenizer->adds_bos(), bos);
    for (const std::string& text : telling_texts()) {
      const auto ids = tokenizer->encode(text, {.add_special = false});
      EXPECT_EQ(tokenizer->decode(ids), text);
    }
    // Words that the merges were learnt from are few tokens.
    EXPECT_LE(tokenizer->encode("there was a little house and the cat", {.add_special = false}).size(), 10u);
  }
}

TEST(LlamaCppVocabulary, IsPutBesideEveryGolden) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(data / "golden")) {
    if (!entry.is_directory() || entry.path().filename() == "opt") continue;  // which llama.cpp does not have
    SCOPED_TRACE(entry.path().string());
    const TemporaryFolder folder;
    copy_with_vocabulary(entry.path(), folder / "model");
    EXPECT_EQ(read_bytes(folder / "model/config.json"), read_bytes(entry.path() / "config.json"));
    EXPECT_TRUE(has_tokenizer(folder / "model"));
    EXPECT_FALSE(fs::exists(folder / "model/golden.json"));
    ++count;
  }
  EXPECT_EQ(count, 12u);
}

}  // namespace
}  // namespace prunenet::test
