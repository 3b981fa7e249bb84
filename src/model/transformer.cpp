// Building a TransformerDescription: what the family says, checked against the tensors that are stored.
#include "model/transformer.h"

#include <cmath>

#include "base/error.h"
#include "model/family.h"
#include "model/gguf_config.h"
#include "model/rotary.h"

namespace prunenet {
namespace {

struct ActivationName {
  std::string_view name;
  Activation activation;
};
constexpr ActivationName kActivations[] = {
    {"silu", Activation::kSilu},          {"swish", Activation::kSilu},
    {"relu", Activation::kRelu},          {"gelu", Activation::kGeluErf},
    {"gelu_new", Activation::kGeluTanh},  {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"gelu_fast", Activation::kGeluTanh}, {"quick_gelu", Activation::kGeluQuick}};

Activation find_activation(const std::string& name, const std::string& where) {
  std::string known;
  for (const ActivationName& entry : kActivations) {
    if (entry.name == name) return entry.activation;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  fail(ErrorCode::kUnsupported, where, "activation '{}' is not supported; supported are {}", name, known);
}

// Names become descriptions, and shapes are held to what they must be.
class Finder {
 public:
  Finder(const TensorLookup& find, const std::string& where) : find_(find), where_(where) {}

  const TensorSpec* find(const std::string& name) const { return find_(name); }

  const TensorSpec& at(const std::string& name) const {
    const TensorSpec* spec = find_(name);
    if (spec == nullptr)
      fail(ErrorCode::kMismatch, where_, "running the model needs tensor '{}', which is not there", name);
    if (!dtype_is_computable(spec->dtype)) {
      fail(ErrorCode::kUnsupported, where_, "tensor '{}' is {}: weights must be F64, F32, F16 or BF16", name,
           dtype_name(spec->dtype));
    }
    return *spec;
  }

  void require_shape(const std::string& name, const std::vector<int64_t>& expected) const {
    const TensorSpec& spec = at(name);
    if (spec.shape != expected) {
      fail(ErrorCode::kMismatch, where_, "tensor '{}' has shape [{}], expected [{}]", name, fmt::join(spec.shape, ", "),
           fmt::join(expected, ", "));
    }
  }

  std::optional<std::string> bias(const std::string& module, int64_t size) const {
    if (find_(module + ".bias") == nullptr) return std::nullopt;
    require_shape(module + ".bias", {size});
    return module + ".bias";
  }

  /// A whole stored matrix; `in` is known, the rows are what is stored.
  LinearDescription linear(const std::string& module, int64_t in, bool conv1d) const {
    const TensorSpec& spec = at(module + ".weight");
    const int64_t stored_in = spec.shape.size() != 2 ? -1 : spec.shape[conv1d ? 0 : 1];
    if (stored_in != in) {
      fail(ErrorCode::kMismatch, where_, "tensor '{}' has shape [{}], expected a matrix with {} inputs", spec.name,
           fmt::join(spec.shape, ", "), in);
    }
    const int64_t out = spec.shape[conv1d ? 1 : 0];
    return {MatrixRef{spec.name, 0, out, in, conv1d}, bias(module, out)};
  }

  /// A part of the FFN: description.h has found its matrix, the bias stands beside it and is stacked like it.
  LinearDescription ffn_linear(const MatrixRef& matrix, int64_t stacked_rows) const {
    const std::string module = matrix.tensor.substr(0, matrix.tensor.size() - std::string_view(".weight").size());
    return {matrix, bias(module, stacked_rows)};
  }

  std::optional<NormDescription> norm(const std::string& module, int64_t size) const {
    if (find_(module + ".weight") == nullptr) return std::nullopt;
    require_shape(module + ".weight", {size});
    return NormDescription{module + ".weight", bias(module, size)};
  }

  std::optional<NormDescription> first_norm(const std::string& prefix, const Names& modules, int64_t size) const {
    for (std::string_view module : modules) {
      if (auto found = norm(prefix + std::string(module), size)) return found;
    }
    return std::nullopt;
  }

  std::optional<std::string> first_module(const Names& modules) const {
    for (std::string_view module : modules) {
      if (find_(std::string(module) + ".weight") != nullptr) return std::string(module);
    }
    return std::nullopt;
  }

  const std::string& where() const { return where_; }

 private:
  const TensorLookup& find_;
  const std::string& where_;
};

// Heads by the rows that are there: `rows` must be a whole number of heads of head_dim.
int64_t heads_of(int64_t rows, int64_t head_dim, const MatrixRef& matrix, const std::string& where) {
  if (rows <= 0 || rows % head_dim != 0) {
    fail(ErrorCode::kMismatch, where, "tensor '{}' has {} rows for heads, no multiple of the head size {}",
         matrix.tensor, rows, head_dim);
  }
  return rows / head_dim;
}

AttentionDescription describe_attention(const Finder& finder, const TransformerSpec& spec, const std::string& layer,
                                        const LayerDescription& dims, int64_t hidden, bool fused) {
  AttentionDescription attention;
  attention.head_dim = dims.head_dim;
  const auto module = [&](std::string_view name) { return layer + std::string(name); };
  const TensorSpec& output = finder.at(module(spec.output) + ".weight");
  const int64_t mixed = output.shape.size() == 2 ? output.shape[spec.conv1d ? 0 : 1] : 0;
  attention.output = finder.linear(module(spec.output), mixed, spec.conv1d);
  if (attention.output.weight.rows != hidden) {
    fail(ErrorCode::kMismatch, finder.where(), "tensor '{}' has {} outputs, expected {}", output.name,
         attention.output.weight.rows, hidden);
  }
  attention.heads = heads_of(mixed, dims.head_dim, attention.output.weight, finder.where());
  if (!fused) {
    attention.query = finder.linear(module(spec.query), hidden, spec.conv1d);
    attention.key = finder.linear(module(spec.key), hidden, spec.conv1d);
    attention.value = finder.linear(module(spec.value), hidden, spec.conv1d);
    attention.kv_heads = heads_of(attention.key->weight.rows, dims.head_dim, attention.key->weight, finder.where());
    if (attention.query->weight.rows != mixed || attention.value->weight.rows != attention.key->weight.rows) {
      fail(ErrorCode::kMismatch, finder.where(),
           "'{}', '{}' and '{}' have {}, {} and {} rows, which fit no heads of size {} into {}",
           attention.query->weight.tensor, attention.key->weight.tensor, attention.value->weight.tensor,
           attention.query->weight.rows, attention.key->weight.rows, attention.value->weight.rows, dims.head_dim,
           mixed);
    }
  } else {
    attention.fused = finder.linear(module(spec.fused), hidden, spec.conv1d);
    const int64_t rest = attention.fused->weight.rows - mixed;  // keys and values
    attention.kv_heads = heads_of(rest, 2 * dims.head_dim, attention.fused->weight, finder.where());
    attention.fused_groups = spec.interleaved ? attention.kv_heads : 1;
  }
  if (attention.heads % attention.kv_heads != 0) {
    fail(ErrorCode::kMismatch, finder.where(), "layer '{}' has {} query heads for {} key-value heads", layer,
         attention.heads, attention.kv_heads);
  }
  if (!spec.query_norm.empty()) {
    attention.query_norm = finder.norm(module(spec.query_norm), dims.head_dim);
    attention.key_norm = finder.norm(module(spec.key_norm), dims.head_dim);
  }
  return attention;
}

}  // namespace

TransformerDescription describe_transformer(const std::string& config_text, const TensorLookup& find,
                                            const ModelDescription& model, const std::string& where) {
  const Config config(config_text, where);
  const FamilySpec& family = find_family(config);
  const TransformerSpec spec = family.transformer(config);
  const Finder finder(find, where);

  TransformerDescription transformer;
  transformer.hidden = model.hidden;
  transformer.max_context = model.max_context;
  transformer.norm = spec.norm;
  transformer.norm_epsilon = spec.norm_epsilon;
  transformer.norm_gain_offset = spec.norm_gain_offset;
  transformer.activation = find_activation(spec.activation, where);
  transformer.block = spec.block;
  transformer.alibi = spec.alibi;
  transformer.embedding_scale = spec.embedding_scale;
  transformer.logit_scale = config.number("logit_scale", 1);
  if (!(spec.norm_epsilon > 0))
    fail(ErrorCode::kFormat, where, "the epsilon of the norms is {}, expected a number above 0", spec.norm_epsilon);

  if (model.embeddings.empty()) {
    fail(ErrorCode::kMismatch, where, "running the model needs tensor '{}', which is not there",
         family.embeddings.front());
  }
  transformer.embedding = model.embeddings.front();
  const TensorSpec& embedding = finder.at(transformer.embedding);
  if (embedding.shape.size() != 2 || embedding.num_elements() == 0) {
    fail(ErrorCode::kMismatch, where, "tensor '{}' has shape [{}], expected [vocabulary, width]", embedding.name,
         fmt::join(embedding.shape, ", "));
  }
  transformer.vocab = embedding.shape[0];  // of the tensor: some are padded beyond what the config states
  transformer.embedding_width = embedding.shape[1];
  if (const auto module = finder.first_module(spec.project_in))
    transformer.project_in = finder.linear(*module, transformer.embedding_width, false);
  if (const auto module = finder.first_module(spec.project_out))
    transformer.project_out = finder.linear(*module, model.hidden, false);
  const int64_t width_in = transformer.project_in ? transformer.project_in->weight.rows : transformer.embedding_width;
  const int64_t width_out = transformer.project_out ? transformer.project_out->weight.rows : model.hidden;
  if (width_in != model.hidden || width_out != transformer.embedding_width) {
    fail(ErrorCode::kMismatch, where, "tensor '{}' is {} wide, which does not lead to the hidden size {}",
         embedding.name, transformer.embedding_width, model.hidden);
  }

  for (size_t index = 0; index < model.layers.size(); ++index) {
    const LayerDescription& dims = model.layers[index];
    const std::string layer = fmt::format("{}{}.", model.layer_prefix, index);
    BlockDescription block;
    block.attention_norm = finder.first_norm(layer, spec.attention_norms, model.hidden);
    block.ffn_norm = finder.first_norm(layer, spec.ffn_norms, model.hidden);
    if (!block.attention_norm) finder.at(fmt::format("{}{}.weight", layer, spec.attention_norms.front()));  // fails
    if (!block.ffn_norm && spec.block != BlockKind::kParallel)
      finder.at(fmt::format("{}{}.weight", layer, spec.ffn_norms.front()));
    block.attention = describe_attention(finder, spec, layer, dims, model.hidden, stores_fused(find, spec, layer));
    block.attention.score_scale = spec.scaled_scores ? 1 / std::sqrt(static_cast<double>(dims.head_dim)) : 1;
    if (spec.scale_by_layer) block.attention.score_scale /= static_cast<double>(index + 1);
    if (static_cast<int64_t>(index) >= spec.window_from_layer) block.attention.window = spec.window;
    const FfnDescription& ffn = dims.ffn;
    const int64_t stacked = family.ffn == FfnLayout::kFusedGate ? 2 * ffn.up.rows : ffn.up.rows;
    if (ffn.gate) block.gate = finder.ffn_linear(*ffn.gate, stacked);
    block.up = finder.ffn_linear(ffn.up, stacked);
    block.down = {ffn.down, ffn.down_bias};
    transformer.blocks.push_back(std::move(block));
  }

  if (spec.rotary) {
    const double fraction =
        config.section("rope_parameters").value_or(config).number("partial_rotary_factor", spec.rotary_fraction);
    const int64_t rotated = static_cast<int64_t>(fraction * static_cast<double>(model.layers.front().head_dim));
    if (rotated < 2 || rotated % 2 != 0 || rotated > model.layers.front().head_dim) {
      fail(ErrorCode::kFormat, where, "rotary positions turn {} of {} numbers of a head, which is not possible",
           rotated, model.layers.front().head_dim);
    }
    transformer.rotary = describe_rotary(config, rotated, spec.rotary_theta, model.max_context);
    transformer.rotary->adjacent_pairs = spec.adjacent_pairs;
  }
  if (!spec.positions.empty()) {
    const auto module = finder.first_module(spec.positions);
    if (!module) finder.at(std::string(spec.positions.front()) + ".weight");  // fails
    const TensorSpec& positions = finder.at(*module + ".weight");
    if (positions.shape.size() != 2 || positions.shape[1] != model.hidden ||
        positions.shape[0] <= spec.position_offset) {
      fail(ErrorCode::kMismatch, where, "tensor '{}' has shape [{}], expected [positions, {}]", positions.name,
           fmt::join(positions.shape, ", "), model.hidden);
    }
    transformer.learned = LearnedPositions{positions.name, spec.position_offset, positions.shape[0]};
    const int64_t rows = positions.shape[0] - spec.position_offset;
    transformer.max_context = model.max_context == 0 ? rows : std::min(model.max_context, rows);
  }

  transformer.final_norm = finder.first_norm("", spec.final_norms, model.hidden);
  if (!transformer.final_norm && spec.final_norm_required)
    finder.at(std::string(spec.final_norms.front()) + ".weight");  // fails
  std::string head = transformer.embedding;
  for (std::string_view name : family.heads) {
    if (finder.find(std::string(name)) != nullptr) head = name;
  }
  const std::string head_module = head.substr(0, head.size() - std::string_view(".weight").size());
  transformer.head = finder.linear(head_module, transformer.embedding_width, false);
  if (transformer.head.weight.rows != transformer.vocab) {
    fail(ErrorCode::kMismatch, where, "tensor '{}' has {} rows, the embedding '{}' has {}", head,
         transformer.head.weight.rows, transformer.embedding, transformer.vocab);
  }
  return transformer;
}

TransformerDescription describe_transformer(const Checkpoint& checkpoint, const ModelDescription& model) {
  return describe_transformer(config_of(checkpoint), tensor_lookup(checkpoint), model, checkpoint.config_where());
}

int64_t cache_bytes_per_token(const TransformerDescription& transformer, int64_t bytes_per_number) {
  int64_t numbers = 0;
  for (const BlockDescription& block : transformer.blocks)
    numbers += 2 * block.attention.kv_heads * block.attention.head_dim;
  return numbers * bytes_per_number;
}

}  // namespace prunenet
