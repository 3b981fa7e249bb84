// What a model computes, as far as running it needs: norms, attention, positions, activation, head. Built from
// config.json and tensor names and shapes alone; no weights are read. Widths and head counts are those of the tensors,
// layer by layer, so that a cut checkpoint runs whatever its config says. The FFN's matrices are those of
// description.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/description.h"

namespace prunenet {

/// y = x W^T + b, W [out, in]. The bias covers the same rows as the weight: stacked tensors have stacked biases.
struct LinearDescription {
  MatrixRef weight;
  std::optional<std::string> bias;
};

struct NormDescription {
  std::string weight;               // [D]
  std::optional<std::string> bias;  // [D]
};

enum class NormKind { kLayerNorm, kRmsNorm };
enum class Activation { kSilu, kRelu, kGeluErf, kGeluTanh, kGeluQuick };

enum class BlockKind {
  kSequential,  // x += attention(norm(x)); x += ffn(norm(x))
  kParallel,    // x += attention(norm(x)) + ffn(norm'(x))
  kPostNorm,    // x = norm(x + attention(x)); x = norm'(x + ffn(x))
};

/// Causal attention of H heads; KV of them have keys and values of their own, shared by H / KV queries each.
struct AttentionDescription {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  // Either three matrices, or one whose rows are `fused_groups` runs of (heads / groups) queries, then (kv_heads /
  // groups) keys, then as many values, each head_dim rows.
  std::optional<LinearDescription> query, key, value;
  std::optional<LinearDescription> fused;
  int64_t fused_groups = 1;
  LinearDescription output;  // [D, heads * head_dim]
  std::optional<NormDescription> query_norm,
      key_norm;            // over the numbers of one head (Phi's qk_layernorm): a layer norm
  double score_scale = 0;  // of query times key, and of the alibi bias with it
  int64_t window = 0;      // a query sees that many keys, itself included; 0: all before it
};

struct BlockDescription {
  std::optional<NormDescription> attention_norm, ffn_norm;  // no ffn_norm: the FFN reads what attention reads
  AttentionDescription attention;
  std::optional<LinearDescription> gate;  // [F, D]
  LinearDescription up, down;             // [F, D], [D, F]
};

/// Rotary positions: the first 2 * inv_freq.size() numbers of a head turn, number i with number i + inv_freq.size()
/// (the half-split order of transformers) or, in adjacent pairs, number 2 i with number 2 i + 1 (the order of some GGUF
/// architectures), by position * inv_freq[i] radians. Su, Lu et al. 2021 (arXiv 2104.09864).
struct RotaryDescription {
  std::vector<double> inv_freq;
  std::vector<double> long_inv_freq;  // instead, for sequences longer than long_from (longrope); empty: none
  int64_t long_from = 0;
  double attention_factor = 1;  // of cosine and sine (yarn, longrope)
  bool adjacent_pairs = false;
};

/// Tensors that are looked up by position: row `offset + position`.
struct LearnedPositions {
  std::string weight;
  int64_t offset = 0, rows = 0;
};

struct TransformerDescription {
  int64_t hidden = 0, vocab = 0;
  int64_t max_context = 0;  // longest sequence; 0: no limit stated

  std::string embedding;        // [vocab, E]
  int64_t embedding_width = 0;  // E: hidden, unless projected
  double embedding_scale = 1;
  std::optional<LinearDescription> project_in,
      project_out;  // E -> D before the first, D -> E after the last layer (OPT-350m)
  std::optional<RotaryDescription> rotary;
  std::optional<LearnedPositions> learned;
  bool alibi = false;  // Press et al. 2021 (arXiv 2108.12409)

  NormKind norm = NormKind::kRmsNorm;
  double norm_epsilon = 0;
  double norm_gain_offset = 0;  // Gemma stores the gain less 1
  Activation activation = Activation::kSilu;
  BlockKind block = BlockKind::kSequential;
  std::vector<BlockDescription> blocks;

  std::optional<NormDescription> final_norm;
  LinearDescription head;  // [vocab, E]; the embedding where it is tied
  double logit_scale = 1;
};

/// Describes the forward pass of a described model. Throws kUnsupported (an activation, a kind of rotary scaling:
/// named), kMismatch (a tensor is missing or has a shape that fits nothing), kFormat (a key of the config is no
/// number).
TransformerDescription describe_transformer(const std::string& config_text, const TensorLookup& find,
                                            const ModelDescription& model, const std::string& where);
TransformerDescription describe_transformer(const Checkpoint& checkpoint, const ModelDescription& model);

/// Bytes that the cache of keys and values takes for one token of one sequence, at `bytes_per_number` each.
int64_t cache_bytes_per_token(const TransformerDescription& transformer, int64_t bytes_per_number);

}  // namespace prunenet
