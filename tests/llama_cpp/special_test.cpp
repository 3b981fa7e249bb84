// Special tokens written in a text, read as text and as tokens, in the vocabulary of every kind: ours of the folder and
// of the GGUF file, and llama.cpp's.
#include <ostream>

#include "llama_cpp/client.h"
#include "llama_cpp/vocabulary.h"
#include "support/edited_model.h"
#include "tokenizer/trained_pieces.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;

struct Case {
  const char* golden;
  VocabularyKind kind;
  const char* name;
};

std::ostream& operator<<(std::ostream& out, const Case& tested) { return out << tested.name; }

class SpecialTokens : public testing::TestWithParam<Case> {};

TEST_P(SpecialTokens, AreFoundAsLlamaCppFindsThem) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  copy_with_vocabulary(data / "golden" / GetParam().golden, folder / "model", GetParam().kind);
  prunenet_json({"convert", (folder / "model").string(), "-o", (folder / "model.gguf").string()});
  std::vector<std::string> texts = special_texts();
  texts.insert(texts.end(), telling_texts().begin(), telling_texts().end());
  expect_llama_cpp_tokenizes_alike(folder / "model", folder / "model.gguf", texts);
  expect_llama_cpp_tokenizes_alike(folder / "model.gguf", folder / "model.gguf", texts);
}

INSTANTIATE_TEST_SUITE_P(LlamaCpp, SpecialTokens,
                         testing::Values(Case{"llama", VocabularyKind::kLlama, "llama"}, Case{"phi3", VocabularyKind::kPhi3, "phi3"},
                                         Case{"gemma", VocabularyKind::kGemma, "gemma"}, Case{"gpt2", VocabularyKind::kGpt2, "gpt2"},
                                         Case{"gpt_neox", VocabularyKind::kNeox, "gpt_neox"}, Case{"phi", VocabularyKind::kPhi2, "phi2"},
                                         Case{"falcon7b_mqa", VocabularyKind::kFalcon, "falcon"},
                                         Case{"qwen2", VocabularyKind::kQwen2, "qwen2"}, Case{"llama", VocabularyKind::kLlama3, "llama3"}),
                         [](const auto& tested) { return std::string(tested.param.name); });

// A folder with a tokenizer.model, trained on the spot, and nothing else that says what its tokens are.
TEST(LlamaCpp, ReadsAConvertedTokenizerModelAsWeDo) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  EditedModel model = read_model(data / "golden/llama");
  model.write(folder / "model");
  write_bytes(folder / "model" / "tokenizer.model", llama_like_model());
  prunenet_json({"convert", (folder / "model").string(), "-o", (folder / "model.gguf").string()});
  std::vector<std::string> texts = special_texts();
  texts.insert(texts.end(), telling_texts().begin(), telling_texts().end());
  expect_llama_cpp_tokenizes_alike(folder / "model.gguf", folder / "model.gguf", texts);
  // sentencepiece itself takes a written <unk> for text.
  std::erase_if(texts, [](const std::string& text) { return text.find("<unk>") != std::string::npos; });
  EXPECT_GT(texts.size(), 100u);
  expect_llama_cpp_tokenizes_alike(folder / "model", folder / "model.gguf", texts);
}

// A real vocabulary, of the published file and of our own.
TEST(LlamaCpp, FindsTheSpecialTokensOfStories260KAsWeDo) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const fs::path stories = data / "models/stories260K", published = stories / "stories260K.gguf";
  expect_llama_cpp_tokenizes_alike(stories, published, special_texts());
  expect_llama_cpp_tokenizes_alike(published, published, special_texts());
  prunenet_json({"convert", stories.string(), "-o", (folder / "own.gguf").string()});
  expect_llama_cpp_tokenizes_alike(stories, folder / "own.gguf", special_texts());
}

}  // namespace
}  // namespace prunenet::test
