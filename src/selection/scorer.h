// The one door for every method that chooses neurons: a score for each neuron of a layer; the largest stay.
// A method is one file here (methods that learn live above, in policy).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "model/description.h"
#include "model/mask.h"

namespace prunenet {

class NeuronScorer {
 public:
  virtual ~NeuronScorer() = default;
  /// A score (no NaN) for each neuron of `layer`; larger is kept. Depends on the layer and on the seed alone.
  virtual std::vector<double> scores(int64_t layer) = 0;
};

/// Indices of the `count` largest scores, ascending. Equal scores: the lower index is kept. Throws kNonFinite for NaN.
std::vector<int64_t> top_indices(std::span<const double> scores, int64_t count);

/// The same of whole blocks of `block` neurons beside each other, by the mean score of each; `count` and the number of
/// scores are multiples of `block`.
std::vector<int64_t> top_blocks(std::span<const double> scores, int64_t count, int64_t block);

/// Asks the scorer layer by layer; `widths` are the numbers of neurons to keep. `blocks`, where given: the neurons of
/// each layer stay or go in blocks of so many.
Mask select(NeuronScorer& scorer, const std::vector<int64_t>& widths, Progress& progress,
            const std::vector<int64_t>& blocks = {});

// One file each.
/// A uniform draw for each neuron, addressed by (seed, layer).
std::unique_ptr<NeuronScorer> random_scorer(const ModelDescription& model, uint64_t seed);
enum class NormOf { kGate, kUp, kDown };
/// Euclidean norm of the neuron's gate row, up row or down column. kGate throws kUnsupported for an FFN with no gate.
std::unique_ptr<NeuronScorer> norm_scorer(const Checkpoint& checkpoint, const ModelDescription& model, NormOf which);
/// Product of all norms of the neuron, |gate||up||down| or |up||down|: unchanged when a neuron's matrices are rescaled
/// against each other (by powers of two: bit for bit). Given as its logarithm.
std::unique_ptr<NeuronScorer> product_scorer(const Checkpoint& checkpoint, const ModelDescription& model);

}  // namespace prunenet
