// Batches and their scores.
#include "evaluate/scorer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/cancel.h"
#include "base/error.h"

namespace prunenet {
namespace {

RequestScore summed(const std::vector<TokenScore>& tokens, const std::string& where) {
  RequestScore score;
  for (const TokenScore& token : tokens) {
    score.log_prob += static_cast<double>(token.log_prob);
    score.all_greedy = score.all_greedy && token.is_greedy;
  }
  if (!std::isfinite(score.log_prob))
    fail(ErrorCode::kNonFinite, where, "the model gives a log-likelihood of {}", score.log_prob);
  return score;
}

std::vector<RequestScore> computed(Engine& engine, const RequestList& list, const std::vector<size_t>& batch) {
  std::vector<ScoreRequest> requests;
  for (const size_t index : batch) requests.push_back(list.get(index));
  const auto tokens = engine.score(requests);
  PRUNENET_CHECK(tokens.size() == batch.size());
  std::vector<RequestScore> scores;
  for (const auto& one : tokens) scores.push_back(summed(one, list.stage));
  return scores;
}

}  // namespace

RequestList request_list(std::string stage, const std::vector<ScoreRequest>& requests) {
  RequestList list;
  list.stage = std::move(stage);
  for (const ScoreRequest& request : requests) list.lengths.push_back(static_cast<int64_t>(request.ids.size()));
  list.get = [&requests](size_t index) { return requests[index]; };
  return list;
}

std::vector<std::vector<size_t>> plan_batches(const std::vector<int64_t>& lengths, const BatchOptions& options) {
  std::vector<size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });
  std::vector<std::vector<size_t>> batches;
  for (const size_t index : order) {
    const bool fits = !batches.empty() && [&] {
      const auto size = static_cast<int64_t>(batches.back().size()) + 1;
      return options.requests > 0 ? size <= options.requests : size * lengths[batches.back().front()] <= options.ids;
    }();
    if (!fits) batches.emplace_back();
    batches.back().push_back(index);
  }
  return batches;
}

double num_ids(const RequestList& list) {
  return static_cast<double>(std::accumulate(list.lengths.begin(), list.lengths.end(), int64_t{0}));
}

std::vector<RequestScore> score_requests(Engine& engine, const RequestList& list, const BatchOptions& options,
                                         Journal* journal, Progress& progress) {
  std::vector<RequestScore> scores(list.lengths.size());
  const auto batches = plan_batches(list.lengths, options);
  for (size_t number = 0; number < batches.size(); ++number) {
    throw_if_cancelled();
    const auto& batch = batches[number];
    const auto key = static_cast<int64_t>(number);
    const std::vector<RequestScore>* kept = journal != nullptr ? journal->find(list.stage, key) : nullptr;
    if (kept != nullptr && kept->size() != batch.size()) {
      fail(ErrorCode::kMismatch, journal->path().string(), "batch {} of {} has {} results, but {} requests", number,
           list.stage, kept->size(), batch.size());
    }
    const std::vector<RequestScore> found = kept != nullptr ? *kept : computed(engine, list, batch);
    if (kept == nullptr && journal != nullptr) journal->add(list.stage, key, found);
    double ids = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      scores[batch[i]] = found[i];
      ids += static_cast<double>(list.lengths[batch[i]]);
    }
    progress.advance(ids);
  }
  return scores;
}

}  // namespace prunenet
