// Adding up.
#include "cost/phase_times.h"

#include <algorithm>
#include <utility>

namespace prunenet {

void PhaseTimes::add(const std::string& name, double elapsed_s, const Work& work) {
  auto found = std::find_if(phases_.begin(), phases_.end(), [&](const PhaseTime& phase) { return phase.name == name; });
  if (found == phases_.end()) found = phases_.insert(phases_.end(), PhaseTime{name, 0, {}});
  found->elapsed_s += elapsed_s;
  found->work += work;
}

TimedPhase::TimedPhase(PhaseTimes* times, const char* name) : times_(times), name_(name) {
  if (times_ != nullptr) std::swap(outer_inner_s_, times_->inner_s_);
}

TimedPhase::~TimedPhase() {
  if (times_ == nullptr) return;
  const double elapsed_s = watch_.elapsed_s();
  times_->add(name_, elapsed_s - times_->inner_s_, work_);
  times_->inner_s_ = outer_inner_s_ + elapsed_s;
}

double bound_s(const Work& work, const Speeds& speeds) {
  double sum = 0;
  for (size_t i = 0; i < kWorkKinds; ++i) {
    const auto kind = static_cast<WorkKind>(i);
    if (!is_product(kind) || work[kind] == 0) continue;
    const double rate = speeds[kind] > 0 ? speeds[kind] : speeds[WorkKind::kProductF32];
    if (rate > 0) sum += work[kind] / rate;
  }
  return sum;
}

}  // namespace prunenet
