// KL of logits.
#include "runtime/divergence.h"

#include "runtime/pieces.h"

namespace prunenet {

at::Tensor predicting_rows(const Chunk& chunk) {
  std::vector<int64_t> rows;
  int64_t first = 0;
  for (const Segment& segment : chunk.segments) {
    for (int64_t s = 0; s < segment.sequences; ++s, first += segment.length) {
      for (int64_t t = 0; t + 1 < segment.length; ++t) rows.push_back(first + t);
    }
  }
  return at::tensor(rows, at::kLong);
}

std::vector<float> kl_of_logits(const at::Tensor& p, const at::Tensor& q) {
  at::Tensor values = at::empty({p.size(0)}, at::TensorOptions(at::kFloat));
  constexpr int64_t kNumbersAtOnce = 1 << 18;
  const int64_t at_once = std::max<int64_t>(1, kNumbersAtOnce / p.size(1));
  for_pieces((p.size(0) + at_once - 1) / at_once, true, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t first = piece * at_once, count = std::min(at_once, p.size(0) - first);
      const at::Tensor log_p = at::log_softmax(p.narrow(0, first, count).to(at::kDouble), 1);
      const at::Tensor log_q = at::log_softmax(q.narrow(0, first, count).to(at::kDouble), 1);
      values.narrow(0, first, count).copy_(at::sum(log_p.exp() * (log_p - log_q), 1).clamp_min(0));
    }
  });
  const float* data = values.data_ptr<float>();
  return std::vector<float>(data, data + values.numel());
}

}  // namespace prunenet
