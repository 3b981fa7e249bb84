// Walking through a model layer by layer over a fixed text, beside the model that it is being made into: what choosing
// and refitting need of an engine. Two places of a layer map inner numbers back into the residual stream, and both can
// be measured and changed: the output projection of attention and the down projection of the FFN.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/token_id.h"
#include "moments/moments.h"

namespace prunenet {

enum class Site { kAttention, kFfn };

/// "attention" or "FFN", for messages.
const char* site_name(Site site);

struct SiteMoments {
  Moments inputs;                       // of the site's matrix W [D, F]
  std::optional<TargetMoments> target;  // where asked for
};

/// New first matrices of an FFN: rows of the neurons that stay.
struct FfnRows {
  Matrix<float> gate, up;                 // [kept, D]; a gate of no rows where there is none
  std::vector<float> gate_bias, up_bias;  // [kept]; empty where there is none
};

/// A site whose matrix has become a smaller one.
struct SiteChange {
  std::vector<int64_t> kept;    // inputs that stay, ascending
  Matrix<float> weight;         // [D, kept]
  std::vector<float> bias;      // [D]; empty: as it was, or none
  std::optional<FfnRows> rows;  // of an FFN whose neurons were refitted too; else they compute what they did
};

/// What the outputs of a site ought to be: (1 - feedback) * what the whole matrix gives for the inputs of the changed
/// model + feedback * what takes the changed model's residual stream back to the dense model's. With 0 every site
/// forgets the errors before it, with 1 it repairs them as far as it can.
struct TargetOptions {
  double feedback = 0.5;
};

/// Refitting gate, up and down of a layer together: Gauss-Newton on the layer's own outputs.
struct NeuronRefitOptions {
  int64_t steps = 3;        // linearisations
  int64_t iterations = 10;  // of conjugate gradients, each, at most
  double tolerance = 1e-6;  // of the residual, relative: fewer iterations where it is reached
  double damping = 4;       // times neurons / tokens: of each neuron's row, against the mean of what determines it
  TargetOptions target;
  Matrix<float> metric;  // M [D, D], symmetric, positive definite: errors e count e^T M e
};

struct NeuronRefit {
  SiteChange change;
  double error_before = 0, error_after = 0;  // E[e^T M e] a token, with the start and with the result
  double plain_error_after = 0;              // E|e|^2 with the result
  int64_t steps = 0;                         // that brought something
  // What was really done, for those who count work.
  int64_t tokens = 0;          // of the text that there was room for
  int64_t linearisations = 0;  // steps, and the last one where it brought nothing
  int64_t iterations = 0;      // of conjugate gradients, of all of them together
};

/// One walk from the first layer to the last. At every layer: attention, then FFN; either may be left alone. Calls that
/// go back to an earlier site are the caller's bug.
class LayerWalk {
 public:
  virtual ~LayerWalk() = default;

  virtual int64_t num_tokens() const = 0;
  /// Moments of the site's inputs in the model as changed so far; with `options`, of the targets too. Throws
  /// kNonFinite naming the layer.
  virtual SiteMoments measure(int64_t layer, Site site, const std::optional<TargetOptions>& options) = 0;
  /// Neurons that do better what the whole FFN did, from `start` (whose rows, if any, are where it begins): least
  /// squares on what the layer reads and ought to give, linearised around the present neurons (Gauss-Newton, with the
  /// steps halved until the error falls), solved by preconditioned conjugate gradients. No loss of the model and no
  /// learning rate are involved. Changes nothing yet. Cost: 8 products as large as down's a token and iteration.
  /// Memory: for each token two numbers a hidden unit and three a neuron, at most 2 GiB (further tokens are then left
  /// out), and 15 matrices of up's size.
  virtual NeuronRefit refit_neurons(int64_t layer, const SiteChange& start, const NeuronRefitOptions& options) = 0;
  /// From here on the changed model has this matrix there.
  virtual void change(int64_t layer, Site site, const SiteChange& change) = 0;
  /// From here on the changed model has no such layer.
  virtual void drop(int64_t layer) = 0;
  /// Walks to the end. Mean KL(dense || changed) a token over the text, in nats.
  virtual double finish() = 0;
};

/// Given for every layer and site, from the last to the first: E[g g^T] [D, D] (both triangles), an average over
/// tokens; g is the gradient of the summed NLL of the token's sequence with respect to what the site adds for it to the
/// residual stream.
using SensitivityVisitor = std::function<void(int64_t layer, Site site, Matrix<float> sensitivity)>;

/// Which parts of the dense model a probe replaces or leaves out.
struct ProbeChange {
  int64_t layer = 0;
  std::optional<Site> site;  // none: the whole layer is left out
  SiteChange change;
};

/// Asks what single changes cost: KL(dense || dense with the changes), in nats, a value for each token of the text that
/// has one after it. Remembers the dense states, so that a change costs the layers behind it alone.
class KlProbe {
 public:
  virtual ~KlProbe() = default;
  virtual std::vector<float> kl(std::span<const ProbeChange> changes) = 0;
  /// Mean of kl(changes); the text must predict something.
  double mean_kl(std::span<const ProbeChange> changes);
};

}  // namespace prunenet
