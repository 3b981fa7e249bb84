// What a run will cost, before it starts: its options as tasks of the cost room, measured speeds, whether it fits this
// machine, and what would.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/self_options.h"
#include "cli/sizes.h"
#include "cost/shape.h"
#include "cost/work.h"

namespace prunenet::cli {

/// A run to be costed. Pointers must be set, but for `self`.
struct CostRequest {
  const OpenModel* open = nullptr;
  const SelectionOptions* selection = nullptr;
  const TrainingOptions* training = nullptr;
  const SelfVerbOptions* self = nullptr;  // of --method self; null for the others
  const EngineVerbOptions* engine = nullptr;
  std::vector<int64_t> widths;  // that stay, of every layer of the source
  double output_bytes = 0;      // that are written, in blocks of the disk
  double artefact_bytes = 0;    // of prunenet.json, which a journal keeps as well; within those of the output
  std::filesystem::path output;
  bool to_gguf = false;           // through a folder, from one
  double gguf_bytes = 0;          // of the GGUF file, in blocks of the disk
  int64_t gguf_tensor_bytes = 0;  // of its tensors alone
  bool reports = false;           // spectra of all layers, and each layer's own KL
  bool phases = false;            // rates are measured when the run is over
  bool trains_only = false;
  bool is_cached = false;  // the spectra of whole layers are known from an earlier run
};

/// What is planned to stay. `widths` are of every layer of the source: those that will go are taken to have the width
/// of the others. Where --ratio-total decides, FFNs stand for the mix.
struct PlannedCut {
  std::vector<int64_t> widths, left_widths;  // left: of the layers that stay
  SizeChange change;
  std::vector<TensorSpec> tensors;  // of the result; none where --ratio-total decides
};
/// Throws what the run would throw for such sizes; `progress` hears what rounding does to them.
PlannedCut planned_cut(const SelectionOptions& selection, const SelfVerbOptions& self, const OpenModel& open,
                       Progress& progress);
/// A prune to these sizes. The arguments must outlive it; `self`: null where the method is another.
CostRequest cost_of_cut(const OpenModel& open, const PlannedCut& cut, const SelectionOptions& selection,
                        const TrainingOptions& training, const SelfVerbOptions* self, const EngineVerbOptions& engine);

struct CostEstimate {
  RunCost cost;
  Speeds speeds;           // 0 of what was not measured
  bool is_cached = false;  // spectra of whole layers are, and are not computed
  std::optional<double> total_s() const { return cost.measured_seconds(speeds); }
};

/// Work and memory alone. `own_lengths`: of some texts of the model, where they are known; else they are taken to be as
/// long as they may be.
RunCost count_run(const CostRequest& request, std::span<const double> own_lengths = {});

/// An option with which a run would take far less memory, and how much then.
struct Lighter {
  std::string option;
  double peak_bytes = 0;
};
/// Where the engine would convert the whole model to the type of its products and hold it, and the run would take at
/// most two thirds of its memory otherwise: --stream, and from f32 --dtype bf16. Counted, not measured.
std::vector<Lighter> lighter_choices(const CostRequest& request);

/// Measures this machine, and for runs with an engine the engine on a few layers of the model: seconds. Warns where the
/// engine cannot be measured, for want of memory: the times of its phases stay unknown. Work that a device will do is
/// counted and not measured. Whether the cache holds the spectra of whole layers is seen by the first and the last of
/// them: reading and hashing all would take as long as a short run. Memory and disk are those of check_fit: for texts
/// as long as they may be.
CostEstimate estimate_cost(const CostRequest& request, Progress& progress);

/// How a run stands to what there is. Of a run on a device the disk alone is looked at: memory_there is 0.
struct Fit {
  double memory_bytes = 0, memory_there = 0;  // needed, available; 0 available: the system does not tell
  double disk_bytes = 0, disk_there = 0;
  std::vector<std::string> remedies;  // what would fit, each counted; filled where something does not
  bool memory_fits() const;
  bool disk_fits() const;
  bool fits() const { return memory_fits() && disk_fits(); }
  /// More than half of what is left would be guesswork.
  bool is_tight() const { return memory_is_tight() || disk_is_tight(); }
  bool memory_is_tight() const;
  bool disk_is_tight() const;
};
Fit check_fit(const CostRequest& request);
/// What is missing, and what would fit.
std::string fit_words(const Fit& fit);
/// What is scarce, of memory and disk: needed and free.
std::string tight_words(const Fit& fit);

/// Throws kBadOption before a run that cannot fit in memory, kNoSpace for one that cannot fit on the disk; warns of one
/// that may not. Measures nothing.
void require_fits(const CostRequest& request, Progress& progress);

}  // namespace prunenet::cli
