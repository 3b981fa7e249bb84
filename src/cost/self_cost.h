// What self-calibrated pruning has to do, phase by phase: counts of work and memory, from sizes and options alone.
#pragma once

#include <cstdint>
#include <vector>

#include "cost/shape.h"
#include "cost/work.h"

namespace prunenet {

/// A run of --method self, in sizes. Counts that are random (lengths of texts) are means.
struct SelfTask {
  // What moments are averaged over: texts that are run, Gaussian inputs, or an earlier run's folder (tokens alone).
  enum class Source { kOwnText, kOtherText, kGaussian, kStored };
  Source source = Source::kOwnText;
  double sequences = 64, length = 256;  // of the text; a length is a mean
  double capacity = 256;                // the longest
  double batch = 64;                    // sequences that are sampled together
  double gaussian_tokens = 4096;
  double loss_tokens = 65536;  // of the text; 0: errors are not weighed by the loss

  // What is done with them.
  std::vector<int64_t> kept;           // neurons of each layer
  std::vector<int64_t> kept_kv_share;  // inputs of each output projection that stay; empty: all
  int64_t dropped_layers = 0;
  bool refits = true, follows = true;  // follows: layer after layer, on what the model in the making gives
  bool refits_attention = true;
  int64_t neuron_steps = 0, neuron_iterations = 10;
  bool adaptive = false;
  int64_t curve_points = 0;                         // of each layer, measured by KL; 0: curves of error
  double probe_tokens = 4096;                       // that single changes are measured on
  double check_sequences = 32, check_length = 256;  // a mean
  double check_capacity = 256;                      // the longest
  bool measures_layers = false;                     // each layer's own KL, for a report

  // The engine.
  bool runs = true;  // there is one
  bool stream = false;
  double number_bytes = 4;     // of a weight in its type
  double converted_bytes = 0;  // weights that take memory of their own; the others are mapped
  double threads = 2;

  bool is_bf16() const { return number_bytes < 4; }
};

/// The phases in the order of the work, without writing the result.
RunCost cost_of_self(const ModelShape& shape, const SelfTask& task);

// Flops of single steps of a layer, shared with what counts them while they run. F inputs, D outputs, N tokens.
/// Moments of an FFN under Gaussian inputs, which are drawn and put through its norm, gate and up.
Work gaussian_moments_work(const LayerShape& layer, double hidden, double tokens);
/// Second moments and, where `targets`, cross moments.
double moment_flops(double inputs, double outputs, double tokens, bool targets);
/// Inverse, A = W^T G W, and the downdates of `removed` columns (eliminate.h).
double elimination_flops(double inputs, double outputs, double removed, bool weighted);
/// Least squares of `kept` columns (refit.h).
double refit_flops(double inputs, double outputs, double kept, bool target);
/// A Gauss-Newton refit of gate, up and down as it was done, or is thought to be.
struct NeuronRefitCount {
  double kept = 0, outputs = 0, tokens = 0;
  bool gated = true;
  double linearisations = 0, iterations = 0;  // iterations of all of them together
};
/// Its products in the type of the engine, and what is inverted in f32 and in f64.
struct NeuronRefitFlops {
  double products = 0, f32 = 0, f64 = 0;
};
NeuronRefitFlops neuron_refit_flops(const NeuronRefitCount& count);
/// Tokens of a text in sequences of `length` that it takes: as many as its memory holds, numbers of `number_bytes` in
/// the type of the products.
double neuron_refit_tokens(double kept, double outputs, double tokens, double length, double number_bytes);

}  // namespace prunenet
