// How fast an engine is at the very model: a few of its layers, loaded alone, run on some hundred tokens.
#pragma once

#include <cstdint>
#include <vector>

#include "cost/shape.h"
#include "cost/work.h"
#include "engine/engine.h"

namespace prunenet {

struct EngineProbe {
  EngineOptions engine;
  int64_t batch = 64;      // sequences that are continued together
  int64_t length = 256;    // ids of a sequence of the run
  int64_t own_length = 0;  // of the longest own text that it writes; 0: it writes none
  uint64_t seed = 42;
};

struct EngineSpeed {
  std::vector<double> own_lengths;  // ids of some own texts of up to own_length; none where that takes too long to see
  double libraries_s = 0;           // opening the engine's libraries
  // Of a pass with gradients, for each layer, whatever the text: the moments as matrices, and what waits for them.
  double backward_layer_s = 0;
};

/// Measures the kinds of the engine of which `work` has some. The layers that are run are few enough for 0.5 GiB of
/// weights, and at least one; the whole model where it is that small. Takes as long as loading these layers and a few
/// passes of two hundred billion flops each: 2 s for a model of megabytes, 10 to 25 s on two cores for layers of
/// LLaMA-2-7B. Throws what load_engine throws.
EngineSpeed measure_engine(const Checkpoint& checkpoint, const ModelDescription& model, const Work& work,
                           const EngineProbe& probe, Speeds& speeds);

/// Flops of the forward pass of a token through layers: products alone, and what attention adds for a sequence of
/// `length` ids on average.
double forward_flops_per_token(const ModelShape& shape, size_t layers, double length);
/// Of measuring what the loss feels: forward through all layers, again with gradients, back; the head; and the moments
/// of the gradients at both sites of each layer.
double backward_flops_per_token(const ModelShape& shape, double length);

}  // namespace prunenet
