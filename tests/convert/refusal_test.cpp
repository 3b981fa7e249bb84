// What cannot be converted, and why; and that nothing is left of it.
#include <gtest/gtest.h>

#include "convert/fixtures.h"
#include "convert/vocabulary.h"
#include "support/edited_model.h"
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

// Plans the golden with one thing changed.
void plan_edited(const std::filesystem::path& golden, const std::function<void(EditedModel&)>& edit) {
  const TemporaryFolder folder;
  EditedModel model = read_model(golden);
  edit(model);
  model.write(folder / "model");
  plan(folder / "model");
}

TEST(Refusals, RotaryScalingThatTheArchitectureDoesNotRead) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto expect_refused = [&](const std::string& golden, const std::vector<std::string>& words,
                                  const nlohmann::json& scaling) {
    expect_error(ErrorCode::kUnsupported, words, [&] {
      plan_edited(data / "golden" / golden, [&](EditedModel& model) { model.config["rope_scaling"] = scaling; });
    });
  };
  const nlohmann::json llama3{{"rope_type", "llama3"},
                              {"factor", 8.0},
                              {"low_freq_factor", 1.0},
                              {"high_freq_factor", 4.0},
                              {"original_max_position_embeddings", 8192}};
  const std::vector<double> factors(8, 2.0);
  const nlohmann::json longrope{{"rope_type", "longrope"},
                                {"short_factor", factors},
                                {"long_factor", factors},
                                {"original_max_position_embeddings", 64}};
  expect_refused("qwen2", {"'qwen2' reads no rotary factors of the kind 'llama3'"}, llama3);
  expect_refused("phi3", {"'phi3' reads no rotary factors of the kind 'llama3'"}, llama3);
  expect_refused("qwen2", {"'qwen2' reads no rotary factors of the kind 'longrope'"}, longrope);
  const nlohmann::json yarn{
      {"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}, {"beta_fast", 4}};
  for (const char* golden : {"llama", "qwen2"})
    expect_refused(golden, {"beta_fast 32 and beta_slow 1, not 4 and 1"}, yarn);
}

TEST(Refusals, BiasesThatTheArchitectureLacksOrNeeds) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  expect_error(
      ErrorCode::kUnsupported, {"'gptneox' needs biases of its attention", ".attention.dense.weight' has none"}, [&] {
        plan_edited(data / "golden/gpt_neox", [](EditedModel& model) {
          model.config["attention_bias"] = false;
          std::erase_if(model.tensors, [](const TestTensor& tensor) {
            return tensor.spec.name.find(".attention.") != std::string::npos && tensor.spec.name.ends_with(".bias");
          });
        });
      });
  expect_error(ErrorCode::kUnsupported, {"'falcon' has no biases of its", "bias' is there"}, [&] {
    plan_edited(data / "golden/falcon7b_mqa", [](EditedModel& model) {
      model.config["bias"] = true;
      for (int layer = 0; layer < 3; ++layer) {
        for (const char* module :
             {"self_attention.query_key_value", "self_attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"}) {
          const std::string name = "transformer.h." + std::to_string(layer) + "." + module;
          model.put_random(name + ".bias", {model.tensor(name + ".weight").spec.shape[0]});
        }
      }
    });
  });
  expect_error(ErrorCode::kUnsupported, {"'gemma' has no biases of its attention", "_proj.bias' is there"}, [&] {
    plan_edited(data / "golden/gemma", [](EditedModel& model) {
      model.config["attention_bias"] = true;
      for (int layer = 0; layer < 3; ++layer) {
        for (const char* module : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
          const std::string name = "model.layers." + std::to_string(layer) + ".self_attn." + module;
          model.put_random(name + ".bias", {model.tensor(name + ".weight").spec.shape[0]});
        }
      }
    });
  });
}

TEST(Refusals, LayersThatDifferWhereTheyMustNot) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  expect_error(ErrorCode::kUnsupported,
               {"layer 1 has 96 neurons", "layer 0 has 256", "'gpt2' wants all layers alike", "--pad"}, [&] {
                 plan_edited(data / "golden/gpt2", [](EditedModel& model) {  // whose matrices are stored transposed
                   model.keep_cols("transformer.h.1.mlp.c_fc.weight", 96);
                   model.keep_rows("transformer.h.1.mlp.c_fc.bias", 96);
                   model.keep_rows("transformer.h.1.mlp.c_proj.weight", 96);
                 });
               });
  expect_error(ErrorCode::kUnsupported, {"layer 2 has 96 neurons", "layer 0 has 192", "'phi3' wants all layers alike"},
               [&] {
                 plan_edited(data / "golden/phi3", [](EditedModel& model) {
                   model.keep_rows("model.layers.2.mlp.gate_up_proj.weight", 192);
                   model.keep_cols("model.layers.2.mlp.down_proj.weight", 96);
                 });
               });
}

TEST(Conversion, WritesALlamaWhoseLayersDifferForDeci) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
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
  expect_error(ErrorCode::kBadOption, {"is the model itself"},
               [&] { convert_to_gguf(folder / "out.gguf", folder / "out.gguf"); });
  std::filesystem::create_hard_link(folder / "out.gguf", folder / "other.gguf");
  expect_error(ErrorCode::kBadOption, {"is the model itself"},
               [&] { convert_to_gguf(folder / "out.gguf", folder / "other.gguf"); });
  expect_error(ErrorCode::kBadOption, {"own folder"},
               [&] { convert_to_gguf(folder / "model", folder / "model" / "x.gguf"); });
  EXPECT_EQ(read_bytes(folder / "out.gguf"), before);
}

TEST(Refusals, AFileThatIsNoGgufIsNotReplaced) {
  const TemporaryFolder folder;
  tiny_model().write(folder / "model");
  write_bytes(folder / "notes.gguf", "my notes");
  const Checkpoint checkpoint(folder / "model");
  SilentProgress silent;
  const GgufPlan gguf = plan_gguf(checkpoint, describe_model(checkpoint), without_vocabulary());
  expect_error(ErrorCode::kExists, {"notes.gguf"},
               [&] { write_gguf(checkpoint, gguf, folder / "notes.gguf", true, silent); });
  EXPECT_EQ(read_bytes(folder / "notes.gguf"), "my notes");
}

TEST(Refusals, OtherArchitecturesAsFolders) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  convert_to_gguf(data / "golden/gpt2", folder / "gpt2.gguf");
  expect_error(ErrorCode::kUnsupported, {"gpt2", "llama"},
               [&] { convert_to_folder(folder / "gpt2.gguf", folder / "out"); });
}

TEST(Refusals, VocabulariesThatContradictThemselves) {
  GgufMetadata metadata;
  expect_error(ErrorCode::kNotFound, {"no vocabulary", "tokenizer.ggml.model"},
               [&] { vocabulary_of(metadata, "x.gguf"); });
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
