// GGUF files whose metadata state no model: what is missing, unknown or contradicts itself is named.
#include <functional>
#include <limits>

#include "base/random.h"
#include "gguf_outline.h"

namespace prunenet {
namespace {

using namespace test;

struct Refusal {
  const char* architecture;
  ErrorCode code;
  std::vector<std::string> words;
  std::function<void(Outline&)> spoil;
};

TEST(Gguf, WhatIsMissingOrUnknownIsNamed) {
  const auto missing = [](const char* name) -> Refusal {
    return {"llama", ErrorCode::kFormat, {"model.gguf", std::string("lacks 'llama.") + name}, [name](Outline& o) {
              o.erase(name);
            }};
  };
  const auto with = [](const char* architecture, ErrorCode code, std::vector<std::string> words, const char* name,
                       GgufValue value) -> Refusal {
    return {architecture, code, std::move(words), [=](Outline& o) { o.set(name, value); }};
  };
  const ErrorCode format = ErrorCode::kFormat, unsupported = ErrorCode::kUnsupported, mismatch = ErrorCode::kMismatch;
  const Refusal table[] = {
      missing("block_count"),
      missing("context_length"),
      missing("embedding_length"),
      missing("feed_forward_length"),
      missing("attention.head_count"),
      missing("attention.layer_norm_rms_epsilon"),
      {"gpt2", format, {"gpt2.attention.layer_norm_epsilon"}, [](Outline& o) { o.erase("attention.layer_norm_epsilon"); }},
      {"gptneox", format, {"gptneox.use_parallel_residual"}, [](Outline& o) { o.erase("use_parallel_residual"); }},
      {"llama", format, {"general.architecture"}, [](Outline& o) { o.metadata.erase("general.architecture"); }},
      {"llama", unsupported, {"mamba", "llama", "gptneox"},
       [](Outline& o) { o.metadata.set("general.architecture", GgufValue::of_text("mamba")); }},
      {"llama", unsupported, {"3 parts"},
       [](Outline& o) { o.metadata.set("split.count", GgufValue::of_u32(3)); }},
      with("llama", format, {"llama.block_count", "0"}, "block_count", GgufValue::of_u32(0)),
      with("llama", format, {"llama.block_count", "100000"}, "block_count", GgufValue::of_u32(4000000000)),
      with("llama", mismatch, {"llama.block_count", "is 90000"}, "block_count", GgufValue::of_u32(90000)),
      with("llama", format, {"llama.embedding_length", "-3"}, "embedding_length", GgufValue::of_i32(-3)),
      with("llama", format, {"llama.embedding_length"}, "embedding_length", GgufValue::of_text("many")),
      with("llama", mismatch, {"llama.feed_forward_length", "3 entries", "2 layers"}, "feed_forward_length",
           GgufValue::of_i32s({24, 24, 24})),
      with("llama", format, {"llama.feed_forward_length", "-1"}, "feed_forward_length", GgufValue::of_i32s({24, -1})),
      with("deci", unsupported, {"deci.attention.head_count_kv", "layer 1"}, "attention.head_count_kv",
           GgufValue::of_i32s({2, 0})),
      with("deci", unsupported, {"deci.feed_forward_length", "layer 0"}, "feed_forward_length",
           GgufValue::of_i32s({0, 24})),
      with("llama", unsupported, {"llama.attention.head_count", "layer 0"}, "attention.head_count", GgufValue::of_u32(0)),
      with("llama", mismatch, {"llama.attention.head_count_kv", "3"}, "attention.head_count_kv", GgufValue::of_u32(3)),
      with("llama", mismatch, {"32 heads", "16"}, "attention.head_count", GgufValue::of_u32(32)),
      with("llama", unsupported, {"llama.attention.value_length"}, "attention.value_length", GgufValue::of_u32(2)),
      with("llama", unsupported, {"llama.expert_count", "mixture of experts"}, "expert_count", GgufValue::of_u32(8)),
      with("llama", unsupported, {"llama.attention.causal"}, "attention.causal", GgufValue::of_bool(false)),
      with("llama", unsupported, {"llama.attention.scale", "0.1"}, "attention.scale", GgufValue::of_f32(0.1f)),
      with("gemma", unsupported, {"gemma.final_logit_softcapping", "30"}, "final_logit_softcapping",
           GgufValue::of_f32(30)),
      with("llama", format, {"llama.attention.layer_norm_rms_epsilon"}, "attention.layer_norm_rms_epsilon",
           GgufValue::of_f32(std::numeric_limits<float>::quiet_NaN())),
      with("llama", format, {"llama.attention.layer_norm_rms_epsilon", "above 0"}, "attention.layer_norm_rms_epsilon",
           GgufValue::of_f32(0)),
      with("llama", format, {"llama.rope.freq_base", "above 1"}, "rope.freq_base", GgufValue::of_f32(1)),
      with("phi2", format, {"phi2.rope.dimension_count", "3"}, "rope.dimension_count", GgufValue::of_u32(3)),
      with("phi2", format, {"phi2.rope.dimension_count", "6"}, "rope.dimension_count", GgufValue::of_u32(6)),
      with("llama", unsupported, {"llama.rope.scaling.type", "'ntk'", "yarn"}, "rope.scaling.type",
           GgufValue::of_text("ntk")),
      with("llama", format, {"llama.rope.scaling.factor", "-2"}, "rope.scaling.factor", GgufValue::of_f32(-2)),
      with("llama", unsupported, {"llama.rope.scaling.attn_factor"}, "rope.scaling.attn_factor", GgufValue::of_f32(1.2f)),
      {"llama", mismatch, {"rope_freqs.weight", "2 numbers"},
       [](Outline& o) { o.add("rope_freqs.weight", std::vector<float>{1, 1, 1}); }},
      {"llama", format, {"rope_freqs.weight", "0"},
       [](Outline& o) { o.add("rope_freqs.weight", std::vector<float>{1, 0}); }},
      {"llama", unsupported, {"yarn", "factors"},
       [](Outline& o) {
         o.set("rope.scaling.type", GgufValue::of_text("yarn"));
         o.add("rope_freqs.weight", std::vector<float>{1, 2});
       }},
      {"llama", mismatch, {"blk.0.ffn_up.weight"}, [](Outline& o) { o.remove("blk.0.ffn_up.weight"); }},
      {"llama", mismatch, {"states 2 layers", "blk.2.attn_norm.weight"},
       [](Outline& o) { o.add("blk.2.attn_norm.weight", std::vector<int64_t>{16}); }},
      {"llama", unsupported, {"blk.0.ffn_gate_inp.weight", "experts"},
       [](Outline& o) { o.add("blk.0.ffn_gate_inp.weight", std::vector<int64_t>{4, 16}); }},
  };
  for (const Refusal& refusal : table) {
    SCOPED_TRACE(refusal.words.back());
    Outline outline = outline_of(refusal.architecture);
    refusal.spoil(outline);
    expect_error(refusal.code, refusal.words, [&] { Opened(outline).model(); });
  }
}

// Whatever the metadata says, the file is described or refused.
TEST(Gguf, RandomMetadataNeverTripsADefect) {
  RandomStream random(7, RandomStage::kDemoModel);
  const auto below = [&](size_t count) { return static_cast<size_t>(random.next_u32()) % count; };
  const std::vector<std::string> further{"attention.key_length",
                                         "attention.value_length",
                                         "rope.dimension_count",
                                         "rope.freq_base",
                                         "rope.scaling.type",
                                         "rope.scaling.factor",
                                         "rope.scaling.attn_factor",
                                         "rope.scaling.original_context_length",
                                         "rope.scaling.yarn_beta_fast",
                                         "attention.sliding_window",
                                         "expert_count"};
  const auto value = [&]() -> GgufValue {
    const uint32_t numbers[] = {0, 1, 2, 3, 4, 5, 16, 24, 255, 1000003, 0x7fffffff, 0x80000000, 0xffffffff};
    const float reals[] = {
        0, 1, -1, 1e-30f, 3e38f, 0.3f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()};
    const char* texts[] = {"", "yarn", "linear", "longrope", "none"};
    const auto whole = [&] { return numbers[below(std::size(numbers))]; };
    switch (below(7)) {
      case 0:
        return GgufValue::of_i32(static_cast<int32_t>(whole()));
      case 1:
        return GgufValue::of_u64(uint64_t{whole()} << below(33));
      case 2:
        return GgufValue::of_f32(reals[below(std::size(reals))]);
      case 3:
        return GgufValue::of_text(texts[below(std::size(texts))]);
      case 4:
        return GgufValue::of_u32s(std::vector<uint32_t>(below(4), whole()));
      case 5:
        return GgufValue::of_bool(below(2) == 0);
      default:
        return GgufValue::of_u32(whole());
    }
  };
  size_t described = 0, refused = 0;
  for (const std::string& architecture : kArchitectures) {
    for (int round = 0; round < 60; ++round) {
      Outline outline = outline_of(architecture);
      if (below(2) == 0) {
        outline.add("rope_freqs.weight", std::vector<float>{1, 2});
        outline.add("rope_factors_long.weight", std::vector<float>{1, 2});
        outline.add("rope_factors_short.weight", std::vector<float>{1, 2});
      }
      const size_t changes = 1 + below(3);
      for (size_t i = 0; i < changes; ++i) {
        const auto& items = outline.metadata.items();
        const size_t at = 1 + below(items.size() - 1 + further.size());
        outline.metadata.set(at < items.size() ? items[at].key : architecture + "." + further[at - items.size()],
                             value());
      }
      const Opened opened(outline);
      try {
        describe_transformer(opened.checkpoint(), opened.model());
        ++described;
      } catch (const Error& error) {
        EXPECT_NE(error.code(), ErrorCode::kInternal) << architecture << ": " << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(described, 30u);
  EXPECT_GT(refused, 100u);
}

TEST(Gguf, WhatTheForwardPassLacksIsNamed) {
  for (const char* name :
       {"blk.1.attn_q.weight", "output_norm.weight", "blk.0.attn_norm.weight", "token_embd.weight"}) {
    Outline outline = outline_of("llama");
    outline.remove(name);
    outline.number("vocab_size", 10);
    expect_error(ErrorCode::kMismatch, {"model.gguf", name}, [&] { Opened(outline).transformer(); });
  }
  Outline outline = outline_of("gpt2");
  outline.remove("position_embd.weight");
  expect_error(ErrorCode::kMismatch, {"position_embd.weight"}, [&] { Opened(outline).transformer(); });
}

}  // namespace
}  // namespace prunenet
