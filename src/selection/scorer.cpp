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

Mask select(NeuronScorer& scorer, const std::vector<int64_t>& widths, Progress& progress) {
  Mask mask;
  progress.begin("choosing neurons", static_cast<double>(widths.size()));
  for (size_t layer = 0; layer < widths.size(); ++layer) {
    throw_if_cancelled();
    mask.kept.push_back(top_indices(scorer.scores(static_cast<int64_t>(layer)), widths[layer]));
    progress.advance(1);
  }
  progress.end();
  return mask;
}

}  // namespace prunenet
