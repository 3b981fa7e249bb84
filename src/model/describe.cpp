// Building a description: sizes from the config, names from the family, widths from the tensors themselves.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "model/description.h"
#include "model/family.h"
#include "model/gguf_config.h"
#include "model/heads.h"

namespace prunenet {
namespace {

constexpr int64_t kMaxLayers = 100'000;

class Describer {
 public:
  Describer(const FamilySpec& family, const TensorLookup& find, const std::string& where)
      : family_(family), find_(find), where_(where) {}

  // "model.layers." or how else this checkpoint spells it: the first that holds layer 0.
  std::string choose_prefix() const {
    for (std::string_view prefix : family_.layer_prefixes) {
      if (find_(fmt::format("{}0.{}.weight", prefix, family_.up)) != nullptr) return std::string(prefix);
    }
    const std::string expected = fmt::format("{}0.{}.weight", family_.layer_prefixes.front(), family_.up);
    fail(ErrorCode::kMismatch, where_, "a '{}' checkpoint must hold tensor '{}', which is not there", family_.name,
         expected);
  }

  FfnDescription describe_ffn(const std::string& layer, int64_t index, int64_t hidden) const {
    const bool conv1d = family_.ffn == FfnLayout::kConv1d;
    const bool fused = family_.ffn == FfnLayout::kFusedGate;
    const int neuron_axis = conv1d ? 1 : 0;
    const int64_t blocks = fused ? 2 : 1;

    const TensorSpec& up = require(layer + std::string(family_.up) + ".weight");
    if (up.shape.size() != 2)
      fail(ErrorCode::kMismatch, where_, "tensor '{}' is {}, expected a matrix", up.name, to_string(up));
    const int64_t stacked = up.shape[static_cast<size_t>(neuron_axis)];
    if (stacked == 0 || stacked % blocks != 0) {
      fail(ErrorCode::kMismatch, where_, "tensor '{}' is {}: no {} equal blocks of neurons", up.name, to_string(up),
           blocks);
    }
    const int64_t width = stacked / blocks;

    FfnDescription ffn;
    ffn.neurons.name = fmt::format("layer {} FFN neurons", index);
    ffn.neurons.width = width;
    std::vector<UnitRun> runs{{0, 1, 1}};
    if (fused) runs.push_back({width, 1, 1});
    const auto add_rows = [&](std::string_view name) {
      const std::string base = layer + std::string(name);
      require_shape(base + ".weight", conv1d ? std::vector{hidden, width} : std::vector{width * blocks, hidden});
      ffn.neurons.members.push_back({base + ".weight", neuron_axis, runs});
      if (find_(base + ".bias") != nullptr) {
        require_shape(base + ".bias", {width * blocks});
        ffn.neurons.members.push_back({base + ".bias", 0, runs});
      }
    };
    if (family_.ffn == FfnLayout::kGated) {
      add_rows(family_.gate);
      ffn.gate = MatrixRef{layer + std::string(family_.gate) + ".weight", 0, width, hidden, false};
    }
    add_rows(family_.up);
    ffn.up = MatrixRef{up.name, fused ? width : 0, width, hidden, conv1d};
    if (fused) ffn.gate = MatrixRef{up.name, 0, width, hidden, false};

    const std::string down = layer + std::string(family_.down);
    require_shape(down + ".weight", conv1d ? std::vector{width, hidden} : std::vector{hidden, width});
    ffn.neurons.members.push_back({down + ".weight", conv1d ? 0 : 1, {{0, 1, 1}}});
    ffn.down = MatrixRef{down + ".weight", 0, hidden, width, conv1d};
    if (find_(down + ".bias") != nullptr) {
      require_shape(down + ".bias", {hidden});
      ffn.down_bias = down + ".bias";
    }
    return ffn;
  }

 private:
  const TensorSpec& require(const std::string& name) const {
    const TensorSpec* spec = find_(name);
    if (spec == nullptr) {
      fail(ErrorCode::kMismatch, where_, "the config promises tensor '{}', which is not there", name);
    }
    return *spec;
  }

  void require_shape(const std::string& name, const std::vector<int64_t>& expected) const {
    const TensorSpec& spec = require(name);
    if (spec.shape != expected) {
      fail(ErrorCode::kMismatch, where_, "tensor '{}' has shape [{}], expected [{}]", name, fmt::join(spec.shape, ", "),
           fmt::join(expected, ", "));
    }
    if (!dtype_is_computable(spec.dtype)) {
      fail(ErrorCode::kUnsupported, where_, "tensor '{}' is {}: FFN weights must be F64, F32, F16 or BF16", name,
           dtype_name(spec.dtype));
    }
  }

  const FamilySpec& family_;
  const TensorLookup& find_;
  const std::string& where_;
};

// Tensors of layers that the config does not know would be carried along uncut: the folder contradicts itself.
void require_no_further_layers(const std::string& prefix, int64_t layers, const std::vector<std::string>& names,
                               const std::string& where) {
  for (const std::string& name : names) {
    if (!name.starts_with(prefix)) continue;
    const std::string number = name.substr(prefix.size(), name.find('.', prefix.size()) - prefix.size());
    if (number.empty() || number.size() > 9 ||
        !std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; }))
      continue;
    if (std::stoll(number) >= layers) {
      fail(ErrorCode::kMismatch, where, "states {} layers, but tensor '{}' is stored", layers, name);
    }
  }
}

// The keys under which sizes are stated, and what this config cannot state, with the reason.
ConfigKeys describe_keys(const FamilySpec& family, const TransformerSpec& spec, const Config& config,
                         const ModelDescription& model) {
  const bool gguf = config.has(kGgufArchitectureKey);
  ConfigKeys keys;
  keys.per_layer = !gguf && model.keys.per_layer;
  for (std::string_view key : family.layer_keys) {
    if (config.states(key)) keys.layers.emplace_back(key);
  }
  if (spec.scale_by_layer)
    keys.layers_fixed =
        "its attention scores are divided by the number of their layer, which dropping layers would change";

  const auto stored = [](const LayerDescription& layer) { return !layer.attention.kv_groups.members.empty(); };
  const auto single = [](const LayerDescription& layer) { return layer.kv_heads == 1; };
  keys.heads_since = family.head_dim_since;
  keys.heads_divide_hidden = family.heads_divide_hidden;
  if (family.head_dim_since.empty()) {
    keys.heads_fixed = fmt::format(
        "config.json of a '{}' cannot state a head size apart from hidden / heads, so that no program would load the "
        "result",
        family.name);
  } else if (std::all_of(model.layers.begin(), model.layers.end(), single)) {
    keys.heads_fixed = "one key-value head serves all its queries (multi-query attention), so that none can go";
  } else if (!std::all_of(model.layers.begin(), model.layers.end(), stored)) {
    keys.heads_fixed = "its attention tensors are not all there, or do not fit the heads that are stated";
  } else if (family.heads_fixed != nullptr) {
    keys.heads_fixed = family.heads_fixed(config);
  }
  if (keys.heads_fixed.empty()) {
    const auto& names = family.head_keys;
    const auto found =
        std::find_if(names.begin(), names.end(), [&](std::string_view key) { return config.states(key); });
    keys.heads = found == names.end() ? names.front() : *found;
    keys.kv_heads = family.kv_head_keys.front();
    keys.head_dim = "head_dim";
  }

  if (!family.like_deci) {
    keys.deci_refused =
        fmt::format("it is a LLaMA with widths of its own for each layer, and this model is a '{}'", family.name);
  } else if (!gguf && std::any_of(model.layers.begin(), model.layers.end(),
                                  [](const LayerDescription& layer) { return layer.ffn.neurons.members.size() > 3; })) {
    keys.deci_refused = "it has no place for biases of gate and up, which this model has";
  }
  return keys;
}

}  // namespace

std::vector<int64_t> owned_indices(const CoupledMember& member, const std::vector<int64_t>& kept) {
  std::vector<int64_t> indices;
  for (const UnitRun& run : member.runs) {
    for (int64_t unit : kept) {
      for (int64_t i = 0; i < run.count; ++i) indices.push_back(run.first + unit * run.stride + i);
    }
  }
  return indices;
}

std::vector<int64_t> ModelDescription::ffn_widths() const {
  std::vector<int64_t> widths;
  for (const LayerDescription& layer : layers) widths.push_back(layer.ffn.neurons.width);
  return widths;
}

LayerSizes ModelDescription::sizes(size_t layer) const {
  return {layers[layer].ffn.neurons.width, layers[layer].heads, layers[layer].kv_heads};
}

bool ModelDescription::width_is_uniform() const {
  for (size_t l = 0; l < layers.size(); ++l) {
    if (sizes(l).width != config_layers[l].width) return false;
  }
  return true;
}

bool ModelDescription::heads_match_config() const {
  for (size_t l = 0; l < layers.size(); ++l) {
    if (sizes(l).heads != config_layers[l].heads || sizes(l).kv_heads != config_layers[l].kv_heads) return false;
  }
  return true;
}

ModelDescription describe_model(const std::string& config_text, const TensorLookup& find,
                                const std::vector<std::string>& tensor_names, const std::string& where) {
  const Config config(config_text, where);
  const FamilySpec& family = find_family(config);

  ModelDescription model;
  model.family = family.name;
  model.model_type = config.text("model_type").value_or("");
  model.hidden = config.size(family.hidden_keys);
  model.vocab = config.size(family.vocab_keys);
  const int64_t layers = config.size(family.layer_keys);
  if (layers > kMaxLayers) fail(ErrorCode::kFormat, where, "states {} layers, more than {}", layers, kMaxLayers);
  const int64_t heads = config.size(family.head_keys);
  const int64_t kv_heads =
      family.kv_heads ? family.kv_heads(config, heads) : config.find_size(family.kv_head_keys).value_or(heads);
  constexpr std::string_view kHeadDim[] = {"head_dim"};
  const int64_t head_dim = config.find_size(kHeadDim).value_or(model.hidden / heads);
  model.width_key = family.width_keys.front();
  if (family.layer_sizes != nullptr) model.config_layers = family.layer_sizes(config, layers, model.hidden, heads);
  model.keys.per_layer = !model.config_layers.empty();
  if (model.keys.per_layer) {
    model.config_width = model.config_layers.front().width;
  } else if (family.default_width_per_hidden) {
    model.config_width = config.find_size(family.width_keys).value_or(*family.default_width_per_hidden * model.hidden);
  } else {
    model.config_width = config.size(family.width_keys);
  }
  if (!model.keys.per_layer)
    model.config_layers.assign(static_cast<size_t>(layers), {model.config_width, heads, kv_heads});

  constexpr std::string_view kContext[] = {"max_position_embeddings", "n_positions", "n_ctx", "seq_length"};
  model.max_context = config.find_size(kContext).value_or(0);
  if (const auto bos = config.ids("bos_token_id"); !bos.empty()) model.bos = bos.front();
  model.eos = config.ids("eos_token_id");

  if (head_dim < 1) fail(ErrorCode::kMismatch, where, "states {} heads for a hidden size of {}", heads, model.hidden);

  const Describer describer(family, find, where);
  const TransformerSpec spec = family.transformer(config);
  model.layer_prefix = describer.choose_prefix();
  require_no_further_layers(model.layer_prefix, layers, tensor_names, where);
  for (int64_t index = 0; index < layers; ++index) {
    const std::string layer = fmt::format("{}{}.", model.layer_prefix, index);
    LayerDescription dims{heads, kv_heads, head_dim, describer.describe_ffn(layer, index, model.hidden), {}};
    describe_heads(find, spec, layer, index, model.hidden, dims);
    model.layers.push_back(std::move(dims));
  }
  model.keys = describe_keys(family, spec, config, model);

  for (std::string_view name : family.embeddings) {
    if (find(std::string(name)) != nullptr) model.embeddings.emplace_back(name);
  }
  model.tied_head = std::none_of(family.heads.begin(), family.heads.end(),
                                 [&](std::string_view name) { return find(std::string(name)) != nullptr; });
  for (const std::string& name : tensor_names) {
    const auto& suffixes = family.buffer_suffixes;
    if (std::any_of(suffixes.begin(), suffixes.end(),
                    [&](std::string_view suffix) { return name.ends_with(suffix); })) {
      model.buffers.push_back(name);
    }
  }
  return model;
}

TensorLookup tensor_lookup(const Checkpoint& checkpoint) {
  return [&checkpoint](const std::string& name) -> const TensorSpec* {
    const auto* entry = checkpoint.find(name);
    return entry == nullptr ? nullptr : &entry->stored.spec;
  };
}

ModelDescription describe_model(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const auto& entry : checkpoint.tensors()) names.push_back(entry.stored.spec.name);
  return describe_model(config_of(checkpoint), tensor_lookup(checkpoint), names, checkpoint.config_where());
}

ModelSize measure_size(const ModelDescription& model, const std::vector<TensorSpec>& tensors) {
  std::set<std::string> ffn, embeddings(model.embeddings.begin(), model.embeddings.end());
  const std::set<std::string> buffers(model.buffers.begin(), model.buffers.end());
  for (const LayerDescription& layer : model.layers) {
    for (const CoupledMember& member : layer.ffn.neurons.members) ffn.insert(member.tensor);
    if (layer.ffn.down_bias) ffn.insert(*layer.ffn.down_bias);
  }
  ModelSize size;
  for (const TensorSpec& tensor : tensors) {
    const int64_t elements = tensor.num_elements();
    size.bytes += static_cast<int64_t>(tensor.size_bytes());
    if (buffers.contains(tensor.name)) continue;
    size.params += elements;
    if (ffn.contains(tensor.name)) size.ffn_params += elements;
    if (tensor.shape.size() == 2 && !embeddings.contains(tensor.name)) size.flops_per_token += 2 * elements;
  }
  // A tied head multiplies by the token embedding, the first of the list.
  if (model.tied_head && !model.embeddings.empty()) {
    for (const TensorSpec& tensor : tensors) {
      if (tensor.name == model.embeddings.front()) size.flops_per_token += 2 * tensor.num_elements();
    }
  }
  return size;
}

}  // namespace prunenet
