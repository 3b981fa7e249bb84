// Rotary scaling as GGUF files state it.
#include <cmath>

#include "gguf_outline.h"

namespace prunenet {
namespace {

using nlohmann::json;
using namespace test;

json scaling_of(const Outline& outline) {
  return Opened(outline).config()["rope_scaling"];
}

TEST(Gguf, OneFactorForAllFrequencies) {
  Outline outline = outline_of("llama");
  const std::vector<double> plain = Opened(outline).transformer().rotary->inv_freq;
  outline.real("rope.scaling.factor", 4);  // linear, where no type is stated
  EXPECT_EQ(scaling_of(outline), (json{{"type", "linear"}, {"factor", 4.0}}));
  EXPECT_EQ(Opened(outline).transformer().rotary->inv_freq[1], plain[1] / 4);
  outline.set("rope.scaling.type", GgufValue::of_text("linear"));
  EXPECT_EQ(scaling_of(outline), (json{{"type", "linear"}, {"factor", 4.0}}));
  outline.set("rope.scaling.type", GgufValue::of_text("none"));
  EXPECT_TRUE(scaling_of(outline).is_null());
  outline.erase("rope.scaling.type");
  outline.erase("rope.scaling.factor");
  outline.real("rope.scale_linear", 2.5f);  // as it was once called
  EXPECT_EQ(scaling_of(outline), (json{{"type", "linear"}, {"factor", 2.5}}));
}

TEST(Gguf, Yarn) {
  Outline outline = outline_of("qwen2");
  outline.set("rope.scaling.type", GgufValue::of_text("yarn"));
  outline.real("rope.scaling.factor", 4);
  outline.number("rope.scaling.original_context_length", 32);
  EXPECT_EQ(scaling_of(outline),
            (json{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}}));
  EXPECT_NEAR(Opened(outline).transformer().rotary->attention_factor, 0.1 * std::log(4.0) + 1, 1e-12);
  outline.real("rope.scaling.yarn_beta_fast", 16);
  outline.real("rope.scaling.yarn_beta_slow", 2);
  outline.real("rope.scaling.yarn_attn_factor", 1.5f);
  outline.real("rope.scaling.yarn_ext_factor", 1);
  // llama.cpp reads the first three of none of these architectures.
  EXPECT_EQ(scaling_of(outline),
            (json{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}}));
  outline.real("rope.scaling.attn_factor", 1.5f);
  EXPECT_NEAR(Opened(outline).transformer().rotary->attention_factor, 1.5 * (0.1 * std::log(4.0) + 1), 1e-6);
  outline.real("rope.scaling.yarn_ext_factor", 0.5f);
  expect_error(ErrorCode::kUnsupported, {"qwen2.rope.scaling.yarn_ext_factor", "0.5"}, [&] { scaling_of(outline); });
}

// LLaMA 3's factors, by its rule, for heads of 64 numbers.
TEST(Gguf, TheFactorsOfLlama3BecomeItsRule) {
  Outline outline = outline_of("llama");
  outline.number("attention.key_length", 64);
  outline.number("attention.value_length", 64);
  outline.real("rope.freq_base", 500000);
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
    for (const char* layer : {"blk.0.", "blk.1."}) {
      auto& shape = outline.tensor(std::string(layer) + name + ".weight").shape;
      shape[std::string(name) == "attn_output" ? 1 : 0] *= 16;
    }
  }
  std::vector<float> factors;
  for (int i = 0; i < 64; i += 2) {
    const double wave = 2 * 3.14159265358979323846 * std::pow(500000.0, i / 64.0);
    const double smooth = (8192 / wave - 1) / 3;
    factors.push_back(wave < 2048 ? 1 : wave > 8192 ? 32 : static_cast<float>(1 / ((1 - smooth) / 32 + smooth)));
  }
  ASSERT_TRUE(std::any_of(factors.begin(), factors.end(), [](float f) { return f > 1 && f < 32; }));
  Outline plain = outline;
  outline.add("rope_freqs.weight", factors);
  EXPECT_EQ(scaling_of(outline), (json{{"rope_type", "llama3"},
                                       {"factor", 32.0},
                                       {"low_freq_factor", 1.0},
                                       {"high_freq_factor", 4.0},
                                       {"original_max_position_embeddings", 8192}}));
  const Opened opened(outline);
  EXPECT_EQ(opened.model().buffers, std::vector<std::string>{"rope_freqs.weight"});
  const std::vector<double> before = Opened(plain).transformer().rotary->inv_freq,
                            after = opened.transformer().rotary->inv_freq;
  for (size_t i = 0; i < factors.size(); ++i)
    EXPECT_NEAR(before[i] / after[i], static_cast<double>(factors[i]), 1e-5 * static_cast<double>(factors[i]));

  factors[5] = 1.25f;  // any others: each for itself
  plain.add("rope_freqs.weight", factors);
  const json other = scaling_of(plain);
  EXPECT_EQ(other["rope_type"], "longrope");
  EXPECT_EQ(other["short_factor"][5], 1.25);
  EXPECT_EQ(other["short_factor"], other["long_factor"]);
  const RotaryDescription rotary = *Opened(plain).transformer().rotary;
  EXPECT_EQ(rotary.inv_freq[5], before[5] / 1.25);
  EXPECT_EQ(rotary.attention_factor, 1);
  plain.values["rope_freqs.weight"] = std::vector<float>(32, 1);
  EXPECT_TRUE(scaling_of(plain).is_null());
}

TEST(Gguf, Phi3HasFactorsForShortAndLongTexts) {
  Outline outline = outline_of("phi3");
  outline.number("rope.scaling.original_context_length", 16);
  outline.number("attention.sliding_window", 9);
  outline.real("rope.scaling.attn_factor", static_cast<float>(std::sqrt(1 + std::log(4.0) / std::log(16.0))));
  outline.add("rope_factors_long.weight", std::vector<float>{2, 3.5f});
  outline.add("rope_factors_short.weight", std::vector<float>{1, 1.1f});
  const Opened opened(outline);
  // The keys that transformers' Phi3Config allows, and no others.
  EXPECT_EQ(opened.config()["rope_scaling"],
            (json{{"type", "longrope"}, {"short_factor", {1.0, 1.1}}, {"long_factor", {2.0, 3.5}}}));
  EXPECT_EQ(opened.config()["original_max_position_embeddings"], 16);
  EXPECT_EQ(opened.config()["sliding_window"], 9);
  const TransformerDescription transformer = opened.transformer();
  EXPECT_EQ(transformer.rotary->long_from, 16);
  EXPECT_EQ(transformer.rotary->long_inv_freq[0], 0.5);
  EXPECT_NEAR(transformer.rotary->attention_factor, std::sqrt(1.5), 1e-12);
  EXPECT_EQ(transformer.blocks[0].attention.window, 9);
  outline.real("rope.scaling.attn_factor", 1.5f);
  EXPECT_EQ(Opened(outline).transformer().rotary->attention_factor, 1.5);
  outline.remove("rope_factors_long.weight");
  expect_error(ErrorCode::kMismatch, {"rope_factors_long.weight", "only one"}, [&] { scaling_of(outline); });
}

}  // namespace
}  // namespace prunenet
