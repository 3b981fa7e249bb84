// Names and layouts of the tensors of GGUF files: norms, fused projections, sizes of heads and layers, what can be cut.
#include "gguf_outline.h"

namespace prunenet {
namespace {

using nlohmann::json;
using namespace test;

TEST(Gguf, FalconWithTwoNormsGivesTheFirstToTheFfn) {
  const Opened one(outline_of("falcon"));
  EXPECT_EQ(one.transformer().blocks[0].attention_norm->weight, "blk.0.attn_norm.weight");
  EXPECT_FALSE(one.transformer().blocks[0].ffn_norm);

  Outline outline = outline_of("falcon");
  outline.number("attention.head_count_kv", 2);
  for (int64_t layer = 0; layer < 2; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    outline.tensor(name + "attn_qkv.weight").shape = {32, 16};
    outline.add(name + "attn_norm_2.weight", std::vector<int64_t>{16});
    outline.add(name + "attn_norm_2.bias", std::vector<int64_t>{16});
  }
  const Opened two(outline);
  EXPECT_EQ(two.config()["new_decoder_architecture"], true);
  EXPECT_EQ(two.config()["num_kv_heads"], 2);
  EXPECT_EQ(two.transformer().blocks[1].attention_norm->weight, "blk.1.attn_norm_2.weight");
  EXPECT_EQ(two.transformer().blocks[1].ffn_norm->weight, "blk.1.attn_norm.weight");
}

TEST(Gguf, QueryKeyAndValueMayBeFusedOrNot) {
  Outline outline = outline_of("llama");
  outline.linear("blk.1.attn_qkv", 32, 16, false);
  for (const char* part : {"q", "k", "v"}) outline.remove(std::string("blk.1.attn_") + part + ".weight");
  const Opened opened(outline);
  const TransformerDescription transformer = opened.transformer();
  EXPECT_FALSE(transformer.blocks[0].attention.fused);
  ASSERT_TRUE(transformer.blocks[1].attention.fused);
  EXPECT_EQ(transformer.blocks[1].attention.fused_groups, 1);
  EXPECT_EQ(transformer.blocks[1].attention.kv_heads, 2);
  const CoupledGroup group = opened.model().layers[1].attention.kv_groups;
  ASSERT_EQ(group.members.size(), 2u);
  EXPECT_EQ(owned_indices(group.members[0], {1}),
            (std::vector<int64_t>{8, 9, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31}));
}

TEST(Gguf, MistralIsALlamaThatStatesAWindow) {
  Outline outline = outline_of("llama");
  outline.number("attention.sliding_window", 0);
  EXPECT_EQ(Opened(outline).config()["model_type"], "llama");
  outline.number("attention.sliding_window", 5);
  const Opened opened(outline);
  EXPECT_EQ(opened.config()["model_type"], "mistral");
  EXPECT_EQ(opened.config()["architectures"], json::array({"MistralForCausalLM"}));
  EXPECT_EQ(opened.transformer().blocks[1].attention.window, 5);
  EXPECT_EQ(Opened(outline_of("llama")).transformer().blocks[1].attention.window, 0);
}

TEST(Gguf, HeadsOfTheirOwnSizeAndPartsThatTurn) {
  Outline outline = outline_of("gemma");
  outline.number("attention.key_length", 8);
  outline.number("attention.value_length", 8);
  for (int64_t layer = 0; layer < 2; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    outline.tensor(name + "attn_q.weight").shape = {32, 16};
    outline.tensor(name + "attn_k.weight").shape = {16, 16};
    outline.tensor(name + "attn_v.weight").shape = {16, 16};
    outline.tensor(name + "attn_output.weight").shape = {16, 32};
  }
  const Opened opened(outline);
  EXPECT_EQ(opened.config()["head_dim"], 8);
  EXPECT_EQ(opened.model().layers[0].heads, 4);
  EXPECT_EQ(opened.model().layers[0].kv_heads, 2);
  EXPECT_EQ(opened.transformer().rotary->inv_freq.size(), 4u);

  for (const char* architecture : {"phi2", "phi3", "gptneox"}) {
    Outline part = outline_of(architecture);
    part.number("rope.dimension_count", 2);
    const Opened turned(part);
    EXPECT_EQ(turned.config()[part.architecture == "gptneox" ? "rotary_pct" : "partial_rotary_factor"], 0.5);
    EXPECT_EQ(turned.transformer().rotary->inv_freq.size(), 1u) << architecture;
  }
  for (const char* architecture : {"llama", "deci", "qwen2", "falcon", "gemma"}) {
    Outline part = outline_of(architecture);
    part.number("rope.dimension_count", 2);
    expect_error(ErrorCode::kUnsupported, {part.architecture + ".rope.dimension_count", "is 2", "4"},
                 [&] { Opened(part).config(); });
  }
}

TEST(Gguf, LayersMayHaveSizesOfTheirOwn) {
  for (const char* architecture : {"deci", "llama", "phi2"}) {
    SCOPED_TRACE(architecture);
    Outline outline = outline_of(architecture);
    outline.set("feed_forward_length", GgufValue::of_i32s({24, 512}));
    outline.tensor("blk.1.ffn_up.weight").shape = {512, 16};
    outline.tensor("blk.1.ffn_down.weight").shape = {16, 512};
    if (outline.architecture == "phi2") {
      outline.tensor("blk.1.ffn_up.bias").shape = {512};
    } else {
      outline.tensor("blk.1.ffn_gate.weight").shape = {512, 16};
      outline.set("attention.head_count", GgufValue::of_i32s({4, 2}));
      outline.set("attention.head_count_kv", GgufValue::of_u32s({2, 2}));
      outline.tensor("blk.1.attn_q.weight").shape = {8, 16};
      outline.tensor("blk.1.attn_output.weight").shape = {16, 8};
    }
    const Opened opened(outline);
    const ModelDescription model = opened.model();
    EXPECT_EQ(model.ffn_widths(), (std::vector<int64_t>{24, 512}));
    EXPECT_TRUE(model.width_is_uniform());
    EXPECT_TRUE(model.heads_match_config());
    EXPECT_EQ(model.layers[1].heads, outline.architecture == "phi2" ? 4 : 2);
    EXPECT_FALSE(model.keys.per_layer);  // no folder in the DeciLM layout
    const json blocks = opened.config()["block_configs"];
    EXPECT_EQ(blocks[0]["ffn"]["intermediate_size"], 24);
    EXPECT_EQ(blocks[1]["ffn"]["ffn_mult"], 48.0);
    opened.transformer();
  }
  Outline wrong = outline_of("deci");
  wrong.set("feed_forward_length", GgufValue::of_i32s({24, 32}));
  const Opened opened(wrong);
  EXPECT_FALSE(opened.model().width_is_uniform());
}

TEST(Gguf, WhatCanBeCutIsWhatLlamaCppLoads) {
  for (const std::string& architecture : kArchitectures) {
    SCOPED_TRACE(architecture);
    const ConfigKeys keys = Opened(outline_of(architecture)).model().keys;
    const bool free_heads = architecture == "llama" || architecture == "deci" || architecture == "gemma";
    EXPECT_EQ(keys.heads_fixed.empty(), free_heads) << keys.heads_fixed;
    if (architecture == "falcon") {
      EXPECT_NE(keys.heads_fixed.find("multi-query"), std::string::npos);
    }
    if (architecture == "qwen2") {
      EXPECT_NE(keys.heads_fixed.find("llama.cpp"), std::string::npos);
    }
    EXPECT_TRUE(keys.layers_fixed.empty());
    EXPECT_EQ(keys.deci_refused.empty(), architecture == "llama" || architecture == "deci") << keys.deci_refused;
  }
  Outline outline = outline_of("llama");
  for (int64_t layer = 0; layer < 2; ++layer) {
    for (const char* part : {"ffn_gate", "ffn_up"})
      outline.add("blk." + std::to_string(layer) + "." + part + ".bias", std::vector<int64_t>{24});
  }
  EXPECT_TRUE(Opened(outline).model().keys.deci_refused.empty());  // llama.cpp's has a place for biases
  Outline single = outline_of("llama");
  single.number("attention.head_count_kv", 1);
  for (const char* name : {"blk.0.attn_k", "blk.0.attn_v", "blk.1.attn_k", "blk.1.attn_v"})
    single.tensor(std::string(name) + ".weight").shape = {4, 16};
  EXPECT_NE(Opened(single).model().keys.heads_fixed.find("multi-query"), std::string::npos);
}

TEST(Gguf, HeadsFollowFromTheHeadIfItIsStored) {
  Outline outline = outline_of("llama");
  outline.linear("output", 10, 16, false);
  EXPECT_EQ(Opened(outline).config()["tie_word_embeddings"], false);
  EXPECT_EQ(Opened(outline).transformer().head.weight.tensor, "output.weight");
  Outline gemma = outline_of("gemma");
  gemma.linear("output", 10, 16, false);  // which llama.cpp leaves alone
  EXPECT_TRUE(Opened(gemma).model().tied_head);
  EXPECT_EQ(Opened(gemma).transformer().head.weight.tensor, "token_embd.weight");
}

}  // namespace
}  // namespace prunenet
