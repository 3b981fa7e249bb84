// The architectures of llama.cpp. Each computes what a family does, and its converter gives the tensors other names and
// sometimes another order, which is stated here. Learnt from the converter and the graphs of llama.cpp 0.5.
//
// - Rotary pairs: `llama` and `deci` hold the rows of query and key so that the numbers which turn together are
// adjacent;
//   the others keep the half-split order of transformers.
// - Fused query, key and value are all queries, then all keys, then all values, in every architecture: the runs of a
//   Falcon and a GPT-NeoX are taken apart. Where a converter may fuse or not, the tensors decide.
// - Gemma's norms hold the gain itself, GPT-2's matrices are [out, in], Phi-3's ffn_up is gate and up stacked.
#include "base/error.h"
#include "model/deci.h"
#include "model/family.h"

namespace prunenet {
namespace {

std::vector<LayerSizes> gguf_layer_sizes(const Config& config, int64_t layers, int64_t hidden, int64_t heads) {
  constexpr std::string_view kHeads[] = {"num_attention_heads"}, kGroup[] = {"n_heads_in_group"},
                             kWidth[] = {"intermediate_size"};
  std::vector<LayerSizes> sizes;
  const std::vector<Config> blocks = config.sections("block_configs");
  if (!blocks.empty() && static_cast<int64_t>(blocks.size()) != layers) {
    fail(ErrorCode::kMismatch, config.where(), "'block_configs' has {} entries for {} layers", blocks.size(), layers);
  }
  for (const Config& block : blocks) {
    const Config attention = block.section("attention").value_or(block), ffn = block.section("ffn").value_or(block);
    const int64_t own_heads = attention.find_size(kHeads).value_or(heads);
    const auto plain = ffn.find_size(kWidth);
    sizes.push_back({plain ? *plain : deci_width(ffn.number("ffn_mult", 0), hidden), own_heads,
                     own_heads / attention.size(kGroup)});
  }
  return sizes;
}

std::string queries_fill_hidden(const Config&) {
  return "llama.cpp takes the query heads of this architecture to be as wide together as the hidden size, so that it "
         "would not load the result";
}

FamilySpec with_gguf_names(FamilySpec family) {
  family.model_types = {};
  family.architectures = {};
  family.layer_prefixes = {"blk."};
  family.gate = "ffn_gate";
  family.up = "ffn_up";
  family.down = "ffn_down";
  family.embeddings = {"token_embd.weight"};
  family.heads = {"output.weight"};
  family.buffer_suffixes = {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight",
                            ".attn_rot_embd"};
  family.head_dim_since = "llama.cpp, which reads attention.key_length";
  family.heads_fixed = queries_fill_hidden;
  family.heads_divide_hidden = false;
  family.like_deci = false;
  family.layer_sizes = gguf_layer_sizes;
  return family;
}

TransformerSpec with_gguf_names(TransformerSpec spec) {
  spec.query = "attn_q";
  spec.key = "attn_k";
  spec.value = "attn_v";
  spec.output = "attn_output";
  spec.fused = "attn_qkv";
  spec.fused_optional = true;
  spec.interleaved = false;
  spec.conv1d = false;
  spec.query_norm = spec.key_norm = {};
  spec.attention_norms = {"attn_norm"};
  if (!spec.ffn_norms.empty()) spec.ffn_norms = {"ffn_norm"};
  spec.final_norms = {"output_norm"};
  return spec;
}

FamilySpec llama() {
  FamilySpec family = with_gguf_names(llama_family());
  family.heads_fixed = nullptr;
  family.like_deci = true;
  family.transformer = [](const Config& config) {
    constexpr std::string_view kWindow[] = {"sliding_window"};
    TransformerSpec spec = with_gguf_names(llama_family().transformer(config));
    spec.adjacent_pairs = true;
    spec.window = config.find_size(kWindow).value_or(0);  // of a Mistral that states it
    return spec;
  };
  return family;
}

FamilySpec deci() {
  FamilySpec family = llama();
  family.name = "deci";
  family.kv_heads = deci_family().kv_heads;
  return family;
}

FamilySpec qwen2() {
  FamilySpec family = with_gguf_names(qwen2_family());
  family.transformer = [](const Config& config) { return with_gguf_names(qwen2_family().transformer(config)); };
  return family;
}

FamilySpec phi2() {
  FamilySpec family = with_gguf_names(phi_family());
  family.transformer = [](const Config& config) { return with_gguf_names(phi_family().transformer(config)); };
  return family;
}

FamilySpec phi3() {
  FamilySpec family = with_gguf_names(phi3_family());
  family.transformer = [](const Config& config) { return with_gguf_names(phi3_family().transformer(config)); };
  return family;
}

FamilySpec falcon() {
  FamilySpec family = with_gguf_names(falcon_family());
  family.transformer = [](const Config& config) {
    TransformerSpec spec = with_gguf_names(falcon_family().transformer(config));
    // attn_norm is what the FFN reads; where there are two norms, attention reads attn_norm_2.
    spec.attention_norms = {"attn_norm_2", "attn_norm"};
    spec.ffn_norms = {};
    if (config.flag("new_decoder_architecture", false) && config.number("num_ln_in_parallel_attn", 2) == 2)
      spec.ffn_norms = {"attn_norm"};
    return spec;
  };
  return family;
}

FamilySpec gptneox() {
  FamilySpec family = with_gguf_names(gpt_neox_family());
  family.transformer = [](const Config& config) { return with_gguf_names(gpt_neox_family().transformer(config)); };
  return family;
}

FamilySpec gpt2() {
  FamilySpec family = with_gguf_names(gpt2_family());
  family.ffn = FfnLayout::kPlain;
  family.embeddings = {"token_embd.weight", "position_embd.weight"};
  family.transformer = [](const Config& config) {
    TransformerSpec spec = with_gguf_names(gpt2_family().transformer(config));
    spec.positions = {"position_embd"};
    return spec;
  };
  return family;
}

FamilySpec gemma() {
  FamilySpec family = with_gguf_names(gemma_family());
  family.heads_fixed = nullptr;
  family.heads = {};  // always the embedding
  family.transformer = [](const Config& config) {
    TransformerSpec spec = with_gguf_names(gemma_family().transformer(config));
    spec.norm_gain_offset = 0;
    return spec;
  };
  return family;
}

}  // namespace

const std::vector<GgufFamily>& gguf_families() {
  static const std::vector<GgufFamily> table{{"llama", llama()},     {"deci", deci()}, {"qwen2", qwen2()},
                                             {"phi2", phi2()},       {"phi3", phi3()}, {"falcon", falcon()},
                                             {"gptneox", gptneox()}, {"gpt2", gpt2()}, {"gemma", gemma()}};
  return table;
}

}  // namespace prunenet
