// The config of a DeciLM, and the class that reads it.
#include "slice/deci.h"

#include "base/error.h"
#include "model/deci.h"

namespace prunenet {
namespace {

using Json = ConfigEditor::Json;

// What Nemotron-NAS writes of a block that is an ordinary LLaMA layer.
Json ordinary_block() {
  return {{"attention",
           {{"n_heads_in_group", 1},
            {"no_op", false},
            {"num_sink_tokens", nullptr},
            {"replace_with_linear", false},
            {"sparsify", nullptr},
            {"unshifted_sink", false},
            {"use_prefill_window_in_sink_attention", false},
            {"window_length", nullptr}}},
          {"ffn", {{"ffn_mult", 0.0}, {"no_op", false}, {"replace_with_linear", false}, {"sparsify", nullptr}}}};
}

}  // namespace

void require_deci_can_state(const ModelDescription& model, const std::vector<LayerSizes>& layers,
                            const std::vector<size_t>& kept, const std::string& where) {
  if (!model.keys.deci_refused.empty())
    fail(ErrorCode::kUnsupported, where, "the DeciLM layout cannot hold this model: {}", model.keys.deci_refused);
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].width % kDeciWidthMultiple != 0) {
      fail(ErrorCode::kBadOption, where,
           "layer {} keeps {} neurons, and the DeciLM layout, in which layers have widths of their own, states only "
           "multiples of {}: choose widths so (--width-multiple {})",
           kept[i], layers[i].width, kDeciWidthMultiple, kDeciWidthMultiple);
    }
    if (layers[i].heads != layers.front().heads) {
      fail(ErrorCode::kUnsupported, where,
           "layer {} keeps {} query heads and layer {} keeps {}: the DeciLM layout states one number for all layers",
           kept.front(), layers.front().heads, kept[i], layers[i].heads);
    }
  }
}

void state_deci_blocks(ConfigEditor& config, const ModelDescription& model, const std::vector<LayerSizes>& layers,
                       const std::vector<size_t>& kept) {
  Json blocks = Json::array();
  for (size_t i = 0; i < layers.size(); ++i) {
    Json block = model.keys.per_layer ? (*config.find("block_configs"))[kept[i]] : ordinary_block();
    block["attention"]["n_heads_in_group"] = layers[i].heads / layers[i].kv_heads;
    // Newer ones state the width itself.
    const bool plain = block["ffn"].contains("intermediate_size") && !block["ffn"]["intermediate_size"].is_null();
    if (plain) block["ffn"]["intermediate_size"] = layers[i].width;
    if (!plain || block["ffn"].contains("ffn_mult"))
      block["ffn"]["ffn_mult"] = deci_ffn_mult(layers[i].width, model.hidden);
    blocks.push_back(std::move(block));
  }
  config.set("block_configs", blocks);
  if (layers.front().heads == model.config_layers.front().heads) return;
  config.set("num_attention_heads", layers.front().heads);
  config.set("head_dim", model.layers.front().head_dim);
}

void become_deci(ConfigEditor& config) {
  config.set("model_type", "nemotron-nas");
  config.set("architectures", Json::array({"DeciLMForCausalLM"}));
  config.set("auto_map", {{"AutoConfig", "configuration_decilm.DeciLMConfig"}});
  // Every layer states its own.
  config.set("intermediate_size", nullptr);
  config.set("num_key_value_heads", nullptr);
}

std::string deci_config_class() {
  return R"(# Written by prunenet: the config class of this checkpoint, for programs that get it through transformers and read
# block_configs by attribute. It holds no model code.
try:
    from transformers import PreTrainedConfig
except ImportError:
    from transformers import PretrainedConfig as PreTrainedConfig


class Section(dict):
    """A JSON object whose values are attributes, too."""

    def __getattr__(self, key):
        try:
            return self[key]
        except KeyError:
            raise AttributeError(key) from None


def with_attributes(value):
    if isinstance(value, dict):
        return Section({key: with_attributes(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return [with_attributes(item) for item in value]
    return value


class DeciLMConfig(PreTrainedConfig):
    model_type = "nemotron-nas"
    keys_to_ignore_at_inference = ["past_key_values"]

    def __init__(self, block_configs=None, **values):
        defaults = {
            "attention_bias": False,
            "attention_dropout": 0.0,
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "max_position_embeddings": 2048,
            "mlp_bias": False,
            "pretraining_tp": 1,
            "rms_norm_eps": 1e-6,
            "rope_scaling": None,
            "rope_theta": 10000.0,
            "tie_word_embeddings": False,
            "use_cache": True,
        }
        self.block_configs = with_attributes(block_configs or [])
        super().__init__(**{**defaults, **values})
)";
}

}  // namespace prunenet
