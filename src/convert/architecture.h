// The architectures of llama.cpp: which of them computes what a model computes, and how its metadata and tensors look.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/gguf_metadata.h"
#include "model/config.h"
#include "model/transformer.h"

namespace prunenet {

struct GgufArchitecture {
  std::string name;                   // general.architecture
  bool adjacent_pairs = false;        // rows of query and key are in the order of adjacent rotary pairs
  std::vector<std::string> notes;     // what a person may like to know
  std::vector<std::string> warnings;  // where llama.cpp computes something else than the model does
};

/// The architecture for a described model: deci where the layers differ. Throws kUnsupported where llama.cpp has none,
/// saying what it lacks (OPT; alibi; other activations, scales or norms than its graph has; layers that differ in a
/// family that must have them alike).
GgufArchitecture find_architecture(const ModelDescription& model, const TransformerDescription& transformer,
                                   const Config& config);

/// Whether llama.cpp has a place for layers of different widths and KV groups in a family of models.
bool gguf_layers_may_differ(const std::string& family);
/// Whether its heads may be fewer than the hidden size has.
bool gguf_heads_may_be_cut(const std::string& family);

/// general.* and the keys of the architecture; no vocabulary. `name`: the model's, for people.
GgufMetadata architecture_metadata(const GgufArchitecture& architecture, const ModelDescription& model,
                                   const TransformerDescription& transformer, const Config& config,
                                   const std::string& name);

/// The frequencies of a rotary scaling that llama.cpp reads as a tensor of factors: name and factors. Empty where the
/// metadata says all.
struct RotaryFactors {
  std::string name;  // "rope_freqs.weight"
  std::vector<float> factors;
};
std::vector<RotaryFactors> rotary_factors(const TransformerDescription& transformer, const Config& config);

}  // namespace prunenet
