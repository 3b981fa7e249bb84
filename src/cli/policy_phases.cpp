// The counts are those of the cost room; here they meet the seconds.
#include "cli/policy_phases.h"

#include <algorithm>

namespace prunenet::cli {
namespace {

Work products_of(const RunCost& cost, const std::string& phase) {
  Work products;
  for (const Phase& counted : cost.phases) {
    if (counted.name != phase) continue;
    for (size_t i = 0; i < kWorkKinds; ++i) {
      const auto kind = static_cast<WorkKind>(i);
      if (is_product(kind)) products[kind] += counted.work[kind];
    }
  }
  return products;
}

// The products of each phase of a run that trains for `episodes`, with `num_cached` of the layers' spectra in the
// cache.
class Counts {
 public:
  Counts(CostRequest request, int64_t episodes, int64_t num_cached)
      : cached_share_(static_cast<double>(num_cached) / static_cast<double>(request.widths.size())) {
    TrainingOptions training = *request.training;
    training.episodes = episodes;
    request.training = &training;
    request.is_cached = false;
    computed_ = count_run(request);
    request.is_cached = true;
    cached_ = count_run(request);
  }
  Work of(const std::string& phase) const {
    Work work = (1 - cached_share_) * products_of(computed_, phase);
    work += cached_share_ * products_of(cached_, phase);
    return work;
  }

 private:
  double cached_share_;
  RunCost computed_, cached_;
};

int64_t episodes_done(const TrainedPolicy& trained) {
  return static_cast<int64_t>(trained.episodes.size()) - trained.first_episode;
}

}  // namespace

void add_training_phases(const CostRequest& request, const TrainedPolicy& trained, PhaseTimes& times) {
  const Counts counts(request, episodes_done(trained), trained.num_cached);
  const TrainTimes& seconds = trained.times;
  const auto add = [&](const char* name, double elapsed_s) {
    if (elapsed_s > 0) times.add(name, elapsed_s, counts.of(name));
  };
  add("spectra of whole layers", seconds.whole_spectra);
  add("drawing", seconds.drawing);
  add("spectra of draws", seconds.draw_spectra);
  add("updating the policy", seconds.updating);
  add("keeping its state", seconds.keeping);
}

void count_spectra_of_choice(const CostRequest& request, const std::optional<TrainedPolicy>& trained,
                             int64_t num_cached, TimedPhase& phase) {
  CostRequest with_spectra = request;
  with_spectra.reports = true;
  const Counts counts(with_spectra, trained ? episodes_done(*trained) : 0, num_cached);
  const Work products = counts.of("spectra of the choice");
  for (size_t i = 0; i < kWorkKinds; ++i) phase.count(static_cast<WorkKind>(i), products[static_cast<WorkKind>(i)]);
}

}  // namespace prunenet::cli
