// Attention in blocks.
#include "runtime/attention.h"

#include <ATen/core/grad_mode.h>

#include <bit>
#include <cmath>
#include <limits>

#include "runtime/pieces.h"

namespace prunenet {
namespace {

constexpr int64_t kBlockQueries =
    128;  // rows of scores at once, all queries of a key-value head together: they stay in a core's cache
constexpr int64_t kLeastQueries = 16;
constexpr int64_t kWorthThreads = int64_t{1} << 22;  // multiplications, about a millisecond
constexpr int64_t kMostScores = int64_t{1} << 24;    // of one block, where all heads are computed at once (64 MiB)

// What a block of queries [first, first + count) may see: keys [begin, end).
struct Block {
  int64_t first, count, begin, end;
};

Block block_at(int64_t first, int64_t count, const AttentionShape& shape) {
  const int64_t position = shape.past + first;
  const int64_t begin = shape.window > 0 ? std::max<int64_t>(0, position - shape.window + 1) : 0;
  return {first, count, begin, position + count};
}

// 0 where a query of the block sees a key, -infinity where it does not: [count, n], for the last n keys of the block.
// Without a window only as many keys as there are queries can be hidden.
at::Tensor visible(const Block& block, const AttentionShape& shape, const at::TensorOptions& options) {
  const int64_t begin = shape.window > 0 ? block.begin : block.end - block.count;
  const at::Tensor query = at::arange(shape.past + block.first, block.end, options.dtype(at::kLong)).unsqueeze(1);
  const at::Tensor key = at::arange(begin, block.end, options.dtype(at::kLong)).unsqueeze(0);
  at::Tensor hidden = key.gt(query);
  if (shape.window > 0) hidden = hidden.logical_or(key.le(query - shape.window));
  return at::zeros({block.count, block.end - begin}, options)
      .masked_fill_(hidden, -std::numeric_limits<float>::infinity());
}

// queries [B, G, count, d]; keys, values [B, T, d]; alibi [B, G] or undefined; mask [count, n] of the last n keys.
// Gives [B, G, count, d].
at::Tensor attend_block(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                        const at::Tensor& alibi, const at::Tensor& mask, int64_t first_key) {
  const int64_t batch = queries.size(0), group = queries.size(1), count = queries.size(2), dim = queries.size(3);
  at::Tensor scores = at::bmm(queries.reshape({batch, group * count, dim}), keys.transpose(1, 2));  // [B, G * count, T]
  scores = scores.view({batch, group, count, keys.size(1)});
  if (alibi.defined()) {
    const at::Tensor position = at::arange(first_key, first_key + keys.size(1), queries.options());
    scores.add_(alibi.reshape({batch, group, 1, 1}) * position);
  }
  if (mask.defined()) scores.narrow(3, keys.size(1) - mask.size(1), mask.size(1)).add_(mask);
  const at::Tensor weights = at::softmax(scores, -1).view({batch, group * count, keys.size(1)});
  return at::bmm(weights, values).view({batch, group, count, dim});
}

}  // namespace

at::Tensor attend(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values, const at::Tensor& alibi,
                  const AttentionShape& shape) {
  const int64_t sequences = queries.size(0), length = queries.size(3), dim = queries.size(4), total = keys.size(2);
  const int64_t batch = sequences * shape.kv_heads, group = shape.queries_per_kv;
  const at::Tensor q = queries.reshape({batch, group, length, dim});
  const at::Tensor k = keys.reshape({batch, total, dim}), v = values.reshape({batch, total, dim});
  at::Tensor slopes;
  if (alibi.defined()) slopes = alibi.repeat({sequences, 1});  // [B, G]

  const bool in_pieces = queries.is_cpu() && !at::GradMode::is_enabled();
  const int64_t fitting = std::max<int64_t>(1, kMostScores / std::max<int64_t>(1, batch * group * total));
  const int64_t rows = in_pieces ? std::max(kLeastQueries, kBlockQueries / group)
                                 : std::min<int64_t>(length, std::max(kBlockQueries, fitting));
  const int64_t blocks = (length + rows - 1) / rows;
  std::vector<at::Tensor> masks(static_cast<size_t>(blocks));
  const auto block = [&](int64_t index) {
    return block_at(index * rows, std::min(rows, length - index * rows), shape);
  };
  for (int64_t i = 0; i < blocks; ++i) {
    const Block b = block(i);
    const bool sees_all = b.count == 1 && (shape.window == 0 || b.end - b.begin <= shape.window);
    if (!sees_all) masks[static_cast<size_t>(i)] = visible(b, shape, queries.options());
  }
  const auto compute = [&](const Block& b, int64_t index, int64_t first_batch, int64_t count) {
    return attend_block(q.narrow(0, first_batch, count).narrow(2, b.first, b.count),
                        k.narrow(0, first_batch, count).narrow(1, b.begin, b.end - b.begin).to(at::kFloat),
                        v.narrow(0, first_batch, count).narrow(1, b.begin, b.end - b.begin).to(at::kFloat),
                        slopes.defined() ? slopes.narrow(0, first_batch, count) : slopes,
                        masks[static_cast<size_t>(index)], b.begin);
  };

  if (!in_pieces) {
    std::vector<at::Tensor> parts;
    for (int64_t i = 0; i < blocks; ++i) parts.push_back(compute(block(i), i, 0, batch));
    return (blocks == 1 ? parts.front() : at::cat(parts, 2)).view(queries.sizes());
  }
  // One piece: a block of queries for some key-value heads. Small ones are joined, so that a piece is worth its calls.
  const int64_t joined =
      std::clamp<int64_t>((int64_t{1} << 16) / std::max<int64_t>(1, group * std::min(rows, length) * total), 1, batch);
  const int64_t runs = (batch + joined - 1) / joined;
  at::Tensor out = at::empty({batch, group, length, dim}, queries.options());
  const int64_t products = batch * group * length * total * dim;
  for_pieces(blocks * runs, products >= kWorthThreads, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      // The longest blocks first, so that none is left over at the end.
      const int64_t index = blocks - 1 - piece / runs, first = (piece % runs) * joined;
      const int64_t count = std::min(joined, batch - first);
      const Block b = block(index);
      out.narrow(0, first, count).narrow(2, b.first, b.count).copy_(compute(b, index, first, count));
    }
  });
  return out.view(queries.sizes());
}

at::Tensor alibi_slopes(int64_t heads) {
  const int64_t power = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(heads)));
  std::vector<float> slopes;
  for (int64_t i = 0; i < power; ++i)
    slopes.push_back(static_cast<float>(std::exp2(-8.0 * static_cast<double>(i + 1) / static_cast<double>(power))));
  for (int64_t i = 0; i < heads - power; ++i) {
    slopes.push_back(static_cast<float>(std::exp2(-4.0 * static_cast<double>(2 * i + 1) / static_cast<double>(power))));
  }
  return at::tensor(slopes);
}

}  // namespace prunenet
