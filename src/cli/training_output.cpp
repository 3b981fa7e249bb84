// Training histories.
#include "cli/training_output.h"

#include <fmt/format.h>

namespace prunenet::cli {

Json training_json(const TrainedPolicy& trained) {
  Json episodes = Json::array();
  for (const EpisodeResult& episode : trained.episodes) {
    episodes.push_back({{"avg_reward", episode.avg_reward}, {"avg_ks", episode.avg_ks}, {"elapsed_s", episode.elapsed_s}});
    if (trained.estimated) {
      episodes.back()["avg_ks_error"] = episode.avg_ks_error;
      episodes.back()["max_ks_error"] = episode.max_ks_error;
    }
  }
  return {{"episodes", std::move(episodes)},
          {"best_episode", trained.best_episode},
          {"spectrum", trained.estimated ? "estimate" : "exact"}};
}

void print_training(const TrainedPolicy& trained) {
  fmt::print("  episode   mean reward (1/KS)   mean KS{}      time\n", trained.estimated ? "   stated error: mean, largest" : "");
  constexpr size_t kMostLines = 40;  // of a long training, the first, every so many, the kept and the last
  const size_t count = trained.episodes.size(), every = (count + kMostLines - 1) / kMostLines;
  for (size_t i = 0; i < count; ++i) {
    const EpisodeResult& episode = trained.episodes[i];
    if (i % every != 0 && i + 1 != count && static_cast<int64_t>(i) != trained.best_episode) continue;
    const std::string error =
        trained.estimated ? fmt::format("             {:.5f}, {:.5f}", episode.avg_ks_error, episode.max_ks_error) : "";
    fmt::print("  {:>7}   {:>18.4f}   {:.5f}{} {:>7.2f} s{}\n", i, episode.avg_reward, episode.avg_ks, error, episode.elapsed_s,
               static_cast<int64_t>(i) == trained.best_episode ? "   <- kept" : "");
  }
  fmt::print("mean reward and KS are those of the episode's draws; what is kept is the policy after the episode's updates\n");
  if (trained.estimated)
    fmt::print("KS is estimated: it is worth a few percent, and the stated error is a cautious one; --spectrum exact tells close episodes apart\n");
}

}  // namespace prunenet::cli
