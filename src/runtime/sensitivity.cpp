// The backward pass.
#include "runtime/sensitivity.h"

#include "base/error.h"
#include "runtime/chunks.h"
#include "runtime/layer_weights.h"
#include "runtime/moment_tensors.h"
#include "runtime/pieces.h"

namespace prunenet {
namespace {

struct Sequence {
  Chunk chunk;
  Positions positions;
  at::Tensor targets;              // the id after each but the last, int64 [T - 1]
  std::vector<at::Tensor> states;  // before each layer, and after the last [T, D]
  at::Tensor gradient;             // of the loss, with respect to the stream where the backward pass stands
  at::Tensor attention, ffn;       // with respect to what the sites of the layer add [T, D]
};

// One sequence a piece, with gradients on.
template <typename Work>
void for_sequences(std::vector<Sequence>& sequences, const Work& work) {
  for_pieces(static_cast<int64_t>(sequences.size()), true, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const at::AutoGradMode with_gradients(true);
      work(sequences[static_cast<size_t>(i)]);
    }
  });
}

// E[g g^T] over all sequences; `part` names the gradient.
Matrix<float> second_moment(const TorchEngine& engine, std::vector<Sequence>& sequences, at::Tensor Sequence::*part,
                            int64_t layer) {
  const at::Tensor& first = sequences.front().*part;
  MomentTensors accumulator(first.size(1), 0, first.device(), engine.all_in_torch(),
                            fmt::format("{}, layer {}, gradient of the loss", engine.where(), layer));
  for (Sequence& sequence : sequences) accumulator.add(sequence.*part);
  Matrix<float> second = accumulator.finish().moments.second;
  second.triangularView<Eigen::StrictlyLower>() = second.transpose();
  return second;
}

}  // namespace

void compute_sensitivities(TorchEngine& engine, std::span<const std::vector<TokenId>> texts,
                           const SensitivityVisitor& visit) {
  Transformer& transformer = engine.transformer();
  const auto layers = static_cast<int64_t>(transformer.description().blocks.size());
  std::vector<Sequence> sequences(texts.size());
  {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < texts.size(); ++i) {
      Sequence& sequence = sequences[i];
      sequence.chunk = make_chunk(i, i + 1, [&](size_t j) { return std::span<const TokenId>(texts[j]); });
      sequence.positions = transformer.positions(sequence.chunk);
      sequence.targets = sequence.chunk.ids.narrow(0, 1, sequence.chunk.ids.size(0) - 1);
      sequence.states.push_back(transformer.embed(sequence.chunk));
    }
    for (int64_t layer = 0; layer < layers; ++layer) {
      {
        const auto block = transformer.block(static_cast<size_t>(layer));
        for (Sequence& sequence : sequences) {
          sequence.states.push_back(transformer.run_block(sequence.states.back(), *block, static_cast<size_t>(layer),
                                                          sequence.chunk, sequence.positions));
        }
      }
      transformer.release_block(static_cast<size_t>(layer));
    }
  }

  for_sequences(sequences, [&](Sequence& sequence) {
    const at::Tensor x = sequence.states.back().detach().requires_grad_(true);
    const at::Tensor logits = transformer.logits(transformer.finish(x));
    const at::Tensor predicting = logits.narrow(0, 0, logits.size(0) - 1);
    at::cross_entropy_loss(predicting, sequence.targets.to(logits.device()), {}, at::Reduction::Sum).backward();
    sequence.gradient = x.grad();
    sequence.states.pop_back();
  });
  for (int64_t layer = layers - 1; layer >= 0; --layer) {
    {
      const auto block = transformer.block(static_cast<size_t>(layer));
      for_sequences(sequences, [&](Sequence& sequence) {
        const at::Tensor x = sequence.states.back().detach().requires_grad_(true);
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
        transformer.after_ffn(y, ffn, *block).backward(sequence.gradient);
        sequence.attention = attention.grad();
        sequence.ffn = ffn.grad();
        sequence.gradient = x.grad();
        sequence.states.pop_back();
      });
    }
    transformer.release_block(static_cast<size_t>(layer));
    visit(layer, Site::kFfn, second_moment(engine, sequences, &Sequence::ffn, layer));
    visit(layer, Site::kAttention, second_moment(engine, sequences, &Sequence::attention, layer));
  }
}

}  // namespace prunenet
