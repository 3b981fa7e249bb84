// What the graphs of llama.cpp compute, as far as a model must agree with them. Facts from its sources (src/models) and
// from its converters.
#include "convert/architecture.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "convert/rotary_scaling.h"

namespace prunenet {
namespace {

using Activations = std::vector<Activation>;

enum class Biases { kNone, kOptional, kRequired };

// What an architecture's graph can do.
struct Graph {
  std::string_view family;  // of ours
  std::string_view name;    // of llama.cpp's
  BlockKind block = BlockKind::kSequential;
  bool either_block = false;  // its metadata says which (gptneox)
  NormKind norm = NormKind::kRmsNorm;
  Activations activations;  // the tanh form of GELU stands for the exact one (1e-3 of an activation apart)
  bool adjacent_pairs = false;
  bool free_heads = false;  // heads * head_dim may differ from the hidden size
  bool deci_alike = false;  // where layers differ, deci computes the same
  bool head_bias = false;   // a bias of the output head is expected (and none elsewhere)
  Biases attention_biases = Biases::kNone, ffn_biases = Biases::kNone;
  bool rope_freqs = false, longrope = false;  // tensors of rotary factors that are read
};

const std::vector<Graph>& graphs() {
  static const std::vector<Graph> table = [] {
    const Activations silu{Activation::kSilu}, gelu{Activation::kGeluTanh, Activation::kGeluErf};
    std::vector<Graph> all;
    const auto add = [&](std::string_view family, std::string_view name, const Activations& activations) -> Graph& {
      Graph graph;
      graph.family = family;
      graph.name = name;
      graph.activations = activations;
      all.push_back(graph);
      return all.back();
    };
    for (std::string_view family : {"llama", "mistral"}) {
      Graph& llama = add(family, "llama", silu);
      llama.adjacent_pairs = llama.free_heads = llama.deci_alike = llama.rope_freqs = llama.longrope = true;
      llama.attention_biases = llama.ffn_biases = Biases::kOptional;
    }
    Graph& deci = add("deci", "deci", silu);
    deci.adjacent_pairs = deci.free_heads = deci.deci_alike = deci.rope_freqs = deci.longrope = true;
    deci.attention_biases = deci.ffn_biases = Biases::kOptional;
    Graph& qwen2 = add("qwen2", "qwen2", silu);
    qwen2.deci_alike = true;
    qwen2.attention_biases = Biases::kOptional;
    add("phi3", "phi3", silu).longrope = true;
    Graph& gemma = add("gemma", "gemma", gelu);
    gemma.free_heads = true;
    Graph& phi = add("phi", "phi2", gelu);
    phi.block = BlockKind::kParallel;
    phi.norm = NormKind::kLayerNorm;
    phi.head_bias = true;
    phi.attention_biases = phi.ffn_biases = Biases::kRequired;
    Graph& falcon = add("falcon", "falcon", gelu);
    falcon.block = BlockKind::kParallel;
    falcon.norm = NormKind::kLayerNorm;
    Graph& neox = add("gpt_neox", "gptneox", gelu);
    neox.either_block = true;
    neox.norm = NormKind::kLayerNorm;
    neox.attention_biases = neox.ffn_biases = Biases::kRequired;
    Graph& gpt2 = add("gpt2", "gpt2", gelu);
    gpt2.norm = NormKind::kLayerNorm;
    gpt2.attention_biases = gpt2.ffn_biases = Biases::kRequired;
    return all;
  }();
  return table;
}

[[noreturn]] void refuse(const Config& config, const std::string& architecture, const std::string& what) {
  fail(ErrorCode::kUnsupported, config.where(), "llama.cpp's architecture '{}' {}, so that it cannot run this model",
       architecture, what);
}

std::string_view words(Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return "SiLU";
    case Activation::kRelu:
      return "ReLU";
    case Activation::kGeluErf:
    case Activation::kGeluTanh:
      return "GELU";
    case Activation::kGeluQuick:
      return "quick GELU";
  }
  return "";
}

void require_same_layers(const Graph& graph, const ModelDescription& model, const Config& config) {
  for (size_t layer = 1; layer < model.layers.size(); ++layer) {
    if (model.sizes(layer) == model.sizes(0)) continue;
    fail(ErrorCode::kUnsupported, config.where(),
         "layer {} has {} neurons and {} key-value heads, layer 0 has {} and {}: llama.cpp's architecture '{}' wants "
         "all "
         "layers alike (prune with one width, or --allocate adaptive --pad)",
         layer, model.sizes(layer).width, model.sizes(layer).kv_heads, model.sizes(0).width, model.sizes(0).kv_heads,
         graph.name);
  }
}

bool layers_alike(const ModelDescription& model) {
  for (size_t layer = 1; layer < model.layers.size(); ++layer) {
    if (model.sizes(layer) != model.sizes(0)) return false;
  }
  return true;
}

void require_biases_fit(const Config& config, const std::string& architecture, const char* part, Biases biases,
                        const std::vector<const LinearDescription*>& linears) {
  for (const LinearDescription* linear : linears) {
    if (biases == Biases::kNone && linear->bias)
      refuse(config, architecture, fmt::format("has no biases of its {} ('{}' is there)", part, *linear->bias));
    if (biases == Biases::kRequired && !linear->bias)
      refuse(config, architecture, fmt::format("needs biases of its {} ('{}' has none)", part, linear->weight.tensor));
  }
}

void require_biases_fit(const Graph& graph, const BlockDescription& block, const Config& config) {
  const AttentionDescription& attention = block.attention;
  std::vector<const LinearDescription*> projections{&attention.output}, ffn{&block.up, &block.down};
  for (const auto* optional : {&attention.query, &attention.key, &attention.value, &attention.fused}) {
    if (*optional) projections.push_back(&**optional);
  }
  if (block.gate) ffn.push_back(&*block.gate);
  require_biases_fit(config, std::string(graph.name), "attention", graph.attention_biases, projections);
  require_biases_fit(config, std::string(graph.name), "FFN", graph.ffn_biases, ffn);
}

void require_scaling_fits(const Graph& graph, const Config& config) {
  const std::string kind = scaling_kind(config), name(graph.name);
  if (kind == "llama3" && !graph.rope_freqs) refuse(config, name, "reads no rotary factors of the kind 'llama3'");
  if ((kind == "longrope" || kind == "su") && !graph.longrope)
    refuse(config, name, "reads no rotary factors of the kind 'longrope'");
  if (kind != "yarn") return;
  const auto scaling = rotary_scaling(config);
  const double fast = scaling->number("beta_fast", 32), slow = scaling->number("beta_slow", 1);
  if (fast != 32 || slow != 1)
    refuse(config, name, fmt::format("has the yarn constants beta_fast 32 and beta_slow 1, not {} and {}", fast, slow));
}

void require_graph_fits(const Graph& graph, const ModelDescription& model, const TransformerDescription& transformer,
                        const Config& config) {
  const std::string name(graph.name);
  if (transformer.alibi) refuse(config, name, "has no alibi positions");
  if (!graph.either_block && transformer.block != graph.block)
    refuse(config, name,
           graph.block == BlockKind::kParallel ? "computes attention and FFN in parallel"
                                               : "computes attention and FFN one after the other");
  if (transformer.block == BlockKind::kPostNorm) refuse(config, name, "norms before each block, not after");
  if (transformer.norm != graph.norm) refuse(config, name, "has another kind of norm");
  if (transformer.project_in || transformer.project_out) refuse(config, name, "has no projections around its layers");
  if (transformer.logit_scale != 1) refuse(config, name, "has no logit_scale");
  if (std::find(graph.activations.begin(), graph.activations.end(), transformer.activation) ==
      graph.activations.end()) {
    refuse(
        config, name,
        fmt::format("has the activation {}, not {}", words(graph.activations.front()), words(transformer.activation)));
  }
  const double scale = graph.name == "gemma" ? std::sqrt(static_cast<double>(model.hidden)) : 1;
  if (transformer.embedding_scale != scale) refuse(config, name, "scales embeddings otherwise");
  if (transformer.rotary) require_scaling_fits(graph, config);
  for (const BlockDescription& block : transformer.blocks) {
    require_biases_fit(graph, block, config);
    const AttentionDescription& attention = block.attention;
    if (attention.query_norm || attention.key_norm) refuse(config, name, "has no norms of queries and keys");
    if (std::abs(attention.score_scale * std::sqrt(static_cast<double>(attention.head_dim)) - 1) > 1e-9)
      refuse(config, name, "scales attention scores by 1 / sqrt(head size) in every layer");
    if (!graph.free_heads && !graph.deci_alike && attention.heads * attention.head_dim != model.hidden) {
      refuse(config, name,
             fmt::format("wants heads x head size ({} x {}) to be the hidden size {}", attention.heads,
                         attention.head_dim, model.hidden));
    }
  }
  if (transformer.head.bias && !graph.head_bias) refuse(config, name, "has no bias of the output head");
  if (graph.head_bias && (!transformer.head.bias || model.tied_head))
    refuse(config, name, "needs an output head with a bias");
}

// Where llama.cpp computes something else than the model does, without refusing it.
std::vector<std::string> warnings_of(const TransformerDescription& transformer, const Config& config,
                                     const std::string& name) {
  std::vector<std::string> warnings;
  int64_t window = 0;
  for (const BlockDescription& block : transformer.blocks) window = std::max(window, block.attention.window);
  if (window > 0 && (transformer.max_context == 0 || window < transformer.max_context)) {
    warnings.push_back(
        fmt::format("this model attends to a window of {} tokens; llama.cpp's architecture '{}' has none, and attends "
                    "to all: texts longer "
                    "than that come out differently",
                    window, name));
  }
  if (!transformer.rotary) return warnings;
  if (scaling_kind(config) == "dynamic") {
    warnings.push_back(
        "the dynamic scaling of rotary positions, which begins beyond the context, has no place in GGUF and is left "
        "out");
  }
  if (transformer.rotary->long_from > 0) {
    warnings.push_back(
        fmt::format("llama.cpp takes the long rotary factors where its context (-c) is larger than {0} tokens, "
                    "whatever the length of the text; "
                    "this model does where the text is: run texts of up to {0} tokens with -c {0}",
                    transformer.rotary->long_from));
  }
  return warnings;
}

}  // namespace

bool gguf_layers_may_differ(const std::string& family) {
  return std::any_of(graphs().begin(), graphs().end(),
                     [&](const Graph& g) { return g.family == family && g.deci_alike; });
}

bool gguf_heads_may_be_cut(const std::string& family) {
  return std::any_of(graphs().begin(), graphs().end(),
                     [&](const Graph& g) { return g.family == family && (g.free_heads || g.deci_alike); });
}

GgufArchitecture find_architecture(const ModelDescription& model, const TransformerDescription& transformer,
                                   const Config& config) {
  const auto& table = graphs();
  const auto graph = std::find_if(table.begin(), table.end(), [&](const Graph& g) { return g.family == model.family; });
  if (graph == table.end()) {
    std::string known;
    for (const Graph& g : table) known += (known.empty() ? "" : ", ") + std::string(g.family);
    fail(ErrorCode::kUnsupported, config.where(), "llama.cpp has no architecture for '{}' models; it has for {}",
         model.family, known);
  }
  require_graph_fits(*graph, model, transformer, config);
  GgufArchitecture architecture{
      std::string(graph->name), graph->adjacent_pairs, {}, warnings_of(transformer, config, std::string(graph->name))};
  const LayerDescription& first = model.layers.front();
  const bool heads_fit = graph->free_heads || first.heads * first.head_dim == model.hidden;
  if (layers_alike(model) && heads_fit) {
    if (graph->name == "deci") architecture.name = "llama";  // the same graph, known to more programs
    return architecture;
  }
  if (!graph->deci_alike) require_same_layers(*graph, model, config);
  architecture.name = "deci";
  architecture.adjacent_pairs = true;
  architecture.notes.push_back(fmt::format(
      "the file goes under the architecture 'deci', of which llama.cpp reads the sizes of every layer: '{}' {}",
      graph->name, heads_fit ? "wants all layers alike" : "wants heads x head size to be the hidden size"));
  return architecture;
}

}  // namespace prunenet
