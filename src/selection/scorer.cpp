// From scores to kept rows.
#include "selection/scorer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/cancel.h"
#include "base/error.h"

namespace prunenet {

std::vector<int64_t> top_indices(std::span<const double> scores, int64_t count) {
  PRUNENET_CHECK(count >= 0 && count <= static_cast<int64_t>(scores.size()));
  for (size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) fail(ErrorCode::kNonFinite, fmt::format("neuron {}", i), "its score is NaN");
  }
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto better = [&](int64_t a, int64_t b) {
    const double x = scores[static_cast<size_t>(a)], y = scores[static_cast<size_t>(b)];
    return x > y || (x == y && a < b);
  };
  std::nth_element(order.begin(), order.begin() + count, order.end(), better);
  order.resize(static_cast<size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<int64_t> top_blocks(std::span<const double> scores, int64_t count, int64_t block) {
  PRUNENET_CHECK(block >= 1 && count % block == 0 && static_cast<int64_t>(scores.size()) % block == 0);
  std::vector<double> means;
  for (size_t first = 0; first < scores.size(); first += static_cast<size_t>(block)) {
    double sum = 0;
    for (double score : scores.subspan(first, static_cast<size_t>(block))) sum += score;
    means.push_back(sum / static_cast<double>(block));
  }
  std::vector<int64_t> kept;
  for (int64_t index : top_indices(means, count / block)) {
    for (int64_t i = 0; i < block; ++i) kept.push_back(index * block + i);
  }
  return kept;
}

Mask select(NeuronScorer& scorer, const std::vector<int64_t>& widths, Progress& progress,
            const std::vector<int64_t>& blocks) {
  Mask mask;
  progress.begin("choosing neurons", static_cast<double>(widths.size()));
  for (size_t layer = 0; layer < widths.size(); ++layer) {
    throw_if_cancelled();
    mask.kept.push_back(top_blocks(scorer.scores(static_cast<int64_t>(layer)), widths[layer], blocks.empty() ? 1 : blocks[layer]));
    progress.advance(1);
  }
  progress.end();
  return mask;
}

}  // namespace prunenet
