// Ids that other programs gave: GPT-NeoX and stories260K by their own tokenizer.json; GPT-2, Falcon, Llama 2 and Phi-3
// by one that is made here from the vocabulary of a GGUF file. Exact equality: ids have no tolerance.
#include <algorithm>
#include <numeric>
#include <sstream>

#include "tokenizer/folders.h"
#include "tokenizer/gguf_file.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> texts_of(const fs::path& path) {
  const std::string all = read_bytes(path), marker = "\n__ggml_vocab_test__\n";
  std::vector<std::string> texts;
  size_t begin = 0;
  for (size_t at = all.find(marker); at != std::string::npos; at = all.find(marker, begin)) {
    texts.push_back(all.substr(begin, at - begin));
    begin = at + marker.size();
  }
  texts.push_back(all.substr(begin));
  return texts;
}

std::vector<std::vector<TokenId>> ids_of(const fs::path& path) {
  std::vector<std::vector<TokenId>> all;
  std::istringstream lines(read_bytes(path));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream numbers(line);
    all.emplace_back();
    for (TokenId id; numbers >> id;) all.back().push_back(id);
  }
  return all;
}

/// Every text gives the ids that stand beside it, and comes back.
void expect_goldens(const Tokenizer& tokenizer, const fs::path& inputs, const fs::path& outputs) {
  const auto texts = texts_of(inputs);
  auto ids = ids_of(outputs);
  if (ids.size() + 1 == texts.size() && texts.back().empty()) ids.emplace_back();  // an empty last line may be left out
  ASSERT_EQ(texts.size(), 47u);
  ASSERT_EQ(ids.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(bare_ids(tokenizer, texts[i]), ids[i]) << "text " << i << ": " << texts[i];
    EXPECT_EQ(tokenizer.decode(ids[i]), texts[i]) << "text " << i;
  }
}

Json vocabulary_json(const GgufVocabulary& gguf) {
  Json vocabulary = Json::object();
  for (size_t id = 0; id < gguf.tokens.size(); ++id) vocabulary[gguf.tokens[id]] = id;
  return vocabulary;
}

Json special_tokens(const GgufVocabulary& gguf) {
  Json added = Json::array();
  for (size_t id = 0; id < gguf.tokens.size(); ++id) {
    if (gguf.types[id] != 3) continue;
    added.push_back({{"id", id}, {"content", gguf.tokens[id]}, {"special", true}, {"normalized", false}});
  }
  return added;
}

Json byte_level_json(const GgufVocabulary& gguf, const Json& pre_tokenizer) {
  return {{"added_tokens", special_tokens(gguf)},
          {"pre_tokenizer", pre_tokenizer},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary_json(gguf)}, {"merges", gguf.merges}}}};
}

// As the converter of transformers makes it: merges are all splits of a piece into two, ordered by the score of the
// piece.
Json spm_json(const GgufVocabulary& gguf) {
  const Json vocabulary = vocabulary_json(gguf);
  std::vector<size_t> order;
  for (size_t id = 0; id < gguf.tokens.size(); ++id) {
    if (gguf.types[id] == 1) order.push_back(id);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return gguf.scores[a] > gguf.scores[b]; });
  std::vector<std::string> pieces;
  for (size_t id : order) pieces.push_back(gguf.tokens[id]);
  return {{"added_tokens", special_tokens(gguf)},
          {"normalizer", llama_normalizer()},
          {"decoder", llama_decoder()},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"fuse_unk", true},
            {"byte_fallback", true},
            {"vocab", vocabulary},
            {"merges", merges_json(all_splits(pieces, vocabulary))}}}};
}

TEST(Goldens, GptNeoxByItsOwnFile) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const fs::path folder = data / "tokenizers" / "gpt-neox";
  expect_goldens(*open_tokenizer(folder), folder / "texts.inp", folder / "texts.out");
}

TEST(Goldens, Gpt2FromItsVocabulary) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const std::string stem = data / "tokenizers" / "ggml-vocab-gpt-2.gguf";
  const Json pre{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  expect_goldens(*open_json(byte_level_json(read_gguf_vocabulary(stem), pre)), stem + ".inp", stem + ".out");
}

TEST(Goldens, FalconFromItsVocabulary) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const std::string stem = data / "tokenizers" / "ggml-vocab-falcon.gguf";
  const Json pre{{"type", "Sequence"},
                 {"pretokenizers",
                  {{{"type", "Punctuation"}, {"behavior", "Contiguous"}},
                   {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}},
                   {{"type", "Digits"}, {"individual_digits", false}},
                   {{"type", "Split"},
                    {"pattern", {{"Regex", "[0-9][0-9][0-9]"}}},
                    {"behavior", "Isolated"},
                    {"invert", false}}}}};
  expect_goldens(*open_json(byte_level_json(read_gguf_vocabulary(stem), pre)), stem + ".inp", stem + ".out");
}

TEST(Goldens, GgufFilesAsTheyAre) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const char* name : {"llama-spm", "gpt-2", "falcon", "phi-3"}) {
    SCOPED_TRACE(name);
    const std::string stem = data / "tokenizers" / ("ggml-vocab-" + std::string(name) + ".gguf");
    expect_goldens(*make_tokenizer(read_gguf_vocabulary(stem), stem), stem + ".inp", stem + ".out");
  }
}

TEST(Goldens, Llama2FromItsPieces) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const std::string stem = data / "tokenizers" / "ggml-vocab-llama-spm.gguf";
  expect_goldens(*open_json(spm_json(read_gguf_vocabulary(stem))), stem + ".inp", stem + ".out");
}

TEST(Goldens, Phi3FromItsPieces) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const std::string stem = data / "tokenizers" / "ggml-vocab-phi-3.gguf";
  expect_goldens(*open_json(spm_json(read_gguf_vocabulary(stem))), stem + ".inp", stem + ".out");
}

TEST(Goldens, Stories260KSentencesAndStories) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto tokenizer = open_tokenizer(data / "models" / "stories260K");
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_EQ(tokenizer->vocab_size(), 512);
  const Json golden = Json::parse(read_bytes(data / "models" / "stories260K" / "golden.json"));
  for (const Json& sentence : golden["sentences"]) {
    const auto ids = sentence["ids"].get<std::vector<TokenId>>();
    const auto text = sentence["text"].get<std::string>();
    EXPECT_EQ(tokenizer->encode(text), ids);
    EXPECT_EQ(tokenizer->decode(ids), text);
  }
  const std::string stories = read_bytes(data / "datasets" / "tinystories_like" / "tinystories_like.txt"),
                    end = "<|endoftext|>\n";
  size_t count = 0, total_ids = 0;
  for (size_t begin = 0, at = 0; (at = stories.find(end, begin)) != std::string::npos;
       begin = at + end.size(), ++count) {
    const std::string story = stories.substr(begin, at - begin);
    const auto ids = tokenizer->encode(story);
    total_ids += ids.size();
    EXPECT_EQ(tokenizer->decode(ids), story);
  }
  EXPECT_EQ(count, 400u);
  EXPECT_GT(total_ids, 10'000u);
}

}  // namespace
}  // namespace prunenet::test
