// Shrinking a model by what its own text says: layer by layer, measure, choose, refit. The order of the work and
// nothing else; moments come from a MomentSource, choosing and refitting are the surgeon's.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/progress.h"
#include "calibrate/changed_model.h"
#include "calibrate/moment_source.h"
#include "calibrate/sensitivities.h"
#include "cost/phase_times.h"
#include "engine/accelerator.h"
#include "surgeon/eliminate.h"
#include "surgeon/refit.h"

namespace prunenet {

/// What is to go.
struct ShrinkPlan {
  std::vector<int64_t> widths;          // neurons that stay, for every layer
  std::vector<int64_t> kv_groups;       // KV groups that stay, for every layer; empty: all
  std::vector<int64_t> dropped_layers;  // ascending
};

/// A mask of these sizes: for counting. Which units stay is not said by a plan.
Mask mask_of_sizes(const ModelDescription& model, const ShrinkPlan& plan);

struct ShrinkOptions {
  bool refit = true;            // the kept columns (and biases) by least squares; else they stay as they are
  bool refit_attention = true;  // the output projection also where no head goes, to repair what the layers before lost
  int64_t neuron_steps = 3;     // Gauss-Newton steps on gate, up and down together after the refit of down; 0: none
  int64_t neuron_iterations = 10;
  double neuron_damping = 4;  // see NeuronRefitOptions
  std::optional<double> damping;
  Precision precision = Precision::kAuto;
  Accelerator* accelerator = nullptr;  // what chooses and refits; null: this room's host
  PhaseTimes* times = nullptr;         // where the time goes; null: nobody asks
};

/// What became of one site. Errors are E|t - y|^2 a token, t what the outputs ought to be, y what they are.
struct SiteOutcome {
  int64_t layer = 0;
  Site site = Site::kFfn;
  int64_t units_before = 0, units_after = 0;  // neurons, or KV groups
  double target_energy = 0;                   // E|t|^2
  double error_before = 0;                    // of the plain cut
  double error_refitted = 0;                  // after the refit of the last matrix; without one, as before
  double error_after = 0;                     // after that of the neurons, too
  int64_t neuron_steps = 0;                   // Gauss-Newton steps that brought something
  double damping = 0;                         // of choosing
  double refit_damping = 0;
  int damping_raised = 0;  // times that either had to grow before the moments were positive definite
  int64_t dead_units = 0;
  int64_t tokens = 0;  // that the moments were averaged over
};

struct ShrinkOutcome {
  std::vector<SiteOutcome> sites;   // in the order of the work
  std::optional<double> kl_on_own;  // mean KL(dense || changed) on the source's own text, where it was followed
};

/// What an earlier run has finished of this plan, all of it: fills `changed` from its store; nothing, and `changed` is
/// as it was, unless the last part is there. Runs no model.
std::optional<ShrinkOutcome> finished_shrink(const ModelDescription& model, const ShrinkPlan& plan,
                                             ChangedModel& changed);

/// Fills `changed`, whose store gets a part for every site and goes on from those that it holds: the source is told of
/// what they have become and not asked. `sensitivities` weigh the errors by which neurons and heads are chosen; empty:
/// all alike. Throws kBadOption where the plan asks for heads that the source knows nothing of, kNonFinite (layer
/// named). Cost: what the source costs, and for every layer what choosing and refitting do (eliminate.h, refit.h).
/// Memory: one layer's moments.
ShrinkOutcome shrink(const Checkpoint& checkpoint, const ModelDescription& model, const ShrinkPlan& plan,
                     const ShrinkOptions& options, MomentSource& source, const Sensitivities& sensitivities,
                     ChangedModel& changed, Progress& progress);

/// Layers that an earlier run of the plan has finished, those that go included: the walk has come past them. For
/// people.
int64_t num_finished_layers(const ResultStore& store, int64_t layers);

/// What the surgeon's refit takes of them.
RefitOptions refit_options(const ShrinkOptions& options);

/// The units of a site, in the order in which they would go, down to `least` of them: for curves of error.
Elimination eliminate_site(const Checkpoint& checkpoint, const ModelDescription& model, int64_t layer, Site site,
                           const Moments& moments, const Sensitivities& sensitivities, int64_t least,
                           const ShrinkOptions& options);

}  // namespace prunenet
