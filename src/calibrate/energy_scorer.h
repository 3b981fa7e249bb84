// Neurons by the energy that they add to the residual stream for Gaussian inputs: E[h_i^2] |d_i|^2. A rule, with
// nothing refitted, to compare with; unchanged when a neuron's matrices are rescaled against each other.
#pragma once

#include <memory>

#include "moments/gaussian.h"
#include "selection/scorer.h"

namespace prunenet {

/// The arguments must outlive it. Given as a logarithm; -infinity for neurons that add nothing.
std::unique_ptr<NeuronScorer> gaussian_energy_scorer(const Checkpoint& checkpoint, const ModelDescription& model,
                                                     const TransformerDescription& transformer,
                                                     const GaussianOptions& options);

}  // namespace prunenet
