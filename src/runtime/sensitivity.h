// How much the loss feels what each site adds to the residual stream: the backward pass, a layer at a time.
#pragma once

#include <span>
#include <vector>

#include "engine/walk.h"
#include "runtime/torch_engine.h"

namespace prunenet {

/// See Engine::sensitivities. Every sequence goes backward alone and on one thread, so that neither its company nor the
/// number of threads changes a bit. A layer's forward pass is computed again on the way back: nothing but the residual
/// stream before each layer is remembered (on the disk where it is large).
void compute_sensitivities(TorchEngine& engine, std::span<const std::vector<TokenId>> sequences,
                           const SensitivityVisitor& visit);

}  // namespace prunenet
