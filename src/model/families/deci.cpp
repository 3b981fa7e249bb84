// DeciLM: tensors as LLaMA, with sizes of its own for every layer. Nemotron-NAS states them in `block_configs`;
// DeciLM-7B, the first, only the key-value heads of each layer. Blocks without attention or FFN, or with a linear map
// in their place, are not supported.
#include "model/deci.h"
#include "base/error.h"
#include "model/family.h"

namespace prunenet {

namespace {

// A part of a block ("attention", "ffn") that is what LLaMA has there.
Config ordinary_part(const Config& block, std::string_view part, size_t index) {
  const auto found = block.section(part);
  if (!found) fail(ErrorCode::kFormat, block.where(), "lacks the object '{}'", part);
  for (std::string_view key : {"no_op", "replace_with_linear"}) {
    if (found->flag(key, false)) {
      fail(ErrorCode::kUnsupported, block.where(), "layer {} has '{}' for its {}, which is not supported yet", index,
           key, part);
    }
  }
  for (std::string_view key : {"sparsify", "window_length", "num_sink_tokens", "unshifted_sink", "mamba", "moe"}) {
    if (found->states(key) && !found->is_false(key)) {
      fail(ErrorCode::kUnsupported, block.where(), "layer {} has '{}' in its {}, which is not supported yet", index,
           key, part);
    }
  }
  return *found;
}

std::vector<LayerSizes> deci_layer_sizes(const Config& config, int64_t layers, int64_t hidden, int64_t heads) {
  std::vector<LayerSizes> sizes;
  if (!config.states("block_configs")) {
    if (config.text("model_type") == "nemotron-nas") fail(ErrorCode::kFormat, config.where(), "lacks 'block_configs'");
    return sizes;
  }
  const std::vector<Config> blocks = config.sections("block_configs");
  if (static_cast<int64_t>(blocks.size()) != layers) {
    fail(ErrorCode::kMismatch, config.where(), "'block_configs' has {} entries for {} layers", blocks.size(), layers);
  }
  for (size_t index = 0; index < blocks.size(); ++index) {
    constexpr std::string_view kGroup[] = {"n_heads_in_group"}, kWidth[] = {"intermediate_size"};
    if (blocks[index].states("parallel_blocks")) {
      fail(ErrorCode::kUnsupported, blocks[index].where(),
           "layer {} has 'parallel_blocks', which are not supported yet", index);
    }
    const Config attention = ordinary_part(blocks[index], "attention", index);
    const Config ffn = ordinary_part(blocks[index], "ffn", index);
    const int64_t shared = attention.size(kGroup);
    if (heads % shared != 0) {
      fail(ErrorCode::kMismatch, attention.where(), "'n_heads_in_group' is {}, which does not divide the {} heads",
           shared, heads);
    }
    const double ffn_mult = ffn.number("ffn_mult", 0);
    const int64_t width = ffn.find_size(kWidth).value_or(deci_width(ffn_mult, hidden));  // newer ones state it plainly
    if (width == 0) fail(ErrorCode::kFormat, ffn.where(), "'ffn_mult' is {}, which gives no width", ffn_mult);
    sizes.push_back({width, heads, heads / shared});
  }
  return sizes;
}

int64_t deci_kv_heads(const Config& config, int64_t heads) {
  constexpr std::string_view kKey[] = {"num_key_value_heads"};
  if (const auto stated = config.find_size(kKey)) return *stated;
  return heads;  // each layer's are those of its tensors
}

std::string deci_heads_fixed(const Config& config) {
  if (config.states("block_configs")) return {};
  return "its config states the key-value heads of each layer in a list that is not rewritten";
}

}  // namespace

FamilySpec deci_family() {
  FamilySpec family = llama_family();
  family.name = "deci";
  family.model_types = {"nemotron-nas", "deci"};
  family.architectures = {"DeciLMForCausalLM"};
  family.kv_heads = deci_kv_heads;
  family.head_dim_since = "vLLM and SGLang";
  family.heads_fixed = deci_heads_fixed;
  family.heads_divide_hidden = false;
  family.layer_sizes = deci_layer_sizes;
  return family;
}

}  // namespace prunenet
