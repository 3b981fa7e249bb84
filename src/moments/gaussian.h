// Moments without any text: what a feed-forward network does with Gaussian inputs. Weights alone; no runtime.
#pragma once

#include <cstdint>

#include "model/transformer.h"
#include "moments/moments.h"

namespace prunenet {

struct GaussianOptions {
  int64_t tokens = 4096;
  uint64_t seed = 1;
};

/// Moments at the input of layer's down projection when the norm before the FFN gives z * gain + bias, z ~ N(0, I) in
/// D numbers: what a norm gives for directions without preference. The norm is the FFN's own, or that of attention
/// where the block has one norm (parallel) or the FFN reads it (post-norm); gains stored less 1 (Gemma) are understood.
/// Draws are addressed by (seed, layer, token): the same for any number of threads.
/// Cost: 2 N D F (plain) or 4 N D F (gated) flops, and F^2 N for the moments. Memory: the matrices in f32 and a chunk.
/// Throws kNonFinite (weights: tensor named; activations: layer named).
Moments gaussian_moments(const Checkpoint& checkpoint, const TransformerDescription& transformer, int64_t layer,
                         const GaussianOptions& options = {});

}  // namespace prunenet
