// Training histories.
#include "cli/training_output.h"

#include <fmt/format.h>

namespace prunenet::cli {

Json training_json(const TrainedPolicy& trained) {
  Json episodes = Json::array();
  for (const EpisodeResult& episode : trained.episodes) {
    episodes.push_back({{"avg_reward", episode.avg_reward}, {"avg_ks", episode.avg_ks}, {"elapsed_s", episode.elapsed_s}});
  }
  return {{"episodes", std::move(episodes)}, {"best_episode", trained.best_episode}};
}

void print_training(const TrainedPolicy& trained) {
  fmt::print("  episode   mean reward (1/KS)   mean KS      time\n");
  for (size_t i = 0; i < trained.episodes.size(); ++i) {
    const EpisodeResult& episode = trained.episodes[i];
    fmt::print("  {:>7}   {:>18.4f}   {:.5f} {:>7.2f} s{}\n", i, episode.avg_reward, episode.avg_ks, episode.elapsed_s,
               static_cast<int64_t>(i) == trained.best_episode ? "   <- kept" : "");
  }
}

}  // namespace prunenet::cli
