// Names and the record of a training in the middle.
#include "policy/training_state.h"

#include <cstring>

#include "base/error.h"

namespace prunenet {
namespace {

constexpr int64_t kFormat = 1;  // of the record
const std::string kRecord = "policy.record";

struct RecordHead {
  int64_t format = kFormat;
  int64_t episodes = 0;  // EpisodeResults that follow
  int64_t state_set = 0, best_set = 0;
  int64_t best_episode = 0, converged = 0;
  double best_reward = 0;
};
static_assert(std::is_trivially_copyable_v<RecordHead> && std::is_trivially_copyable_v<EpisodeResult>);
static_assert(sizeof(EpisodeResult) % sizeof(double) == 0 && sizeof(RecordHead) % sizeof(double) == 0);

std::string state_name(int64_t set, const std::string& part) { return fmt::format("policy.state{}.{}", set, part); }
std::string best_name(int64_t set, const char* part) { return fmt::format("policy.best{}.{}", set, part); }

template <typename T>
std::span<const std::byte> bytes_of(const T& values) {
  return std::as_bytes(std::span(values.data(), static_cast<size_t>(values.size())));
}

// The head of a record that is whole; of which training it is, and whether its parts are there, it does not say.
std::optional<RecordHead> read_head(std::optional<std::span<const std::byte>> record) {
  RecordHead head;
  if (!record || record->size() < sizeof head) return std::nullopt;
  std::memcpy(&head, record->data(), sizeof head);
  const size_t most = (record->size() - sizeof head) / sizeof(EpisodeResult);
  const auto is_set = [](int64_t set) { return set == 0 || set == 1; };
  const bool is_whole = head.format == kFormat && head.episodes >= 1 && static_cast<uint64_t>(head.episodes) <= most &&
                        record->size() == sizeof head + static_cast<size_t>(head.episodes) * sizeof(EpisodeResult) &&
                        head.best_episode >= 0 && head.best_episode < head.episodes && is_set(head.state_set) &&
                        is_set(head.best_set);
  return is_whole ? std::optional(head) : std::nullopt;
}

}  // namespace

int64_t num_trained_episodes(const ResultStore& store) {
  const auto head = read_head(store.find(kRecord));
  return head ? head->episodes : 0;
}

std::optional<TrainingProgress> TrainingState::load(int64_t episodes) {
  std::optional<TrainingProgress> progress = read(episodes);
  // A new training puts its parts under the same names, one after the other: a record that found a part missing would find
  // all of them again before the new one stands, some of this training and some of the other.
  if (!progress) store_.remove(kRecord);
  return progress;
}

std::optional<TrainingProgress> TrainingState::read(int64_t episodes) {
  const auto bytes = store_.find(kRecord);
  const auto found = read_head(bytes);
  if (!found || found->episodes > episodes) return std::nullopt;
  const RecordHead& head = *found;
  if (!has_best(head.best_set)) return std::nullopt;
  if (head.episodes < episodes &&
      !backend_.restore([&](const std::string& part) {
        parts_.insert(part);
        return store_.find(state_name(head.state_set, part));
      })) {
    return std::nullopt;
  }
  TrainingProgress progress;
  progress.episodes.resize(static_cast<size_t>(head.episodes));
  std::memcpy(progress.episodes.data(), bytes->data() + sizeof head, bytes->size() - sizeof head);
  progress.best_episode = saved_best_ = head.best_episode;
  progress.best_reward = head.best_reward;
  progress.converged = head.converged != 0;
  state_set_ = head.state_set;
  best_set_ = head.best_set;
  return progress;
}

bool TrainingState::has_best(int64_t set) const {
  const PolicyNetwork<float> own = backend_.network();
  const int64_t shape[] = {own.hidden_units(), own.width()};
  const auto stored = store_.find(best_name(set, "shape"));
  if (!stored || stored->size() != sizeof shape || std::memcmp(stored->data(), shape, sizeof shape) != 0) return false;
  const auto fits = [&](const char* name, const auto& values) {
    const auto part = store_.find(best_name(set, name));
    return part && part->size() == bytes_of(values).size();
  };
  return fits("p", own.p) && fits("b", own.b) && fits("q", own.q);
}

void TrainingState::save(const TrainingProgress& progress, bool last) {
  const int64_t old_state = state_set_, old_best = best_set_;
  const bool new_best = progress.best_episode != saved_best_;
  if (new_best) {
    best_set_ = 1 - old_best;
    const PolicyNetwork<float> best = backend_.network();
    const int64_t shape[] = {best.hidden_units(), best.width()};
    store_.put(best_name(best_set_, "p"), bytes_of(best.p));
    store_.put(best_name(best_set_, "b"), bytes_of(best.b));
    store_.put(best_name(best_set_, "q"), bytes_of(best.q));
    store_.put(best_name(best_set_, "shape"), std::as_bytes(std::span(shape)));
    saved_best_ = progress.best_episode;
  }
  if (!last) {
    state_set_ = 1 - old_state;
    backend_.save([&](const std::string& part, std::span<const std::byte> bytes) {
      parts_.insert(part);
      store_.put(state_name(state_set_, part), bytes);
    });
  }
  RecordHead head;
  head.episodes = static_cast<int64_t>(progress.episodes.size());
  head.state_set = state_set_;
  head.best_set = best_set_;
  head.best_episode = progress.best_episode;
  head.converged = progress.converged ? 1 : 0;
  head.best_reward = progress.best_reward;
  std::vector<std::byte> record(sizeof head + progress.episodes.size() * sizeof(EpisodeResult));
  std::memcpy(record.data(), &head, sizeof head);
  std::memcpy(record.data() + sizeof head, progress.episodes.data(), record.size() - sizeof head);
  store_.put(kRecord, record);
  // What no longer counts gives its room back.
  for (const std::string& part : parts_) store_.remove(state_name(old_state, part));
  if (new_best) {
    for (const char* part : {"p", "b", "q", "shape"}) store_.remove(best_name(old_best, part));
  }
}

PolicyNetwork<float> TrainingState::best() const {
  const auto part = [&](const char* name) {
    const auto bytes = store_.find(best_name(best_set_, name));
    PRUNENET_CHECK(bytes.has_value());
    return *bytes;
  };
  int64_t shape[2] = {};
  PRUNENET_CHECK(part("shape").size() == sizeof shape);
  std::memcpy(shape, part("shape").data(), sizeof shape);
  PolicyNetwork<float> best{Matrix<float>(shape[0], shape[1]), Vector<float>(shape[0]), Vector<float>(shape[0])};
  const auto read = [&](const char* name, auto& values) {
    PRUNENET_CHECK(part(name).size() == static_cast<size_t>(values.size()) * sizeof(float));
    std::memcpy(values.data(), part(name).data(), part(name).size());
  };
  read("p", best.p);
  read("b", best.b);
  read("q", best.q);
  return best;
}

}  // namespace prunenet
