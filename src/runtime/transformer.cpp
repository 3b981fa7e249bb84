// The forward pass.
#include "runtime/transformer.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "runtime/attention.h"
#include "runtime/layer_weights.h"
#include "runtime/pieces.h"
#include "runtime/product.h"

namespace prunenet {

namespace {

// Places of the ids of a chunk within their sequences, int64 [N].
at::Tensor places(const Chunk& chunk) {
  std::vector<at::Tensor> parts;
  for (const Segment& segment : chunk.segments) {
    parts.push_back(at::arange(segment.past(), segment.past() + segment.length, at::kLong).repeat({segment.sequences}));
  }
  return at::cat(parts);
}

// x [N, heads, head_dim]: number i of the first half of the rotated part turns with number i of its second half, or
// numbers 2 i and 2 i + 1 with each other. Either way they leave in halves: scores do not ask for the order, and so add
// up in the same one.
at::Tensor rotate(const at::Tensor& x, const Positions& positions) {
  const at::Tensor &cosine = positions.cosine, &sine = positions.sine;
  const int64_t half = cosine.size(-1), dim = x.size(-1);
  at::Tensor a, b;
  if (positions.adjacent_pairs) {
    const at::Tensor pairs = x.narrow(-1, 0, 2 * half).unflatten(-1, {half, 2});
    a = pairs.select(-1, 0), b = pairs.select(-1, 1);
  } else {
    a = x.narrow(-1, 0, half), b = x.narrow(-1, half, half);
  }
  std::vector<at::Tensor> parts{a * cosine - b * sine, b * cosine + a * sine};
  if (2 * half < dim) parts.push_back(x.narrow(-1, 2 * half, dim - 2 * half));
  return at::cat(parts, -1);
}

}  // namespace

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kRelu:
      return at::relu(x);
    case Activation::kGeluErf:
      return at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kGeluQuick:
      return x * at::sigmoid(1.702 * x);
  }
  PRUNENET_CHECK(false);
  return x;
}

Transformer::Transformer(const TransformerDescription& description, WeightSource& source, at::Device device,
                         Options options)
    : description_(description), source_(source), device_(device), options_(options) {
  for (size_t i = 0; i <= description_.blocks.size(); ++i) to_read_.push_back(matrices(i));
  if (!options_.stream) load();
}

Transformer::~Transformer() = default;

// While a layer is converted, the next one is read.
void Transformer::load() {
  std::vector<std::vector<std::string>> converted(to_read_.size());
  for (size_t i = 0; i < to_read_.size(); ++i) {
    const auto first = std::stable_partition(to_read_[i].begin(), to_read_[i].end(), [&](const std::string& name) {
      return source_.in_place(name, options_.type);
    });
    converted[i].assign(first, to_read_[i].end());
    to_read_[i].erase(first, to_read_[i].end());
  }
  for (size_t i = 0; i < description_.blocks.size(); ++i) {
    if (options_.throw_if_cancelled != nullptr) options_.throw_if_cancelled();
    std::vector<std::string> names = converted[i];
    names.insert(names.end(), converted[i + 1].begin(), converted[i + 1].end());
    if (!names.empty()) source_.expect(names);
    blocks_.push_back(std::make_shared<const LayerWeights>(fetch_block(i)));
  }
  head_.push_back(fetch(description_.head));
}

// In the order in which they are used. The rest of a layer is small.
std::vector<std::string> Transformer::matrices(size_t index) const {
  std::vector<std::string> names;
  const auto add = [&](const LinearDescription& linear) {  // some lie in one tensor
    const std::string& name = linear.weight.tensor;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  if (index == description_.blocks.size()) {
    add(description_.head);
    return names;
  }
  const BlockDescription& block = description_.blocks[index];
  for (const auto* part :
       {&block.attention.fused, &block.attention.query, &block.attention.key, &block.attention.value}) {
    if (*part) add(**part);
  }
  add(block.attention.output);
  if (block.gate) add(*block.gate);
  add(block.up);
  add(block.down);
  return names;
}

Linear Transformer::fetch(const LinearDescription& linear) {
  const MatrixRef& matrix = linear.weight;
  const at::Tensor stored = source_.get(matrix.tensor, options_.type);
  Linear result;
  result.weight = (matrix.transposed ? stored.t() : stored).narrow(0, matrix.first_row, matrix.rows);
  if (linear.bias) result.bias = source_.get(*linear.bias, options_.type).narrow(0, matrix.first_row, matrix.rows);
  return result;
}

Norm Transformer::fetch(const NormDescription& norm) {
  Norm result;
  result.gain = source_.get(norm.weight, at::kFloat);
  if (description_.norm_gain_offset != 0) result.gain = result.gain + description_.norm_gain_offset;
  if (norm.bias) result.bias = source_.get(*norm.bias, at::kFloat);
  return result;
}

LayerWeights Transformer::fetch_block(size_t index) {
  const BlockDescription& description = description_.blocks[index];
  const AttentionDescription& attention = description.attention;
  LayerWeights block;
  if (description.attention_norm) block.attention_norm.push_back(fetch(*description.attention_norm));
  if (description.ffn_norm) block.ffn_norm.push_back(fetch(*description.ffn_norm));
  if (attention.query_norm) block.query_norm.push_back(fetch(*attention.query_norm));
  if (attention.key_norm) block.key_norm.push_back(fetch(*attention.key_norm));
  if (attention.fused) {
    block.projections.push_back(fetch(*attention.fused));
  } else {
    for (const auto* part : {&attention.query, &attention.key, &attention.value})
      block.projections.push_back(fetch(**part));
  }
  block.output = fetch(attention.output);
  block.gated = description.gate.has_value();
  const MatrixRef& up = description.up.weight;
  if (block.gated && description.gate->weight.tensor == up.tensor) {  // stacked: one product
    LinearDescription both = *description.gate;
    both.weight.rows += up.rows;
    block.up.push_back(fetch(both));
  } else {
    if (block.gated) block.up.push_back(fetch(*description.gate));
    block.up.push_back(fetch(description.up));
  }
  block.down = fetch(description.down);
  if (description_.alibi) {
    block.slopes =
        (alibi_slopes(attention.heads) * attention.score_scale).reshape({attention.kv_heads, -1}).to(device_);
  }
  return block;
}

void Transformer::release_block(size_t index) {
  if (!options_.stream) return;
  for (const std::string& name : to_read_[index]) source_.release(name);
}

KvCache Transformer::make_cache(int64_t sequences, int64_t capacity) const {
  KvCache cache{0, capacity, {}, {}};
  for (const BlockDescription& block : description_.blocks) {
    const AttentionDescription& attention = block.attention;
    const auto empty = [&] {
      return at::empty({sequences, attention.kv_heads, capacity, attention.head_dim},
                       at::TensorOptions(options_.type).device(device_));
    };
    cache.keys.push_back(empty());
    cache.values.push_back(empty());
  }
  return cache;
}

at::Tensor Transformer::embed(const Chunk& chunk) {
  at::Tensor x = source_.rows(description_.embedding, chunk.ids);
  if (options_.stream) source_.release(description_.embedding);
  if (description_.embedding_scale != 1) x = x * description_.embedding_scale;
  if (description_.project_in) x = fetch(*description_.project_in)(x.to(options_.type)).to(at::kFloat);
  if (description_.learned)
    x = x + source_.rows(description_.learned->weight, places(chunk) + description_.learned->offset);
  return x;
}

Positions Transformer::positions(const Chunk& chunk) const {
  Positions result;
  if (!description_.rotary) return result;
  const RotaryDescription& rotary = *description_.rotary;
  std::vector<at::Tensor> angles;
  for (const Segment& segment : chunk.segments) {
    const int64_t longest =
        segment.cache == nullptr ? segment.length : segment.cache->capacity;  // never changes within a sequence
    const bool stretched = !rotary.long_inv_freq.empty() && longest > rotary.long_from;
    const at::Tensor frequencies = at::tensor(stretched ? rotary.long_inv_freq : rotary.inv_freq, at::kDouble);
    const at::Tensor place = at::arange(segment.past(), segment.past() + segment.length, at::kDouble);
    angles.push_back(at::outer(place, frequencies).repeat({segment.sequences, 1}));
  }
  const at::Tensor all = at::cat(angles).unsqueeze(1);
  const auto table = [&](at::Tensor (*turn)(const at::Tensor&)) {
    const at::Tensor exact = by_rows(all, all.size(-1), [&](int64_t from, int64_t count) {
      return turn(all.narrow(0, from, count)) * rotary.attention_factor;
    });
    return exact.to(device_, at::kFloat);
  };
  result.cosine = table(at::cos);
  result.sine = table(at::sin);
  result.adjacent_pairs = rotary.adjacent_pairs;
  return result;
}

at::Tensor Transformer::normalise(const at::Tensor& x, const Norm& norm) const {
  if (description_.norm == NormKind::kLayerNorm)
    return at::layer_norm(x, {x.size(-1)}, norm.gain, norm.bias, description_.norm_epsilon);
  const at::Tensor inverse = at::rsqrt(at::mean(x * x, -1, true) + description_.norm_epsilon);
  return x * inverse * norm.gain;
}

at::Tensor Transformer::mix(const at::Tensor& x, const LayerWeights& block, size_t layer, const Chunk& chunk,
                            const Positions& positions) const {
  const AttentionDescription& a = description_.blocks[layer].attention;
  const int64_t rows = x.size(0), groups = a.fused_groups, per_kv = a.heads / a.kv_heads;
  at::Tensor query, key, value;  // [N, heads, head_dim]
  if (a.fused) {
    const int64_t queries = a.heads / groups, keys = a.kv_heads / groups;
    const at::Tensor all = block.projections[0](x).view({rows, groups, queries + 2 * keys, a.head_dim});
    query = all.narrow(2, 0, queries).reshape({rows, a.heads, a.head_dim});
    key = all.narrow(2, queries, keys).reshape({rows, a.kv_heads, a.head_dim});
    value = all.narrow(2, queries + keys, keys).reshape({rows, a.kv_heads, a.head_dim});
  } else {
    query = block.projections[0](x).view({rows, a.heads, a.head_dim});
    key = block.projections[1](x).view({rows, a.kv_heads, a.head_dim});
    value = block.projections[2](x).view({rows, a.kv_heads, a.head_dim});
  }
  query = query.to(at::kFloat);
  key = key.to(at::kFloat);
  value = value.to(at::kFloat);
  const auto head_norm = [&](const at::Tensor& t, const Norm& norm) {
    return at::layer_norm(t, {a.head_dim}, norm.gain, norm.bias, description_.norm_epsilon);
  };
  if (!block.query_norm.empty()) query = head_norm(query, block.query_norm[0]);
  if (!block.key_norm.empty()) key = head_norm(key, block.key_norm[0]);
  if (positions.cosine.defined()) {
    query = rotate(query, positions);
    key = rotate(key, positions);
  }
  query = query * a.score_scale;

  std::vector<at::Tensor> mixed;
  int64_t first = 0;
  for (const Segment& segment : chunk.segments) {
    const int64_t s = segment.sequences, n = segment.length;
    const auto part = [&](const at::Tensor& t) { return t.narrow(0, first, segment.rows()); };
    const at::Tensor q = part(query).view({s, n, a.kv_heads, per_kv, a.head_dim}).permute({0, 2, 3, 1, 4});
    at::Tensor k = part(key).view({s, n, a.kv_heads, a.head_dim}).permute({0, 2, 1, 3});
    at::Tensor v = part(value).view({s, n, a.kv_heads, a.head_dim}).permute({0, 2, 1, 3});
    if (segment.cache != nullptr) {
      const auto remember = [&](const at::Tensor& cache, const at::Tensor& fresh) {
        cache.narrow(2, segment.past(), n).copy_(fresh);
        return cache.narrow(2, 0, segment.past() + n);  // attend widens what it is about to read
      };
      k = remember(segment.cache->keys[layer], k);
      v = remember(segment.cache->values[layer], v);
    }
    const at::Tensor out = attend(q, k, v, block.slopes, {a.kv_heads, per_kv, segment.past(), a.window});
    mixed.push_back(out.permute({0, 3, 1, 2, 4}).reshape({segment.rows(), a.heads * a.head_dim}));
    first += segment.rows();
  }
  const at::Tensor all = mixed.size() == 1 ? mixed.front() : at::cat(mixed);
  return all.to(options_.type);
}

at::Tensor Transformer::inner(const at::Tensor& x, const LayerWeights& block) const {
  const at::Tensor first = block.up[0](x);
  const bool stacked = block.gated && block.up.size() == 1;
  const int64_t width = stacked ? first.size(-1) / 2 : first.size(-1);
  const at::Tensor gate = stacked ? first.narrow(-1, 0, width) : first;
  at::Tensor up;
  if (block.gated) up = stacked ? first.narrow(-1, width, width) : block.up[1](x);
  return by_rows(gate, width, [&](int64_t from, int64_t count) {
    const at::Tensor active = activate(gate.narrow(0, from, count), description_.activation);
    return block.gated ? active * up.narrow(0, from, count) : active;
  });
}

at::Tensor Transformer::attention_input(const at::Tensor& x, const LayerWeights& block) const {
  const bool normed_before = description_.block != BlockKind::kPostNorm;
  return (normed_before ? normalise(x, block.attention_norm[0]) : x).to(options_.type);
}

at::Tensor Transformer::after_attention(const at::Tensor& x, const at::Tensor& output,
                                        const LayerWeights& block) const {
  const at::Tensor y = x + output;
  return description_.block == BlockKind::kPostNorm ? normalise(y, block.attention_norm[0]) : y;
}

at::Tensor Transformer::ffn_input(const at::Tensor& x, const at::Tensor& y, const at::Tensor& attention_input,
                                  const LayerWeights& block) const {
  if (description_.block == BlockKind::kPostNorm) return y.to(options_.type);
  if (description_.block == BlockKind::kSequential) return normalise(y, block.ffn_norm[0]).to(options_.type);
  if (!block.ffn_norm.empty()) return normalise(x, block.ffn_norm[0]).to(options_.type);
  return attention_input.defined() ? attention_input : this->attention_input(x, block);
}

at::Tensor Transformer::after_ffn(const at::Tensor& y, const at::Tensor& output, const LayerWeights& block) const {
  const at::Tensor z = y + output;
  return description_.block == BlockKind::kPostNorm ? normalise(z, block.ffn_norm[0]) : z;
}

at::Tensor Transformer::run_block(const at::Tensor& x, const LayerWeights& block, size_t layer, const Chunk& chunk,
                                  const Positions& positions) const {
  const at::Tensor input = attention_input(x, block);
  const at::Tensor y = after_attention(x, block.output(mix(input, block, layer, chunk, positions)), block);
  return after_ffn(y, block.down(inner(ffn_input(x, y, input, block), block)), block);
}

std::shared_ptr<const LayerWeights> Transformer::block(size_t layer, std::initializer_list<size_t> next) {
  if (options_.throw_if_cancelled != nullptr) options_.throw_if_cancelled();
  std::vector<std::string> names = to_read_[layer];  // of which the last pieces may still be on the disk
  for (const size_t other : next) names.insert(names.end(), to_read_[other].begin(), to_read_[other].end());
  if (!names.empty()) source_.expect(names);
  if (!options_.stream && !source_.forgets()) {
    to_read_[layer].clear();
    if (layer + 1 == blocks_.size()) to_read_.back().clear();  // of the head; it is asked for here alone
  }
  return options_.stream ? std::make_shared<const LayerWeights>(fetch_block(layer)) : blocks_[layer];
}

at::Tensor Transformer::finish(const at::Tensor& x) {
  at::Tensor y = x;
  if (description_.final_norm) y = normalise(y, fetch(*description_.final_norm));
  if (description_.project_out) y = fetch(*description_.project_out)(y.to(options_.type)).to(at::kFloat);
  return y;
}

std::vector<at::Tensor> Transformer::hidden(const std::vector<Chunk>& chunks) {
  std::vector<at::Tensor> states;
  std::vector<Positions> at_places;
  bool comes_again = false;  // for the next id
  const size_t layers = description_.blocks.size();
  for (const Chunk& chunk : chunks) {
    for (const Segment& segment : chunk.segments) comes_again = comes_again || segment.cache != nullptr;
    states.push_back(embed(chunk));
    at_places.push_back(positions(chunk));
  }
  for (size_t layer = 0; layer < layers; ++layer) {
    {
      const std::shared_ptr<const LayerWeights> weights =
          layer + 1 == layers && comes_again ? block(layer, {layers, 0}) : block(layer, {layer + 1});
      for (size_t i = 0; i < chunks.size(); ++i)
        states[i] = run_block(states[i], *weights, layer, chunks[i], at_places[i]);
    }
    release_block(layer);
  }
  for (size_t i = 0; i < chunks.size(); ++i) {
    for (const Segment& segment : chunks[i].segments) {
      if (segment.cache != nullptr) segment.cache->past += segment.length;
    }
    states[i] = finish(states[i]);
  }
  return states;
}

void Transformer::widen_head() {
  if (options_.stream || options_.type == at::kFloat || wide_head_.defined()) return;
  wide_head_ = head_.front().weight.to(at::kFloat).contiguous();
}

at::Tensor Transformer::logits(const at::Tensor& hidden) {
  const Linear head = options_.stream ? fetch(description_.head) : head_.front();
  at::Tensor result;
  if (options_.type == at::kFloat) {
    result = head(hidden);
  } else if (!options_.stream && hidden.is_cpu() && !at::GradMode::is_enabled()) {
    widen_head();  // on tiles that the runs below are made of, too
    result = product(hidden, wide_head_, head.bias.defined() ? head.bias.to(at::kFloat) : at::Tensor());
  } else {
    // In f32, a run of the vocabulary at a time: logits rounded to bf16 would be off by up to 0.06 where they are
    // near 16. The gradient is a sum over the runs: the head that is kept is multiplied in the same ones, or whether a
    // machine has to stream would show in the last bits.
    widen_head();
    constexpr int64_t kRun = 4096;
    std::vector<at::Tensor> runs;
    for (int64_t first = 0; first < description_.vocab; first += kRun) {
      const int64_t count = std::min(kRun, description_.vocab - first);
      const at::Tensor bias = head.bias.defined() ? head.bias.narrow(0, first, count).to(at::kFloat) : at::Tensor();
      const at::Tensor weight = wide_head_.defined() ? wide_head_.narrow(0, first, count)
                                                     : head.weight.narrow(0, first, count).to(at::kFloat).contiguous();
      runs.push_back(product(hidden, weight, bias));
    }
    result = at::cat(runs, 1);
  }
  if (options_.stream) source_.release(description_.head.weight.tensor);
  return description_.logit_scale == 1 ? result : result * description_.logit_scale;
}

}  // namespace prunenet
