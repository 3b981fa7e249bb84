// There and back: the tensors of a LLaMA come out as they went in, to the byte.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "convert/fixtures.h"
#include "convert/vocabulary.h"

namespace prunenet {
namespace {

using namespace test;

class RoundTrip : public testing::TestWithParam<const char*> {};

TEST_P(RoundTrip, KeepsEveryByteOfTheTensors) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const auto source = data / GetParam();
  convert_to_gguf(source, folder / "there.gguf");
  convert_to_folder(folder / "there.gguf", folder / "back");
  EXPECT_EQ(tensors_of(Checkpoint(folder / "back")), tensors_of(Checkpoint(source)));
  // The config says the same model: what decides its numbers is equal.
  const auto before = nlohmann::json::parse(read_bytes(source / "config.json"));
  const auto after = nlohmann::json::parse(read_bytes(folder / "back" / "config.json"));
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "rope_theta", "vocab_size", "torch_dtype", "model_type", "sliding_window"}) {
    if (before.contains(key)) {
      EXPECT_EQ(after.value(key, nlohmann::json()), before[key]) << key;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Llama, RoundTrip,
                         testing::Values("golden/llama", "golden/llama_bf16", "golden/llama_sharded", "golden/llama/pruned",
                                         "golden/mistral", "models/stories260K"),
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

TEST(RoundTripOfGguf, KeepsEveryKeyOfTheMetadata) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const auto source = data / "models/stories260K/stories260K.gguf";
  convert_to_gguf(source, folder / "again.gguf");
  const GgufFile before(source), after(folder / "again.gguf");
  ASSERT_EQ(after.metadata().items().size(), before.metadata().items().size());
  for (size_t i = 0; i < before.metadata().items().size(); ++i) {
    EXPECT_EQ(after.metadata().items()[i].key, before.metadata().items()[i].key);
    EXPECT_EQ(after.metadata().items()[i].value, before.metadata().items()[i].value) << before.metadata().items()[i].key;
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
  for (const char* key : {"llama.block_count", "llama.embedding_length", "llama.feed_forward_length", "llama.attention.head_count",
                          "llama.attention.head_count_kv", "llama.rope.dimension_count", "llama.attention.layer_norm_rms_epsilon",
                          "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"}) {
    if (theirs.has(key)) {
      EXPECT_EQ(mine.number(key, where), theirs.number(key, where)) << key;
    }
  }
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
  for (const char* text : {"Once upon a time, there was a little girl named Lily.", "  two  spaces", "Caf\xc3\xa9 \xe2\x98\x83 1234\n", "a"}) {
    EXPECT_EQ(there->encode(text), before->encode(text)) << text;
    EXPECT_EQ(back->encode(text), before->encode(text)) << text;
  }
}

}  // namespace
}  // namespace prunenet
