// There and back: the tensors of a LLaMA come out as they went in, to the byte.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "convert/fixtures.h"
#include "convert/vocabulary.h"
#include "support/edited_model.h"

namespace prunenet {
namespace {

using namespace test;

class RoundTrip : public testing::TestWithParam<const char*> {};

TEST_P(RoundTrip, KeepsEveryByteOfTheTensors) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const auto source = data / GetParam();
  const bool vocabulary = has_tokenizer(Checkpoint(source));  // the goldens have none
  convert_to_gguf(source, folder / "there.gguf", std::nullopt, vocabulary);
  convert_to_folder(folder / "there.gguf", folder / "back");
  EXPECT_EQ(tensors_of(Checkpoint(folder / "back")), tensors_of(Checkpoint(source)));
  // The config says the same model: what decides its numbers is equal, an absent key and what transformers takes for it
  // alike.
  const auto before = nlohmann::json::parse(read_bytes(source / "config.json"));
  const auto after = nlohmann::json::parse(read_bytes(folder / "back" / "config.json"));
  for (const char* key :
       {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "max_position_embeddings", "rms_norm_eps", "rope_theta", "vocab_size", "torch_dtype", "model_type"}) {
    ASSERT_TRUE(before.contains(key)) << key;
    EXPECT_EQ(after.value(key, nlohmann::json()), before[key]) << key;
  }
  const auto hidden = before["hidden_size"].get<int64_t>(), heads = before["num_attention_heads"].get<int64_t>();
  EXPECT_EQ(after.value("head_dim", hidden / heads), before.value("head_dim", hidden / heads));
  EXPECT_EQ(after.value("tie_word_embeddings", false), before.value("tie_word_embeddings", false));
  for (const char* key : {"rope_scaling", "sliding_window"})
    EXPECT_EQ(after.value(key, nlohmann::json()), before.value(key, nlohmann::json())) << key;
  for (const char* key : {"bos_token_id", "eos_token_id"}) {  // which GGUF has as a part of the vocabulary
    if (vocabulary) {
      EXPECT_EQ(after.value(key, nlohmann::json()), before.at(key)) << key;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Llama, RoundTrip,
                         testing::Values("golden/llama", "golden/llama_bf16", "golden/llama_sharded",
                                         "golden/llama/pruned", "golden/mistral", "models/stories260K"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           for (char& c : name) {
                             if (!isalnum(static_cast<unsigned char>(c))) c = '_';
                           }
                           return name;
                         });

TEST(RoundTripOfTypes, KeepsEveryByteOfHalves) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  convert_to_folder(data / "golden/llama", folder / "halves", Dtype::kF16);
  convert_to_gguf(folder / "halves", folder / "there.gguf");
  convert_to_folder(folder / "there.gguf", folder / "back");
  const Checkpoint halves(folder / "halves");
  EXPECT_EQ(halves.tensors().front().stored.spec.dtype, Dtype::kF16);
  EXPECT_EQ(tensors_of(Checkpoint(folder / "back")), tensors_of(halves));
}

TEST(RoundTripOfTypes, WritesAFolderInAnotherTypeAndKeepsItsOtherFiles) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  convert_to_folder(data / "models/stories260K", folder / "halves", Dtype::kBf16);
  const Checkpoint halves(folder / "halves");
  for (const auto& entry : halves.tensors()) EXPECT_EQ(entry.stored.spec.dtype, Dtype::kBf16);
  EXPECT_EQ(nlohmann::json::parse(read_bytes(folder / "halves" / "config.json")).at("torch_dtype"), "bfloat16");
  EXPECT_EQ(read_bytes(folder / "halves" / "tokenizer.json"), read_bytes(data / "models/stories260K/tokenizer.json"));
}

// BF16 matrices beside F32 norms whose values no BF16 holds: each stays as it is.
TEST(RoundTripOfTypes, KeepsEveryByteOfAMixedFolder) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  EditedModel mixed = read_model(data / "golden/llama_bf16");
  const auto is_norm = [](const std::string& name) { return name.find("norm") != std::string::npos; };
  std::vector<std::string> norms;
  for (const TestTensor& tensor : mixed.tensors) {
    if (is_norm(tensor.spec.name)) norms.push_back(tensor.spec.name);
  }
  ASSERT_EQ(norms.size(), 7u);
  for (const std::string& name : norms) mixed.put_random(name, mixed.tensor(name).spec.shape, 1.37f);
  mixed.write(folder / "mixed");
  convert_to_gguf(folder / "mixed", folder / "there.gguf");
  convert_to_folder(folder / "there.gguf", folder / "back");
  const Checkpoint back(folder / "back");
  for (const auto& entry : back.tensors()) {
    const TensorSpec& spec = entry.stored.spec;
    EXPECT_EQ(spec.dtype, is_norm(spec.name) ? Dtype::kF32 : Dtype::kBf16) << spec.name;
  }
  EXPECT_EQ(tensors_of(back), tensors_of(Checkpoint(folder / "mixed")));
}

// LLaMA 3.1 ends with any of three tokens.
TEST(RoundTripOfConfig, KeepsAllTokensThatEndAText) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  EditedModel model = read_model(data / "models/stories260K");
  model.config["eos_token_id"] = {2, 260, 261};
  model.write(folder / "model");
  for (const char* file : {"tokenizer.json", "tokenizer_config.json"}) {
    if (std::filesystem::exists(data / "models/stories260K" / file))
      write_bytes(folder / "model" / file, read_bytes(data / "models/stories260K" / file));
  }
  const std::vector<TokenId> ends{2, 260, 261};
  const auto ends_of = [](const std::filesystem::path& path) { return describe_model(Checkpoint(path)).eos; };
  ASSERT_EQ(ends_of(folder / "model"), ends);
  convert_to_gguf(folder / "model", folder / "there.gguf", std::nullopt, true);
  EXPECT_EQ(ends_of(folder / "there.gguf"), ends);
  convert_to_folder(folder / "there.gguf", folder / "back");
  EXPECT_EQ(ends_of(folder / "back"), ends);
}

TEST(RoundTripOfGguf, WithoutVocabularyHasNoKeyOfATokenizer) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const auto source = data / "models/stories260K/stories260K.gguf";
  const Checkpoint checkpoint(source);
  ToGgufOptions options;
  options.vocabulary = false;
  SilentProgress silent;
  write_gguf(checkpoint, plan_gguf(checkpoint, describe_model(checkpoint), options), folder / "bare.gguf", false,
             silent);
  const GgufFile bare(folder / "bare.gguf");
  size_t others = 0;
  for (const auto& item : checkpoint.gguf()->metadata().items()) others += item.key.starts_with("tokenizer.") ? 0 : 1;
  size_t found = 0;
  for (const auto& item : bare.metadata().items()) {
    // "none", which llama.cpp asks for; and where texts begin and end, which the model's own text needs.
    if (item.key == "tokenizer.ggml.model" || item.key == "tokenizer.ggml.bos_token_id" ||
        item.key == "tokenizer.ggml.eos_token_id")
      continue;
    EXPECT_FALSE(item.key.starts_with("tokenizer.")) << item.key;
    ++found;
  }
  EXPECT_EQ(found, others);
  EXPECT_FALSE(has_vocabulary(bare.metadata(), "bare.gguf"));
  EXPECT_EQ(tensors_of(Checkpoint(folder / "bare.gguf")), tensors_of(checkpoint));
}

TEST(RoundTripOfGguf, KeepsEveryKeyOfTheMetadata) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const auto source = data / "models/stories260K/stories260K.gguf";
  convert_to_gguf(source, folder / "again.gguf");
  const GgufFile before(source), after(folder / "again.gguf");
  ASSERT_EQ(after.metadata().items().size(), before.metadata().items().size());
  for (size_t i = 0; i < before.metadata().items().size(); ++i) {
    EXPECT_EQ(after.metadata().items()[i].key, before.metadata().items()[i].key);
    EXPECT_EQ(after.metadata().items()[i].value, before.metadata().items()[i].value)
        << before.metadata().items()[i].key;
  }
  EXPECT_EQ(tensors_of(Checkpoint(folder / "again.gguf")), tensors_of(Checkpoint(source)));
}

TEST(OwnConversion, HasTheTensorsOfThePublishedFile) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  convert_to_gguf(data / "models/stories260K", folder / "own.gguf", std::nullopt, true);
  const Checkpoint own(folder / "own.gguf"), published(data / "models/stories260K/stories260K.gguf");
  EXPECT_EQ(tensors_of(own), tensors_of(published));
  // What both state, they state alike; the type in which a number is written may differ.
  const std::string where = "metadata";
  const GgufMetadata &mine = own.gguf()->metadata(), &theirs = published.gguf()->metadata();
  size_t compared = 0;
  for (const char* key :
       {"llama.block_count", "llama.embedding_length", "llama.feed_forward_length", "llama.attention.head_count",
        "llama.attention.head_count_kv", "llama.rope.dimension_count", "llama.attention.layer_norm_rms_epsilon",
        "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"}) {
    if (theirs.has(key)) {
      EXPECT_EQ(mine.number(key, where), theirs.number(key, where)) << key;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 9u);
  EXPECT_EQ(mine.texts("tokenizer.ggml.tokens", where), theirs.texts("tokenizer.ggml.tokens", where));
}

TEST(OwnConversion, GivesTheTokensOfTheFolder) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const Checkpoint source(data / "models/stories260K");
  convert_to_gguf(source.folder(), folder / "own.gguf", std::nullopt, true);
  convert_to_folder(folder / "own.gguf", folder / "back");
  const auto before = open_tokenizer(source), there = open_tokenizer(Checkpoint(folder / "own.gguf")),
             back = open_tokenizer(Checkpoint(folder / "back"));
  for (const char* text : {"Once upon a time, there was a little girl named Lily.", "  two  spaces",
                           "Caf\xc3\xa9 \xe2\x98\x83 1234\n", "a"}) {
    EXPECT_EQ(there->encode(text), before->encode(text)) << text;
    EXPECT_EQ(back->encode(text), before->encode(text)) << text;
  }
}

}  // namespace
}  // namespace prunenet
