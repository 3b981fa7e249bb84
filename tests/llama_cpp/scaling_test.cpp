// What configs say beyond the goldens: stretched rotary positions of every kind, biases, heads of another size, a tied
// head, other orders of the blocks. Each variant of a golden is converted by the program and held against llama.cpp; what
// became 'llama' also comes back as a folder that says the same.
#include <algorithm>
#include <cmath>
#include <functional>
#include <ostream>

#include "llama_cpp/client.h"
#include "llama_cpp/vocabulary.h"
#include "model/rotary.h"
#include "program/runtime.h"
#include "support/edited_model.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Edit = std::function<void(EditedModel&)>;

// f32 sums in another order, and rotary factors stored in f32 (measured: 3e-6). GELU: llama.cpp's is a table of halves.
constexpr LlamaCppTolerances kExact{.logits = 1e-4, .token_nll = 5e-5}, kGelu{.logits = 1.5e-2, .token_nll = 5e-3};

struct Case {
  const char* name;
  const char* golden;
  const char* architecture;
  Edit edit;
  size_t ids = 48;          // beyond the original contexts below
  LlamaCppRun run{};
  LlamaCppTolerances tolerances = kExact;
  bool notes = false;       // whether the program has something to say
};

std::ostream& operator<<(std::ostream& out, const Case& tested) { return out << tested.name; }

Edit with_scaling(const Json& scaling) {
  return [scaling](EditedModel& model) { model.config["rope_scaling"] = scaling; };
}

Json llama3(int64_t original) {
  return {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0},
          {"original_max_position_embeddings", original}};
}

// Long and short factors of 8 frequencies; the long ones begin beyond 256 tokens, the smallest context of llama.cpp.
Json longrope() {
  return {{"type", "longrope"},
          {"short_factor", {1.0, 1.05, 1.1, 1.2, 1.4, 1.7, 2.0, 2.5}},
          {"long_factor", {1.0, 1.2, 1.5, 2.5, 5.0, 9.0, 17.0, 30.0}}};
}

void make_long(EditedModel& model) {
  model.config["rope_scaling"] = longrope();
  model.config["original_max_position_embeddings"] = 256;
  model.config["max_position_embeddings"] = 1024;
}

std::string layer(int index, const std::string& part) { return "model.layers." + std::to_string(index) + "." + part; }

void add_biases(EditedModel& model, const std::vector<std::string>& modules) {
  for (int index = 0; index < 3; ++index) {
    for (const std::string& module : modules) {
      const int64_t rows = model.tensor(layer(index, module + ".weight")).spec.shape[0];
      model.put_random(layer(index, module + ".bias"), {rows}, 0.3f);
    }
  }
}

// Heads of 24 numbers where hidden / heads is 16.
void make_heads_larger(EditedModel& model) {
  model.config["head_dim"] = 24;
  for (int index = 0; index < 3; ++index) {
    for (const auto& [name, rows] : {std::pair{"q_proj", 96}, {"k_proj", 48}, {"v_proj", 48}}) {
      model.put_random(layer(index, "self_attn." + std::string(name) + ".weight"), {rows, 64}, 0.3f);
      if (model.config["model_type"] == "qwen2")
        model.put_random(layer(index, "self_attn." + std::string(name) + ".bias"), {rows}, 0.3f);
    }
    model.put_random(layer(index, "self_attn.o_proj.weight"), {64, 96}, 0.2f);
  }
}

// Falcon 40B: queries, keys and values in two groups, and a norm for each of attention and FFN.
void make_new_falcon(EditedModel& model) {
  model.config["new_decoder_architecture"] = true;
  model.config["num_kv_heads"] = 2;
  for (int index = 0; index < 3; ++index) {
    const std::string prefix = "transformer.h." + std::to_string(index) + ".";
    model.put_random(prefix + "self_attention.query_key_value.weight", {128, 64}, 0.3f);
    for (const char* kind : {".weight", ".bias"}) {
      const TestTensor norm = model.tensor(prefix + "input_layernorm" + kind);
      model.remove(prefix + "input_layernorm" + kind);
      model.tensors.push_back({{prefix + "ln_attn" + kind, norm.spec.dtype, norm.spec.shape}, norm.bytes});
      model.put_random(prefix + "ln_mlp" + kind, {64}, 0.8f);
    }
  }
}

const std::vector<Case>& cases() {
  const Json linear{{"type", "linear"}, {"factor", 4.0}},
      yarn{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}};
  Json strong_yarn = yarn;
  strong_yarn["attention_factor"] = 1.5;
  const LlamaCppRun short_context{.context = 256}, long_context{.context = 512, .greedy = false};
  static const std::vector<Case> all{
      {"linear", "llama", "llama", with_scaling(linear)},
      {"llama3", "llama", "llama", with_scaling(llama3(8192))},
      {"llama3_small", "llama", "llama", with_scaling(llama3(16))},
      {"yarn", "llama", "llama", with_scaling(yarn)},
      {"yarn_attention_factor", "llama", "llama", with_scaling(strong_yarn)},
      {"longrope_short", "llama", "llama", make_long, 48, short_context, kExact, true},
      {"longrope_long", "llama", "llama", make_long, 300, long_context, kExact, true},
      {"qwen2_linear", "qwen2", "qwen2", with_scaling(linear)},
      {"qwen2_yarn", "qwen2", "qwen2", with_scaling(yarn)},
      {"phi3_longrope_short", "phi3", "phi3", make_long, 48, short_context, kExact, true},
      {"phi3_longrope_long", "phi3", "phi3", make_long, 300, long_context, kExact, true},
      {"phi3_partial", "phi3", "phi3", [](EditedModel& model) { model.config["partial_rotary_factor"] = 0.5; }},
      {"attention_bias", "llama", "llama",
       [](EditedModel& model) {
         model.config["attention_bias"] = true;
         add_biases(model, {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"});
       }},
      {"mlp_bias", "llama", "llama",
       [](EditedModel& model) {
         model.config["mlp_bias"] = true;
         add_biases(model, {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"});
       }},
      {"larger_heads", "llama", "llama", make_heads_larger},
      {"larger_heads_llama3", "llama", "llama",
       [](EditedModel& model) {
         make_heads_larger(model);
         model.config["rope_scaling"] = llama3(16);
       }},
      {"qwen2_larger_heads", "qwen2", "deci", make_heads_larger, 48, {}, kExact, true},
      {"tied_head", "llama", "llama",
       [](EditedModel& model) {
         model.config["tie_word_embeddings"] = true;
         model.remove("lm_head.weight");
       }},
      {"neox_sequential", "gpt_neox", "gptneox",
       [](EditedModel& model) { model.config["use_parallel_residual"] = false; }, 48, {}, kGelu},
      {"falcon_new_decoder", "falcon7b_mqa", "falcon", make_new_falcon, 48, {}, kGelu}};
  return all;
}

// The golden's ids and others that do not repeat it.
std::vector<TokenId> ids_of(const fs::path& golden, size_t count) {
  std::vector<TokenId> ids = golden_ids(golden);
  while (ids.size() < count) ids.push_back(3 + static_cast<TokenId>((ids.size() * 37 + ids.size() / 7 * 101) % 505));
  return ids;
}

Json our_score(const fs::path& model, const std::vector<TokenId>& ids) {
  std::string list;
  for (const TokenId id : ids) list += (list.empty() ? "" : ",") + std::to_string(id);
  return prunenet_json(small_run({"score", model, "--ids", list}));
}

RotaryDescription rotary_of(const fs::path& folder) {
  const Checkpoint checkpoint(folder);
  return *describe_transformer(checkpoint, describe_model(checkpoint)).rotary;
}

// The same angles, to the f32 in which GGUF has the factors. GGUF does not say by which rule of LLaMA 3 they came to be:
// but for that of Meta's models they come back as a longrope whose long factors are the short ones.
void expect_same_rotary(const fs::path& before, const fs::path& after) {
  const RotaryDescription a = rotary_of(before), b = rotary_of(after);
  const auto expect_near = [](const std::vector<double>& x, const std::vector<double>& y) {
    ASSERT_EQ(x.size(), y.size());
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i] / x[i], 1, 3e-7) << i;
  };
  expect_near(a.inv_freq, b.inv_freq);
  if (a.long_inv_freq.empty()) {
    if (!b.long_inv_freq.empty()) expect_near(a.inv_freq, b.long_inv_freq);
  } else {
    expect_near(a.long_inv_freq, b.long_inv_freq);
    EXPECT_EQ(a.long_from, b.long_from);
  }
  EXPECT_NEAR(a.attention_factor, b.attention_factor, 1e-6);
}

class Variant : public testing::TestWithParam<Case> {
 protected:
  // The variant as a folder with a tokenizer, and converted.
  void make(const fs::path& data) {
    const Case& tested = GetParam();
    EditedModel edited = read_model(data / "golden" / tested.golden);
    tested.edit(edited);
    edited.write(folder_ / "bare");
    copy_with_vocabulary(folder_ / "bare", model_);
    ids_ = ids_of(data / "golden" / tested.golden, tested.ids);
    const Json converted = prunenet_json({"convert", model_.string(), "-o", gguf_.string()});
    EXPECT_EQ(converted["notes"].empty(), !tested.notes) << converted["notes"];
  }

  TemporaryFolder folder_;
  const fs::path model_ = folder_ / "model", gguf_ = folder_ / "model.gguf";
  std::vector<TokenId> ids_;
};

TEST_P(Variant, AgreesWithLlamaCpp) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  make(data);
  const Case& tested = GetParam();
  const Json answer = expect_llama_cpp_agrees(model_, gguf_, ids_, tested.tolerances, tested.run);
  EXPECT_EQ(answer["info"]["arch"], tested.architecture);
  // The edit is one that counts: without it (but with room for the ids) the numbers are others.
  EditedModel plain = read_model(data / "golden" / tested.golden);
  plain.config["max_position_embeddings"] = 1024;
  plain.write(folder_ / "plain");
  const Json ours = our_score(model_, ids_)["logits_last"], others = our_score(folder_ / "plain", ids_)["logits_last"];
  double difference = 0;
  for (size_t i = 0; i < ours.size(); ++i)
    difference = std::max(difference, std::abs(ours[i].get<double>() - others.at(i).get<double>()));
  EXPECT_GT(difference, 10 * tested.tolerances.logits);
}

TEST_P(Variant, MeansTheSameInOurRuntimeAndComesBack) {
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  make(data);
  const auto expect_same = [&](const fs::path& other) {
    const Json a = our_score(model_, ids_), b = our_score(other, ids_);
    ASSERT_TRUE(a.contains("logits_last") && b.contains("logits_last"));
    for (size_t i = 0; i < a["logits_last"].size(); ++i)
      ASSERT_NEAR(a["logits_last"][i].get<double>(), b["logits_last"][i].get<double>(), 1e-4) << other << " " << i;
    EXPECT_EQ(a["greedy"], b["greedy"]);
  };
  expect_same(gguf_);
  if (std::string_view(GetParam().architecture) != "llama") return;
  prunenet_json({"convert", gguf_.string(), "-o", (folder_ / "back").string()});
  expect_same(folder_ / "back");
  expect_same_rotary(model_, folder_ / "back");
}

INSTANTIATE_TEST_SUITE_P(SlowLlamaCpp, Variant, testing::ValuesIn(cases()),
                         [](const auto& tested) { return std::string(tested.param.name); });

// One of each kind that most models have, in the fast suite; our runtime on the file alone, since it is held against the
// folder above.
TEST(LlamaCpp, StretchesRotaryPositionsAsWeDo) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const Case& tested : cases()) {
    const std::string name = tested.name;
    if (name != "llama3_small" && name != "yarn_attention_factor") continue;
    const TemporaryFolder folder;
    EditedModel edited = read_model(data / "golden" / tested.golden);
    tested.edit(edited);
    edited.write(folder / "bare");
    copy_with_vocabulary(folder / "bare", folder / "model");
    prunenet_json({"convert", (folder / "model").string(), "-o", (folder / "model.gguf").string()});
    expect_llama_cpp_agrees(folder / "model.gguf", folder / "model.gguf", ids_of(data / "golden" / tested.golden, 48), tested.tolerances);
  }
}

}  // namespace
}  // namespace prunenet::test
