// The forward pass.
#include "runtime/transformer.h"

#include <cmath>

#include "base/error.h"
#include "runtime/attention.h"
#include "runtime/pieces.h"
#include "runtime/product.h"

namespace prunenet {

struct Transformer::Linear {
  at::Tensor weight, bias;  // [out, in]; [out] or undefined
  at::Tensor operator()(const at::Tensor& x) const { return product(x, weight, bias); }
};

struct Transformer::Norm {
  at::Tensor gain, bias;  // f32 [D]; bias or undefined
};

struct Transformer::Block {
  std::vector<Norm> attention_norm, ffn_norm, query_norm, key_norm;  // one or none
  std::vector<Linear> projections;                                   // query, key, value; or the fused one
  Linear output;
  std::vector<Linear> up;  // gate and up, or the two in one, or up alone
  bool gated = false;
  Linear down;
  at::Tensor slopes;  // alibi, scaled like the scores [kv_heads, queries a kv head]
};

// What the places of a chunk's ids decide, the same for every layer.
struct Transformer::Positions {
  at::Tensor cosine, sine;  // [N, 1, rotated / 2]
};

namespace {

// Places of the ids of a chunk within their sequences, int64 [N].
at::Tensor places(const Chunk& chunk) {
  std::vector<at::Tensor> parts;
  for (const Segment& segment : chunk.segments) {
    parts.push_back(at::arange(segment.past(), segment.past() + segment.length, at::kLong).repeat({segment.sequences}));
  }
  return at::cat(parts);
}

// x [N, heads, head_dim]: number i of the first half of the rotated part turns with number i of its second half.
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine) {
  const int64_t half = cosine.size(-1), dim = x.size(-1);
  const at::Tensor a = x.narrow(-1, 0, half), b = x.narrow(-1, half, half);
  std::vector<at::Tensor> parts{a * cosine - b * sine, b * cosine + a * sine};
  if (2 * half < dim) parts.push_back(x.narrow(-1, 2 * half, dim - 2 * half));
  return at::cat(parts, -1);
}

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

}  // namespace

Transformer::Transformer(const TransformerDescription& description, WeightSource& source, at::Device device,
                         Options options)
    : description_(description), source_(source), device_(device), options_(options) {
  if (options_.stream) return;
  for (size_t i = 0; i < description_.blocks.size(); ++i) {
    if (options_.throw_if_cancelled != nullptr) options_.throw_if_cancelled();
    blocks_.push_back(fetch_block(i));
  }
  head_.push_back(fetch(description_.head));
}

Transformer::~Transformer() = default;

Transformer::Linear Transformer::fetch(const LinearDescription& linear) {
  const MatrixRef& matrix = linear.weight;
  const at::Tensor stored = source_.get(matrix.tensor, options_.type);
  Linear result;
  result.weight = (matrix.transposed ? stored.t() : stored).narrow(0, matrix.first_row, matrix.rows);
  if (linear.bias) result.bias = source_.get(*linear.bias, options_.type).narrow(0, matrix.first_row, matrix.rows);
  return result;
}

Transformer::Norm Transformer::fetch(const NormDescription& norm) {
  Norm result;
  result.gain = source_.get(norm.weight, at::kFloat);
  if (description_.norm_gain_offset != 0) result.gain = result.gain + description_.norm_gain_offset;
  if (norm.bias) result.bias = source_.get(*norm.bias, at::kFloat);
  return result;
}

Transformer::Block Transformer::fetch_block(size_t index) {
  const BlockDescription& description = description_.blocks[index];
  const AttentionDescription& attention = description.attention;
  Block block;
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
  const BlockDescription& block = description_.blocks[index];
  const auto release = [&](const LinearDescription& linear) { source_.release(linear.weight.tensor); };
  for (const auto* part :
       {&block.attention.query, &block.attention.key, &block.attention.value, &block.attention.fused, &block.gate}) {
    if (*part) release(**part);
  }
  release(block.attention.output);
  release(block.up);
  release(block.down);
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

Transformer::Positions Transformer::positions(const Chunk& chunk) const {
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
  return result;
}

at::Tensor Transformer::normalise(const at::Tensor& x, const Norm& norm) const {
  if (description_.norm == NormKind::kLayerNorm)
    return at::layer_norm(x, {x.size(-1)}, norm.gain, norm.bias, description_.norm_epsilon);
  const at::Tensor inverse = at::rsqrt(at::mean(x * x, -1, true) + description_.norm_epsilon);
  return x * inverse * norm.gain;
}

at::Tensor Transformer::attention(const at::Tensor& x, const Block& block, size_t layer, const Chunk& chunk,
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
    query = rotate(query, positions.cosine, positions.sine);
    key = rotate(key, positions.cosine, positions.sine);
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
        return cache.narrow(2, 0, segment.past() + n).to(at::kFloat);
      };
      k = remember(segment.cache->keys[layer], k);
      v = remember(segment.cache->values[layer], v);
    }
    const at::Tensor out = attend(q, k, v, block.slopes, {a.kv_heads, per_kv, segment.past(), a.window});
    mixed.push_back(out.permute({0, 3, 1, 2, 4}).reshape({segment.rows(), a.heads * a.head_dim}));
    first += segment.rows();
  }
  const at::Tensor all = mixed.size() == 1 ? mixed.front() : at::cat(mixed);
  return block.output(all.to(options_.type));
}

at::Tensor Transformer::ffn(const at::Tensor& x, const Block& block) const {
  const at::Tensor first = block.up[0](x);
  const bool stacked = block.gated && block.up.size() == 1;
  const int64_t width = stacked ? first.size(-1) / 2 : first.size(-1);
  const at::Tensor gate = stacked ? first.narrow(-1, 0, width) : first;
  at::Tensor up;
  if (block.gated) up = stacked ? first.narrow(-1, width, width) : block.up[1](x);
  const at::Tensor inner = by_rows(gate, width, [&](int64_t from, int64_t count) {
    const at::Tensor active = activate(gate.narrow(0, from, count), description_.activation);
    return block.gated ? active * up.narrow(0, from, count) : active;
  });
  return block.down(inner);
}

at::Tensor Transformer::run_block(const at::Tensor& x, const Block& block, size_t layer, const Chunk& chunk,
                                  const Positions& positions) const {
  const auto narrow = [&](const at::Tensor& t) { return t.to(options_.type); };
  if (description_.block == BlockKind::kPostNorm) {
    const at::Tensor y = normalise(x + attention(narrow(x), block, layer, chunk, positions), block.attention_norm[0]);
    return normalise(y + ffn(narrow(y), block), block.ffn_norm[0]);
  }
  const at::Tensor normed = narrow(normalise(x, block.attention_norm[0]));
  const at::Tensor y = x + attention(normed, block, layer, chunk, positions);
  if (description_.block == BlockKind::kSequential) return y + ffn(narrow(normalise(y, block.ffn_norm[0])), block);
  return y + ffn(block.ffn_norm.empty() ? normed : narrow(normalise(x, block.ffn_norm[0])), block);
}

std::vector<at::Tensor> Transformer::hidden(const std::vector<Chunk>& chunks) {
  std::vector<at::Tensor> states;
  std::vector<Positions> at_places;
  for (const Chunk& chunk : chunks) {
    states.push_back(embed(chunk));
    at_places.push_back(positions(chunk));
  }
  for (size_t layer = 0; layer < description_.blocks.size(); ++layer) {
    if (options_.throw_if_cancelled != nullptr) options_.throw_if_cancelled();
    {
      const Block fetched = options_.stream ? fetch_block(layer) : Block{};
      const Block& block = options_.stream ? fetched : blocks_[layer];
      for (size_t i = 0; i < chunks.size(); ++i)
        states[i] = run_block(states[i], block, layer, chunks[i], at_places[i]);
    }
    if (options_.stream) release_block(layer);
  }
  for (size_t i = 0; i < chunks.size(); ++i) {
    for (const Segment& segment : chunks[i].segments) {
      if (segment.cache != nullptr) segment.cache->past += segment.length;
    }
    if (description_.final_norm) states[i] = normalise(states[i], fetch(*description_.final_norm));
    if (description_.project_out)
      states[i] = fetch(*description_.project_out)(states[i].to(options_.type)).to(at::kFloat);
  }
  return states;
}

at::Tensor Transformer::logits(const at::Tensor& hidden) {
  const Linear head = options_.stream ? fetch(description_.head) : head_.front();
  at::Tensor result;
  if (options_.type == at::kFloat) {
    result = head(hidden);
  } else {
    // In f32, a run of the vocabulary at a time: logits rounded to bf16 would be off by up to 0.06 where they are
    // near 16.
    constexpr int64_t kRun = 4096;
    std::vector<at::Tensor> runs;
    for (int64_t first = 0; first < description_.vocab; first += kRun) {
      const int64_t count = std::min(kRun, description_.vocab - first);
      const at::Tensor bias = head.bias.defined() ? head.bias.narrow(0, first, count).to(at::kFloat) : at::Tensor();
      runs.push_back(product(hidden, head.weight.narrow(0, first, count).to(at::kFloat), bias));
    }
    result = at::cat(runs, 1);
  }
  if (options_.stream) source_.release(description_.head.weight.tensor);
  return description_.logit_scale == 1 ? result : result * description_.logit_scale;
}

}  // namespace prunenet
