// Greedy choice, and draws from the distribution that temperature, top-k and top-p leave.
#include "generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"

namespace prunenet {
namespace {

// Weight of a logit relative to the largest one: 1 for that, finite for all, whatever the temperature.
double weight_of(float logit, float largest, double temperature) {
  if (logit == largest) return 1;
  return std::exp((static_cast<double>(logit) - static_cast<double>(largest)) / temperature);
}

// The ids that top-k leaves: likeliest first, lower ids first among equals.
std::vector<TokenId> likeliest(std::span<const float> logits, const SamplingOptions& options) {
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto before = [&](TokenId a, TokenId b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x > y || (x == y && a < b);
  };
  if (options.top_k > 0 && static_cast<size_t>(options.top_k) < ids.size()) {
    const auto end = ids.begin() + static_cast<std::ptrdiff_t>(options.top_k);
    std::partial_sort(ids.begin(), end, ids.end(), before);
    ids.erase(end, ids.end());
  } else {
    std::sort(ids.begin(), ids.end(), before);
  }
  return ids;
}

// Drops what top-p leaves out of `ids`, which are sorted, likeliest first.
void keep_nucleus(std::vector<TokenId>& ids, std::span<const float> logits, const SamplingOptions& options) {
  const float largest = logits[static_cast<size_t>(ids.front())];
  const auto weight = [&](TokenId id) {
    return weight_of(logits[static_cast<size_t>(id)], largest, options.temperature);
  };
  double total = 0;
  for (const TokenId id : ids) total += weight(id);
  double reached = 0;
  size_t count = 0;
  while (count < ids.size() && reached < options.top_p * total) reached += weight(ids[count++]);
  ids.resize(std::max<size_t>(count, 1));
}

}  // namespace

TokenId greedy_token(std::span<const float> logits) {
  PRUNENET_CHECK(!logits.empty());
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

void check_sampling(const SamplingOptions& options) {
  if (!(options.temperature >= 0 && std::isfinite(options.temperature))) {
    fail(ErrorCode::kBadOption, "temperature", "is {}, expected a number from 0 up", options.temperature);
  }
  if (options.top_k < 0) fail(ErrorCode::kBadOption, "top-k", "is {}, expected 0 (all) or more", options.top_k);
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    fail(ErrorCode::kBadOption, "top-p", "is {}, expected a number above 0 and up to 1", options.top_p);
  }
}

TokenId sample_token(std::span<const float> logits, const SamplingOptions& options, RandomStream stream) {
  check_sampling(options);
  if (options.temperature == 0) return greedy_token(logits);
  const float largest = *std::max_element(logits.begin(), logits.end());
  const bool cuts = options.top_p < 1 || (options.top_k > 0 && static_cast<size_t>(options.top_k) < logits.size());
  std::vector<TokenId> kept;
  if (cuts) {
    kept = likeliest(logits, options);
    if (options.top_p < 1) keep_nucleus(kept, logits, options);
    std::sort(kept.begin(), kept.end());
  } else {
    kept.resize(logits.size());
    std::iota(kept.begin(), kept.end(), 0);
  }
  std::vector<double> up_to(kept.size());  // sums of weights, so that each exponential is taken once
  double total = 0;
  for (size_t i = 0; i < kept.size(); ++i) {
    total += weight_of(logits[static_cast<size_t>(kept[i])], largest, options.temperature);
    up_to[i] = total;
  }
  // The first sum above the draw: a token of weight 0 is never taken, as its sum is that of the token before it.
  // Rounding may put the draw onto the total itself; that is the last token with a weight.
  const double draw = stream.next_open() * total;
  auto found = std::upper_bound(up_to.begin(), up_to.end(), draw);
  if (found == up_to.end()) found = std::lower_bound(up_to.begin(), up_to.end(), total);
  return kept[static_cast<size_t>(found - up_to.begin())];
}

}  // namespace prunenet
