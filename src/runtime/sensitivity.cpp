// The backward pass.
#include "runtime/sensitivity.h"

#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "runtime/chunks.h"
#include "runtime/layer_weights.h"
#include "runtime/memory.h"
#include "runtime/moment_tensors.h"
#include "runtime/pieces.h"
#include "runtime/spill.h"

namespace prunenet {
namespace {

struct Sequence {
  Chunk chunk;
  Positions positions;
  at::Tensor targets;  // the id after each but the last, int64 [T - 1]
  int64_t first = 0;   // its place among the rows of all sequences
  int64_t length = 0;

  at::Tensor of(const at::Tensor& all) const { return all.narrow(0, first, length); }
};

// The rows [N, D] of all sequences, one below the other.
struct Gradients {
  at::Tensor stream;          // of the loss, with respect to the stream where the backward pass stands
  at::Tensor attention, ffn;  // with respect to what the sites of the layer add
};

// One sequence a piece, with gradients on.
template <typename Work>
void for_sequences(const std::vector<Sequence>& sequences, const Work& work) {
  for_pieces(static_cast<int64_t>(sequences.size()), true, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const at::AutoGradMode with_gradients(true);
      work(sequences[static_cast<size_t>(i)]);
    }
  });
}

// E[g g^T] over all sequences.
Matrix<float> second_moment(const TorchEngine& engine, const std::vector<Sequence>& sequences,
                            const at::Tensor& gradients, int64_t layer) {
  MomentTensors accumulator(gradients.size(1), 0, gradients.device(), engine.all_in_torch(),
                            fmt::format("{}, layer {}, gradient of the loss", engine.where(), layer));
  for (const Sequence& sequence : sequences) accumulator.add(sequence.of(gradients));
  Matrix<float> second = accumulator.finish().moments.second;
  second.triangularView<Eigen::StrictlyLower>() = second.transpose();
  return second;
}

void write(const Sequence& sequence, at::Tensor& all, const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  sequence.of(all).copy_(values);
}

}  // namespace

void compute_sensitivities(TorchEngine& engine, std::span<const std::vector<TokenId>> texts,
                           const SensitivityVisitor& visit) {
  Transformer& transformer = engine.transformer();
  const auto layers = static_cast<int64_t>(transformer.description().blocks.size());
  std::vector<Sequence> sequences(texts.size());
  int64_t rows = 0;
  give_memory_back();  // of whatever stage was before
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < texts.size(); ++i) {
    Sequence& sequence = sequences[i];
    sequence.chunk = make_chunk(i, i + 1, [&](size_t j) { return std::span<const TokenId>(texts[j]); });
    sequence.positions = transformer.positions(sequence.chunk);
    sequence.length = sequence.chunk.ids.size(0);
    sequence.targets = sequence.chunk.ids.narrow(0, 1, sequence.length - 1);
    sequence.first = rows;
    rows += sequence.length;
  }
  at::Tensor stream;
  for (const Sequence& sequence : sequences) {
    const at::Tensor x = transformer.embed(sequence.chunk);
    if (!stream.defined()) stream = at::empty({rows, x.size(1)}, x.options());
    write(sequence, stream, x);
  }
  TensorSpill spill(stream.numel() * 4 * layers, stream.device(), engine.scratch_folder());
  std::vector<at::Tensor> before;  // the stream before each layer, as the spill keeps it
  for (int64_t layer = 0; layer < layers; ++layer) {
    before.push_back(spill.keep(stream));
    at::Tensor after = at::empty_like(stream);
    {
      const auto index = static_cast<size_t>(layer);
      const auto block = transformer.block(index, {index + 1});
      for (const Sequence& sequence : sequences) {
        write(sequence, after,
              transformer.run_block(sequence.of(stream), *block, static_cast<size_t>(layer), sequence.chunk,
                                    sequence.positions));
      }
    }
    transformer.release_block(static_cast<size_t>(layer));
    stream = after;
  }

  give_memory_back();

  Gradients gradients;
  gradients.stream = at::empty_like(stream);
  transformer.widen_head();  // once, and not by each thread
  for_sequences(sequences, [&](const Sequence& sequence) {
    const at::Tensor x = sequence.of(stream).detach().requires_grad_(true);
    const at::Tensor logits = transformer.logits(transformer.finish(x));
    const at::Tensor predicting = logits.narrow(0, 0, logits.size(0) - 1);
    at::cross_entropy_loss(predicting, sequence.targets.to(logits.device()), {}, at::Reduction::Sum).backward();
    write(sequence, gradients.stream, x.grad());
  });
  stream = at::Tensor();
  transformer.forget_head();
  give_memory_back();
  gradients.attention = at::empty_like(gradients.stream);
  gradients.ffn = at::empty_like(gradients.stream);
  for (int64_t layer = layers - 1; layer >= 0; --layer) {
    {
      const auto index = static_cast<size_t>(layer);
      const auto block = layer == 0 ? transformer.block(index, {}) : transformer.block(index, {index - 1});
      const at::Tensor entering = spill.of(before.back());
      for_sequences(sequences, [&](const Sequence& sequence) {
        const at::Tensor x = sequence.of(entering).detach().requires_grad_(true);
        const at::Tensor input = transformer.attention_input(x, *block);
        const at::Tensor attention =
            block
                ->output(transformer.mix(input, *block, static_cast<size_t>(layer), sequence.chunk, sequence.positions))
                .to(at::kFloat);
        attention.retain_grad();
        const at::Tensor y = transformer.after_attention(x, attention, *block);
        const at::Tensor ffn =
            block->down(transformer.inner(transformer.ffn_input(x, y, input, *block), *block)).to(at::kFloat);
        ffn.retain_grad();
        transformer.after_ffn(y, ffn, *block).backward(sequence.of(gradients.stream));
        write(sequence, gradients.attention, attention.grad());
        write(sequence, gradients.ffn, ffn.grad());
        write(sequence, gradients.stream, x.grad());
      });
      before.pop_back();
    }
    transformer.release_block(static_cast<size_t>(layer));
    give_memory_back();  // every sequence had activations of its own size
    visit(layer, Site::kFfn, second_moment(engine, sequences, gradients.ffn, layer));
    visit(layer, Site::kAttention, second_moment(engine, sequences, gradients.attention, layer));
  }
}

}  // namespace prunenet
