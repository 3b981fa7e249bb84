// What single changes cost.
#include "runtime/torch_probe.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

#include "base/error.h"
#include "runtime/chunks.h"
#include "runtime/divergence.h"
#include "runtime/guard.h"
#include "runtime/site.h"

namespace prunenet {
namespace {

int64_t bytes_of_states(const TransformerDescription& description, std::span<const std::vector<TokenId>> sequences) {
  int64_t tokens = 0;
  for (const auto& ids : sequences) tokens += static_cast<int64_t>(ids.size());
  return tokens * description.hidden * 4 * static_cast<int64_t>(description.blocks.size() + 1);
}

}  // namespace

TorchProbe::TorchProbe(TorchEngine& engine, std::span<const std::vector<TokenId>> sequences)
    : engine_(engine),
      transformer_(engine.transformer()),
      spill_(bytes_of_states(transformer_.description(), sequences), transformer_.device(), engine.scratch_folder()) {
  const at::NoGradGuard no_grad;
  for (Chunk& chunk : make_chunks(sequences)) {
    Part part;
    part.positions = transformer_.positions(chunk);
    part.states.push_back(spill_.keep(transformer_.embed(chunk)));
    part.rows = predicting_rows(chunk).to(transformer_.device());
    part.chunk = std::move(chunk);
    parts_.push_back(std::move(part));
  }
  const size_t layers = transformer_.description().blocks.size();
  for (size_t layer = 0; layer < layers; ++layer) {
    {
      const auto block = transformer_.block(layer, {layer + 1});
      for (Part& part : parts_)
        part.states.push_back(
            spill_.keep(transformer_.run_block(state(part, layer), *block, layer, part.chunk, part.positions)));
    }
    transformer_.release_block(layer);
  }
  for (Part& part : parts_) {
    part.logits = logits_of(state(part, layers), part);
    part.states.pop_back();
    require_finite_logits(part.logits, engine_.where());
  }
}

at::Tensor TorchProbe::logits_of(const at::Tensor& stream, const Part& part) {
  return transformer_.logits(transformer_.finish(stream.index_select(0, part.rows))).cpu().contiguous();
}

at::Tensor TorchProbe::changed_layer(const at::Tensor& x, const Part& part, const LayerWeights& block, int64_t layer,
                                     std::span<const ProbeChange> changes) const {
  const SiteChange *attention = nullptr, *ffn = nullptr;
  for (const ProbeChange& change : changes) {
    if (change.layer != layer) continue;
    if (!change.site) return x;
    (*change.site == Site::kAttention ? attention : ffn) = &change.change;
  }
  const auto apply = [](const SiteChange* change, const Linear& original, const at::Tensor& inputs) {
    return change == nullptr ? original(inputs) : ChangedSite(*change, original)(inputs);
  };
  const at::Tensor input = transformer_.attention_input(x, block);
  const at::Tensor mixed = transformer_.mix(input, block, static_cast<size_t>(layer), part.chunk, part.positions);
  const at::Tensor y = transformer_.after_attention(x, apply(attention, block.output, mixed), block);
  const bool refitted = ffn != nullptr && ffn->rows;
  const at::Tensor inner =
      transformer_.inner(transformer_.ffn_input(x, y, input, block), refitted ? with_rows(block, *ffn->rows) : block);
  return transformer_.after_ffn(y, apply(ffn, block.down, inner), block);
}

std::vector<float> TorchProbe::kl(std::span<const ProbeChange> changes) {
  return guarded(engine_.where(), [&] { return compute(changes); });
}

std::vector<float> TorchProbe::compute(std::span<const ProbeChange> changes) {
  const at::NoGradGuard no_grad;
  const auto layers = static_cast<int64_t>(transformer_.description().blocks.size());
  int64_t first = layers;
  for (const ProbeChange& change : changes) {
    PRUNENET_CHECK(change.layer >= 0 && change.layer < layers);
    first = std::min(first, change.layer);
  }
  std::vector<float> result;
  if (first == layers) {
    for (const Part& part : parts_) result.resize(result.size() + static_cast<size_t>(part.rows.size(0)), 0.0F);
    return result;
  }
  std::vector<at::Tensor> states;
  for (const Part& part : parts_) states.push_back(state(part, static_cast<size_t>(first)));
  for (int64_t layer = first; layer < layers; ++layer) {
    {
      const auto index = static_cast<size_t>(layer);
      const auto block = transformer_.block(index, {index + 1});
      for (size_t i = 0; i < parts_.size(); ++i)
        states[i] = changed_layer(states[i], parts_[i], *block, layer, changes);
    }
    transformer_.release_block(static_cast<size_t>(layer));
  }
  for (size_t i = 0; i < parts_.size(); ++i) {
    const std::vector<float> values = kl_of_logits(parts_[i].logits, logits_of(states[i], parts_[i]));
    result.insert(result.end(), values.begin(), values.end());
  }
  for (float value : result) {
    if (!std::isfinite(value))
      fail(ErrorCode::kNonFinite, engine_.where(), "the changed model computes NaN or infinity for some token");
  }
  return result;
}

}  // namespace prunenet
