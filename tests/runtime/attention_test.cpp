// Attention in blocks against the plain formula, with and without gradients.
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/attention.h"

using namespace prunenet;

namespace {

// The definition, in f64, one query and one key at a time.
at::Tensor plain_attention(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                           const at::Tensor& alibi, const AttentionShape& shape) {
  const at::Tensor out = at::zeros(queries.sizes(), at::kDouble);
  const at::Tensor q = queries.detach().to(at::kDouble), k = keys.detach().to(at::kDouble),
                   v = values.detach().to(at::kDouble);
  for (int64_t s = 0; s < q.size(0); ++s) {
    for (int64_t h = 0; h < q.size(1); ++h) {
      for (int64_t g = 0; g < q.size(2); ++g) {
        for (int64_t i = 0; i < q.size(3); ++i) {
          const int64_t place = shape.past + i;
          const int64_t first = shape.window > 0 ? std::max<int64_t>(0, place + 1 - shape.window) : 0;
          double total = 0;
          at::Tensor mixed = at::zeros({q.size(4)}, at::kDouble);
          for (int64_t j = first; j <= place; ++j) {
            double score = at::dot(q[s][h][g][i], k[s][h][j]).item<double>();
            if (alibi.defined()) score += alibi[h][g].item<double>() * static_cast<double>(j);
            total += std::exp(score);
            mixed += std::exp(score) * v[s][h][j];
          }
          out[s][h][g][i].copy_(mixed / total);
        }
      }
    }
  }
  return out;
}

struct Case {
  int64_t sequences, length;
  AttentionShape shape;
  bool alibi;
};

class Attention : public testing::TestWithParam<Case> {};

TEST_P(Attention, IsThePlainFormula) {
  const Case& c = GetParam();
  at::manual_seed(7);
  const int64_t total = c.shape.past + c.length;
  const at::Tensor q = at::randn({c.sequences, c.shape.kv_heads, c.shape.queries_per_kv, c.length, 4});
  const at::Tensor k = at::randn({c.sequences, c.shape.kv_heads, total, 4}),
                   v = at::randn({c.sequences, c.shape.kv_heads, total, 4});
  at::Tensor alibi;
  if (c.alibi) alibi = alibi_slopes(c.shape.kv_heads * c.shape.queries_per_kv).view({c.shape.kv_heads, -1});
  const at::Tensor expected = plain_attention(q, k, v, alibi, c.shape);
  {
    const at::NoGradGuard no_grad;
    EXPECT_LE((attend(q, k, v, alibi, c.shape) - expected).abs().max().item<double>(), 3e-6);
  }
  EXPECT_LE((attend(q, k, v, alibi, c.shape) - expected).abs().max().item<double>(), 3e-6);  // the differentiable way
}

INSTANTIATE_TEST_SUITE_P(Shapes, Attention,
                         testing::Values(Case{1, 1, {1, 1, 0, 0}, false}, Case{2, 5, {2, 3, 0, 0}, false},
                                         Case{1, 150, {2, 1, 0, 0}, false}, Case{1, 140, {1, 2, 3, 20}, false},
                                         Case{3, 1, {2, 2, 9, 0}, false}, Case{2, 1, {2, 2, 9, 4}, false},
                                         Case{1, 130, {3, 1, 0, 0}, true}, Case{2, 7, {2, 2, 5, 0}, true},
                                         Case{1, 9, {1, 1, 0, 1}, false}));

TEST(AttentionGradient, IsTheFiniteDifference) {
  at::manual_seed(3);
  const AttentionShape shape{2, 2, 0, 3};
  at::Tensor q = at::randn({1, 2, 2, 5, 4}), k = at::randn({1, 2, 5, 4}), v = at::randn({1, 2, 5, 4});
  const at::Tensor weight = at::randn(q.sizes());
  const auto loss = [&] { return (attend(q, k, v, {}, shape) * weight).sum(); };
  for (at::Tensor* input : {&q, &k, &v}) {
    input->requires_grad_(true);
    loss().backward();
    const at::Tensor gradient = input->grad().clone();
    input->requires_grad_(false);
    for (int64_t i : {0, 7, 13}) {
      const at::Tensor flat = input->view({-1});
      const float kept = flat[i].item<float>();
      const float step = 1e-2F;
      flat[i] = kept + step;
      const double above = loss().item<double>();
      flat[i] = kept - step;
      const double below = loss().item<double>();
      flat[i] = kept;
      EXPECT_NEAR(gradient.view({-1})[i].item<double>(), (above - below) / (2 * static_cast<double>(step)), 2e-3);
    }
  }
}

TEST(Alibi, SlopesOfPowersOfTwoAndOthers) {
  const at::Tensor eight = alibi_slopes(8);
  for (int64_t i = 0; i < 8; ++i) EXPECT_FLOAT_EQ(eight[i].item<float>(), static_cast<float>(std::pow(0.5, i + 1)));
  // 12 heads: the 8 of a power of two, then every other one of 16 heads: 2^-0.5, 2^-1.5, ...
  const at::Tensor twelve = alibi_slopes(12);
  EXPECT_FLOAT_EQ(twelve[7].item<float>(), 1.0F / 256);
  for (int64_t i = 0; i < 4; ++i)
    EXPECT_FLOAT_EQ(twelve[8 + i].item<float>(), static_cast<float>(std::pow(2.0, -0.5 - static_cast<double>(i))));
}

}  // namespace
