// Filling a folder of moments from the dense model, so that it can be cut at any ratio without running it again.
#pragma once

#include <filesystem>

#include "calibrate/self_pruner.h"

namespace prunenet {

/// The maps of a model that such a folder describes: down of every layer and, where `with_attention`, the output
/// projections.
std::vector<MapDescription> maps_of(const ModelDescription& model, bool with_attention);

/// Measures both maps of every layer (Gaussian inputs: down alone), with what the loss feels where that is weighed, and
/// writes the folder. Cost: a walk through the dense model. Throws kExists when something of that name is there.
void collect_moments(SelfPruner& pruner, const std::filesystem::path& folder);

}  // namespace prunenet
