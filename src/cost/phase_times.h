// Where the time of a run goes, as it goes: seconds and counted operations of each phase, beside what the operations
// alone would take.
#pragma once

#include <string>
#include <vector>

#include "base/system.h"
#include "cost/work.h"

namespace prunenet {

/// One part of a run that is over. Only the kinds of products are counted.
struct PhaseTime {
  std::string name;
  double elapsed_s = 0;
  Work work;
};

/// The phases of a run, each under its name; times of equal names add up. Not for several threads at once.
class PhaseTimes {
 public:
  void add(const std::string& name, double elapsed_s, const Work& work);
  const std::vector<PhaseTime>& phases() const { return phases_; }

 private:
  friend class TimedPhase;
  std::vector<PhaseTime> phases_;  // in the order in which they came first
  double inner_s_ = 0;             // of phases that ended within the one that goes on
};

/// From its construction to its end a phase goes on. Where others begin and end meanwhile, their time is theirs alone.
/// `times` may be null: then nothing is noted.
class TimedPhase {
 public:
  TimedPhase(PhaseTimes* times, const char* name);
  ~TimedPhase();
  TimedPhase(const TimedPhase&) = delete;
  TimedPhase& operator=(const TimedPhase&) = delete;

  void count(WorkKind kind, double amount) { work_[kind] += amount; }

 private:
  PhaseTimes* times_;
  const char* name_;
  double outer_inner_s_ = 0;  // what had ended within the phase around this one
  Work work_;
  Stopwatch watch_;
};

/// Seconds that the products of a phase would take alone, each kind at its rate, and kinds without one at that of f32
/// products. 0 where nothing was counted.
double bound_s(const Work& work, const Speeds& speeds);

}  // namespace prunenet
