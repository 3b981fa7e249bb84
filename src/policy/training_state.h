// A training in the middle, in a ResultStore: two sets of names take turns, and one small record, put last, says which
// of them counts. So that whatever ends the process between two puts leaves the state of an episode whole.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/result_store.h"
#include "policy/backend.h"
#include "policy/trainer.h"

namespace prunenet {

/// What the loop itself remembers.
struct TrainingProgress {
  std::vector<EpisodeResult> episodes;
  int64_t best_episode = -1;
  double best_reward = -1;
  bool converged = true;
};

class TrainingState {
 public:
  TrainingState(ResultStore& store, PolicyBackend& backend) : store_(store), backend_(backend) {}

  /// Puts the backend where the stored training was, and gives the loop's own part; nothing, and the backend is as it was,
  /// where there is none that is whole and fits it and so many `episodes`: then its record is forgotten.
  std::optional<TrainingProgress> load(int64_t episodes);
  /// After an episode: the best policy where it changed, the backend's state unless `last`, then the record.
  void save(const TrainingProgress& progress, bool last);
  /// The best policy as saved. Throws kInternal where none was.
  PolicyNetwork<float> best() const;

 private:
  std::optional<TrainingProgress> read(int64_t episodes);
  bool has_best(int64_t set) const;  // whole, and of the backend's shape

  ResultStore& store_;
  PolicyBackend& backend_;
  int64_t state_set_ = 0, best_set_ = 0;  // those that count
  int64_t saved_best_ = -1;               // the episode of the saved best policy
  std::set<std::string> parts_;           // names of the backend's parts, as far as it has told them
};

}  // namespace prunenet
