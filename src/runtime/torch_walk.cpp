// Walking through the layers.
#include "runtime/torch_walk.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

#include "base/error.h"
#include "runtime/chunks.h"
#include "runtime/divergence.h"
#include "runtime/guard.h"
#include "runtime/memory.h"
#include "runtime/moment_tensors.h"
#include "runtime/neuron_refit.h"

namespace prunenet {
namespace {
constexpr int64_t kKeptInputBytes = int64_t{1} << 30;  // beyond it a site's inputs are computed again when needed
}

TorchWalk::TorchWalk(TorchEngine& engine, std::span<const std::vector<TokenId>> sequences)
    : engine_(engine), transformer_(engine.transformer()) {
  const at::NoGradGuard no_grad;
  transformer_.forget_head();
  give_memory_back();  // of whatever stage was before
  for (Chunk& chunk : make_chunks(sequences)) {
    Part part;
    part.positions = transformer_.positions(chunk);
    part.dense = part.x = transformer_.embed(chunk);
    part.chunk = std::move(chunk);
    num_tokens_ += part.x.size(0);
    parts_.push_back(std::move(part));
  }
  PRUNENET_CHECK(!parts_.empty());
}

const Linear& TorchWalk::matrix(Site site) const {
  return site == Site::kAttention ? block_->output : block_->down;
}

void TorchWalk::require_finite(const at::Tensor& outputs) const {
  if (std::isfinite(at::sum(outputs, at::kDouble).item<double>())) return;
  fail(ErrorCode::kNonFinite, engine_.where(), "layer {} computes NaN or infinity for some token", layer_);
}

// The dense model's pass through the layer, for the targets; the changed one's as far as attention.
void TorchWalk::enter(int64_t layer) {
  layer_ = layer;
  site_ = Site::kAttention;
  const auto index = static_cast<size_t>(layer);
  block_ = transformer_.block(index, {index + 1});
  const int64_t widest = std::max(block_->output.weight.size(1), block_->down.weight.size(1));
  keeps_inputs_ = num_tokens_ * widest * 4 <= kKeptInputBytes;
  const bool post_norm = transformer_.description().block == BlockKind::kPostNorm;
  for (Part& part : parts_) {
    const at::Tensor input = transformer_.attention_input(part.dense, *block_);
    const at::Tensor mixed = transformer_.mix(input, *block_, index, part.chunk, part.positions);
    const at::Tensor output = block_->output(mixed);
    const at::Tensor y = transformer_.after_attention(part.dense, output, *block_);
    part.dense_attention_sum = post_norm ? part.dense + output : y;
    const at::Tensor inner = transformer_.inner(transformer_.ffn_input(part.dense, y, input, *block_), *block_);
    const at::Tensor ffn = block_->down(inner);
    part.dense = transformer_.after_ffn(y, ffn, *block_);
    part.dense_sum = post_norm ? y + ffn : part.dense;
    require_finite(part.dense);
    part.inputs = !diverged_ && keeps_inputs_ ? mixed : at::Tensor();
  }
}

at::Tensor TorchWalk::site_inputs(Part& part) const {
  if (part.inputs.defined()) return part.inputs;
  at::Tensor inputs;
  if (site_ == Site::kAttention) {
    inputs = transformer_.mix(transformer_.attention_input(part.x, *block_), *block_, static_cast<size_t>(layer_),
                              part.chunk, part.positions);
  } else {
    inputs = transformer_.inner(transformer_.ffn_input(part.x, part.y, at::Tensor(), *block_), *block_);
  }
  if (keeps_inputs_) part.inputs = inputs;
  return inputs;
}

void TorchWalk::leave_attention(const ChangedSite* changed) {
  for (Part& part : parts_) {
    const at::Tensor inputs = site_inputs(part);
    part.y =
        transformer_.after_attention(part.x, changed != nullptr ? (*changed)(inputs) : block_->output(inputs), *block_);
    part.inputs = part.dense_attention_sum = at::Tensor();
  }
  site_ = Site::kFfn;
}

void TorchWalk::leave_ffn(const SiteChange* change) {
  std::optional<ChangedSite> changed;
  std::optional<LayerWeights> refitted;
  if (change != nullptr) changed.emplace(*change, block_->down);
  if (change != nullptr && change->rows) refitted = with_rows(*block_, *change->rows);
  for (Part& part : parts_) {
    if (!diverged_ && change == nullptr) {
      part.x = part.dense;
      continue;
    }
    at::Tensor output;
    if (refitted) {
      const at::Tensor input = transformer_.ffn_input(part.x, part.y, at::Tensor(), *block_);
      output = (*changed)(transformer_.inner(input, *refitted));
    } else {
      const at::Tensor inputs = site_inputs(part);
      output = changed ? (*changed)(inputs) : block_->down(inputs);
    }
    part.x = transformer_.after_ffn(part.y, output, *block_);
  }
  leave_layer();
}

void TorchWalk::leave_layer() {
  for (Part& part : parts_) {
    part.inputs = part.y = part.dense_attention_sum = part.dense_sum = at::Tensor();
  }
  block_.reset();
  transformer_.release_block(static_cast<size_t>(layer_));
  give_memory_back();
}

void TorchWalk::go_to(int64_t layer, Site site) {
  const auto num_layers = static_cast<int64_t>(transformer_.description().blocks.size());
  PRUNENET_CHECK(layer >= 0 && layer <= num_layers);
  PRUNENET_CHECK(layer > layer_ || (layer == layer_ && block_ && !(site == Site::kAttention && site_ == Site::kFfn)));
  while (layer_ < layer) {
    if (block_ && site_ == Site::kAttention) leave_attention(nullptr);
    if (block_) leave_ffn(nullptr);
    if (layer_ + 1 == num_layers) {
      ++layer_;
      return;
    }
    enter(layer_ + 1);
  }
  if (site == Site::kFfn && site_ == Site::kAttention) leave_attention(nullptr);
}

SiteMoments TorchWalk::measure(int64_t layer, Site site, const std::optional<TargetOptions>& options) {
  return guarded(engine_.where(), [&] { return compute_moments(layer, site, options); });
}

SiteMoments TorchWalk::compute_moments(int64_t layer, Site site, const std::optional<TargetOptions>& options) {
  const at::NoGradGuard no_grad;
  go_to(layer, site);
  const Linear& whole = matrix(site);
  MomentTensors accumulator(
      whole.weight.size(1), options ? whole.weight.size(0) : 0, whole.weight.device(), engine_.all_in_torch(),
      fmt::format("{}, layer {}, what the {}'s last matrix reads", engine_.where(), layer, site_name(site)));
  for (Part& part : parts_) {
    const at::Tensor inputs = site_inputs(part);
    accumulator.add(inputs, options ? target_of(part, site, inputs, *options) : at::Tensor());
  }
  CollectedMoments collected = accumulator.finish();
  give_memory_back();  // what the caller does next, choosing and refitting, needs most
  return {std::move(collected.moments), std::move(collected.target)};
}

at::Tensor TorchWalk::target_of(const Part& part, Site site, const at::Tensor& inputs,
                                const TargetOptions& options) const {
  const at::Tensor own = matrix(site)(inputs).to(at::kFloat);
  if (options.feedback == 0) return own;
  const at::Tensor missing = site == Site::kAttention ? part.dense_attention_sum - part.x : part.dense_sum - part.y;
  return own * (1 - options.feedback) + missing * options.feedback;
}

NeuronRefit TorchWalk::refit_neurons(int64_t layer, const SiteChange& start, const NeuronRefitOptions& options) {
  return guarded(engine_.where(), [&] { return compute_refit(layer, start, options); });
}

NeuronRefit TorchWalk::compute_refit(int64_t layer, const SiteChange& start, const NeuronRefitOptions& options) {
  const at::NoGradGuard no_grad;
  go_to(layer, Site::kFfn);
  NeuronRefitter refitter(start_neurons(*block_, start), transformer_.description().activation, options.metric,
                          transformer_.type());
  for (Part& part : parts_) {
    const at::Tensor input = transformer_.ffn_input(part.x, part.y, at::Tensor(), *block_);
    const at::Tensor target = target_of(part, Site::kFfn, site_inputs(part), options.target);
    if (!refitter.add(input, target)) break;
  }
  for (Part& part : parts_) part.inputs = at::Tensor();  // new neurons have inputs of their own
  NeuronRefit result;
  result.error_before = refitter.error();
  const double damping =
      options.damping * static_cast<double>(start.kept.size()) / static_cast<double>(refitter.tokens());
  const CancelCheck cancel = transformer_.cancel_check();
  while (result.steps < options.steps && refitter.step(options.iterations, damping, options.tolerance, cancel))
    ++result.steps;
  result.tokens = refitter.tokens();
  result.linearisations = refitter.linearisations();
  result.iterations = refitter.iterations();
  result.error_after = refitter.error();
  result.plain_error_after = refitter.error(false);
  result.change = to_change(refitter.neurons(), start.kept);
  give_memory_back();
  return result;
}

void TorchWalk::change(int64_t layer, Site site, const SiteChange& change) {
  guarded(engine_.where(), [&] {
    const at::NoGradGuard no_grad;
    go_to(layer, site);
    if (site == Site::kAttention) {
      const ChangedSite changed(change, matrix(site));
      leave_attention(&changed);
    } else {
      leave_ffn(&change);
    }
    diverged_ = true;
  });
}

void TorchWalk::drop(int64_t layer) {
  guarded(engine_.where(), [&] {
    const at::NoGradGuard no_grad;
    go_to(layer, Site::kAttention);
    leave_layer();
    diverged_ = true;
  });
}

double TorchWalk::finish() {
  return guarded(engine_.where(), [&] {
    const at::NoGradGuard no_grad;
    go_to(static_cast<int64_t>(transformer_.description().blocks.size()), Site::kAttention);
    double sum = 0;
    int64_t count = 0;
    if (!diverged_) return sum;
    for (const Part& part : parts_) {
      const at::Tensor rows = predicting_rows(part.chunk).to(part.x.device());
      const auto logits = [&](const at::Tensor& stream, const at::Tensor& some) {
        return transformer_.logits(transformer_.finish(stream.index_select(0, some))).cpu();
      };
      const int64_t at_once = std::max<int64_t>(1, (int64_t{1} << 25) / transformer_.description().vocab);
      for (int64_t first = 0; first < rows.size(0); first += at_once) {
        const at::Tensor some = rows.narrow(0, first, std::min(at_once, rows.size(0) - first));
        for (float value : kl_of_logits(logits(part.dense, some), logits(part.x, some))) {
          sum += static_cast<double>(value);
          ++count;
        }
      }
    }
    if (!std::isfinite(sum)) {
      fail(ErrorCode::kNonFinite, engine_.where(), "the changed model computes NaN or infinity for some token");
    }
    return count == 0 ? 0.0 : sum / static_cast<double>(count);
  });
}

}  // namespace prunenet
