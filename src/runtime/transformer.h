// One transformer for every family: the forward pass that a TransformerDescription spells out. Sequences are packed one
// after the other, without padding; only attention knows where one ends. The residual stream, norms, attention scores
// and logits are f32 whatever type the matrix products have. Differentiable with respect to the weights that its source
// gives.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "model/transformer.h"
#include "runtime/weights.h"

namespace prunenet {

struct Linear;  // layer_weights.h
struct Norm;
struct LayerWeights;
struct Positions;

/// The activation function, element by element. Whether it is vectorised may depend on where an element lies: see
/// by_rows.
at::Tensor activate(const at::Tensor& x, Activation activation);

/// Keys and values of `sequences` sequences of equal length, for every layer.
struct KvCache {
  int64_t past = 0, capacity = 0;
  std::vector<at::Tensor> keys, values;  // a layer: [sequences, kv_heads, capacity, head_dim]
};

/// Consecutive sequences of equal length, all with as many ids before them.
struct Segment {
  int64_t sequences = 0, length = 0;
  KvCache* cache = nullptr;  // none: nothing stands before them
  int64_t past() const { return cache == nullptr ? 0 : cache->past; }
  int64_t rows() const { return sequences * length; }
};

/// What goes through the layers at once: N = sum of rows ids.
struct Chunk {
  at::Tensor ids;  // int64 [N], on the CPU
  std::vector<Segment> segments;
};

/// Throws once the program was told to stop. Whoever opens the engine gives it: a module has its own copy of the flag
/// in base/cancel.h, which nobody sets.
using CancelCheck = void (*)();

class Transformer {
 public:
  struct Options {
    at::ScalarType type = at::kFloat;          // of the matrix products: kFloat or kBFloat16
    bool stream = false;                       // fetch a layer when it is needed and drop it afterwards
    CancelCheck throw_if_cancelled = nullptr;  // asked before every layer
  };

  /// `description` and `source` must outlive it.
  Transformer(const TransformerDescription& description, WeightSource& source, at::Device device, Options options);
  ~Transformer();

  /// Hidden states [N, E] of every chunk, f32, after the final norm: what the head multiplies. Layers are the outer
  /// loop and chunks the inner one. Caches are filled and their `past` moved on.
  std::vector<at::Tensor> hidden(const std::vector<Chunk>& chunks);

  /// Logits [rows, vocab], f32, of hidden states [rows, E]. Where the products are bf16 the head is multiplied in f32
  /// even so, and its f32 copy stays in memory (unless streaming): continuing texts asks for it at every token.
  /// Streaming or not, logits and their gradients are the same to the bit.
  at::Tensor logits(const at::Tensor& hidden);
  /// Makes that copy now, where one is to be kept: before several threads ask for logits.
  void widen_head();
  /// Lets it go.
  void forget_head() { wide_head_ = at::Tensor(); }

  /// An empty cache for `sequences` sequences.
  KvCache make_cache(int64_t sequences, int64_t capacity) const;

  const TransformerDescription& description() const { return description_; }
  at::ScalarType type() const { return options_.type; }
  at::Device device() const { return device_; }
  /// As in the options; may be null.
  CancelCheck cancel_check() const { return options_.throw_if_cancelled; }

  // One layer at a time, for those who walk through the model (torch_walk.h). Streams are [N, D], f32.

  /// What enters the first layer.
  at::Tensor embed(const Chunk& chunk);
  Positions positions(const Chunk& chunk) const;
  /// The weights of a layer, fetched for the caller when streaming. Those of the `next` layers that the caller goes to
  /// are read from the disk meanwhile, where they are not in memory; the number of layers stands for the head. Asks for
  /// a cancellation.
  std::shared_ptr<const LayerWeights> block(size_t layer, std::initializer_list<size_t> next);
  /// The caller is done with the layer's weights: call it after dropping them.
  void release_block(size_t layer);
  /// What the attention's projections read: the stream x, normed.
  at::Tensor attention_input(const at::Tensor& x, const LayerWeights& block) const;
  /// The mixed values that the output projection reads, [N, heads * head_dim].
  at::Tensor mix(const at::Tensor& input, const LayerWeights& block, size_t layer, const Chunk& chunk,
                 const Positions& positions) const;
  /// The stream after attention: x + output, and the norm of a post-norm block.
  at::Tensor after_attention(const at::Tensor& x, const at::Tensor& output, const LayerWeights& block) const;
  /// What the FFN reads: the stream y after attention, normed, or in a parallel block the stream x before it.
  /// `attention_input`: what attention read, which some parallel blocks share; undefined: computed if needed.
  at::Tensor ffn_input(const at::Tensor& x, const at::Tensor& y, const at::Tensor& attention_input,
                       const LayerWeights& block) const;
  /// The inner numbers that down reads, [N, F].
  at::Tensor inner(const at::Tensor& input, const LayerWeights& block) const;
  /// The stream after the FFN: y + output, and the norm of a post-norm block.
  at::Tensor after_ffn(const at::Tensor& y, const at::Tensor& output, const LayerWeights& block) const;
  /// All of these in turn: the stream after the layer.
  at::Tensor run_block(const at::Tensor& x, const LayerWeights& block, size_t layer, const Chunk& chunk,
                       const Positions& positions) const;
  /// What the head multiplies, from what leaves the last layer.
  at::Tensor finish(const at::Tensor& x);

 private:
  Linear fetch(const LinearDescription& linear);
  Norm fetch(const NormDescription& norm);
  LayerWeights fetch_block(size_t index);
  std::vector<std::string> matrices(size_t index) const;
  void load();

  at::Tensor normalise(const at::Tensor& x, const Norm& norm) const;

  const TransformerDescription& description_;
  WeightSource& source_;
  at::Device device_;
  Options options_;
  // Matrices of each layer, and last the head's, that the forward pass still reads from the disk: all of them, each
  // time, when streaming; else those that are used where they are stored, until they stay in memory.
  std::vector<std::vector<std::string>> to_read_;
  std::vector<std::shared_ptr<const LayerWeights>> blocks_;  // empty when streaming
  std::vector<Linear> head_;                                 // one, or none when streaming
  at::Tensor wide_head_;  // its weight in f32, from the first logits on; see forget_head
};

}  // namespace prunenet
