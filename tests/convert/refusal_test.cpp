// What cannot be converted, and why; and that nothing is left of it.
#include <gtest/gtest.h>

#include "convert/fixtures.h"
#include "convert/vocabulary.h"
#include "support/tiny_model.h"

namespace prunenet {
namespace {

using namespace test;

ToGgufOptions without_vocabulary() {
  ToGgufOptions options;
  options.vocabulary = false;
  return options;
}

void plan(const std::filesystem::path& source, const ToGgufOptions& options = without_vocabulary()) {
  const Checkpoint checkpoint(source);
  plan_gguf(checkpoint, describe_model(checkpoint), options);
}

TEST(Refusals, NameWhatLlamaCppLacks) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  expect_error(ErrorCode::kUnsupported, {"opt", "no architecture"}, [&] { plan(data / "golden/opt"); });
  expect_error(ErrorCode::kUnsupported, {"falcon", "alibi"}, [&] { plan(data / "golden/falcon_rw_alibi"); });
}

TEST(Refusals, ALlamaWithAnotherActivation) {
  const TemporaryFolder folder;
  TinyModel model = tiny_model();
  model.config["hidden_act"] = "gelu";
  model.write(folder / "model");
  expect_error(ErrorCode::kUnsupported, {"llama", "SiLU, not GELU"}, [&] { plan(folder / "model"); });
}

TEST(Refusals, LayersThatDifferWhereTheyMustNot) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  // The same in a LLaMA is written for 'deci'.
  const TemporaryFolder folder;
  convert_to_gguf(data / "golden/llama/pruned_perlayer", folder / "deci.gguf");
  const Checkpoint deci(folder / "deci.gguf");
  EXPECT_EQ(deci.gguf()->metadata().text("general.architecture", ""), "deci");
  EXPECT_EQ(deci.gguf()->metadata().integers("deci.feed_forward_length", "")->size(), 3u);
}

TEST(Refusals, AFolderWithoutATokenizer) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  expect_error(ErrorCode::kNotFound, {"tokenizer"}, [&] { plan(data / "golden/llama", ToGgufOptions()); });
}

TEST(Refusals, AValueBeyondTheRangeOfHalves) {
  const TemporaryFolder folder;
  TinyModel model = tiny_model();
  model.set(tiny_ffn_tensor(1, "up"), 3, 1e6f);
  model.write(folder / "model");
  expect_error(ErrorCode::kNonFinite, {"model.layers.1.mlp.up_proj.weight", "F16", "choose f32 or bf16"},
               [&] { convert_to_gguf(folder / "model", folder / "out.gguf", Dtype::kF16); });
  EXPECT_FALSE(std::filesystem::exists(folder / "out.gguf"));
  for (const auto& [name, bytes] : folder_contents(folder.path())) EXPECT_TRUE(name.starts_with("model")) << name;
}

TEST(Refusals, NaN) {
  const TemporaryFolder folder;
  TinyModel model = tiny_model();
  model.set(tiny_ffn_tensor(0, "gate"), 5, std::numeric_limits<float>::quiet_NaN());
  model.write(folder / "model");
  expect_error(ErrorCode::kNonFinite, {"model.layers.0.mlp.gate_proj.weight", "NaN"},
               [&] { convert_to_gguf(folder / "model", folder / "out.gguf"); });
  EXPECT_FALSE(std::filesystem::exists(folder / "out.gguf"));
}

TEST(Refusals, OutputsThatExistOrAreTheModel) {
  const TemporaryFolder folder;
  tiny_model().write(folder / "model");
  convert_to_gguf(folder / "model", folder / "out.gguf");
  const std::string before = read_bytes(folder / "out.gguf");
  expect_error(ErrorCode::kExists, {"out.gguf"}, [&] { convert_to_gguf(folder / "model", folder / "out.gguf"); });
  expect_error(ErrorCode::kBadOption, {"is the model itself"}, [&] { convert_to_gguf(folder / "out.gguf", folder / "out.gguf"); });
  std::filesystem::create_hard_link(folder / "out.gguf", folder / "other.gguf");
  expect_error(ErrorCode::kBadOption, {"is the model itself"}, [&] { convert_to_gguf(folder / "out.gguf", folder / "other.gguf"); });
  expect_error(ErrorCode::kBadOption, {"own folder"}, [&] { convert_to_gguf(folder / "model", folder / "model" / "x.gguf"); });
  EXPECT_EQ(read_bytes(folder / "out.gguf"), before);
}

TEST(Refusals, AFileThatIsNoGgufIsNotReplaced) {
  const TemporaryFolder folder;
  tiny_model().write(folder / "model");
  write_bytes(folder / "notes.gguf", "my notes");
  const Checkpoint checkpoint(folder / "model");
  SilentProgress silent;
  const GgufPlan gguf = plan_gguf(checkpoint, describe_model(checkpoint), without_vocabulary());
  expect_error(ErrorCode::kExists, {"notes.gguf"}, [&] { write_gguf(checkpoint, gguf, folder / "notes.gguf", true, silent); });
  EXPECT_EQ(read_bytes(folder / "notes.gguf"), "my notes");
}

TEST(Refusals, OtherArchitecturesAsFolders) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  convert_to_gguf(data / "golden/gpt2", folder / "gpt2.gguf");
  expect_error(ErrorCode::kUnsupported, {"gpt2", "llama"}, [&] { convert_to_folder(folder / "gpt2.gguf", folder / "out"); });
}

TEST(Refusals, VocabulariesThatContradictThemselves) {
  GgufMetadata metadata;
  expect_error(ErrorCode::kNotFound, {"no vocabulary", "tokenizer.ggml.model"}, [&] { vocabulary_of(metadata, "x.gguf"); });
  metadata.set("tokenizer.ggml.model", GgufValue::of_text("llama"));
  expect_error(ErrorCode::kNotFound, {"tokenizer.ggml.tokens"}, [&] { vocabulary_of(metadata, "x.gguf"); });
  metadata.set("tokenizer.ggml.tokens", GgufValue::of_u32(3));
  expect_error(ErrorCode::kFormat, {"tokenizer.ggml.tokens"}, [&] { vocabulary_of(metadata, "x.gguf"); });
  metadata.set("tokenizer.ggml.tokens", GgufValue::of_texts({"a", "b"}));
  metadata.set("tokenizer.ggml.bos_token_id", GgufValue::of_u32(2));
  expect_error(ErrorCode::kFormat, {"tokenizer.ggml.bos_token_id", "2"}, [&] { vocabulary_of(metadata, "x.gguf"); });
  metadata.set("tokenizer.ggml.bos_token_id", GgufValue::of_u32(0xffffffffu));  // how some write "none"
  EXPECT_FALSE(vocabulary_of(metadata, "x.gguf").bos.has_value());
}

}  // namespace
}  // namespace prunenet
