// Divergence of two Markov chains, of which everything is known.
#include "evaluate/divergence.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "support/markov_engine.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

using Ids = std::vector<TokenId>;
using Row = std::vector<float>;

Row random_row(RandomStream& stream, size_t count, double spread) {
  Row row;
  for (size_t i = 0; i < count; ++i) row.push_back(static_cast<float>(stream.next_uniform(-spread, spread)));
  return row;
}

std::vector<double> softmax(const Row& logits) {
  std::vector<double> p;
  double sum = 0;
  for (const float logit : logits) {
    p.push_back(std::exp(static_cast<double>(logit)));
    sum += p.back();
  }
  for (double& value : p) value /= sum;
  return p;
}

// sum p log(p / q), as the definition says.
double direct_kl(const Row& p_logits, const Row& q_logits) {
  const auto p = softmax(p_logits), q = softmax(q_logits);
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += p[i] * std::log(p[i] / q[i]);
  return sum;
}

MarkovEngine random_engine(uint64_t seed, size_t vocab, double spread = 2) {
  RandomStream stream(seed, RandomStage::kBench);
  std::vector<Row> table;
  for (size_t i = 0; i < vocab; ++i) table.push_back(random_row(stream, vocab, spread));
  return MarkovEngine(table);
}

std::vector<Ids> random_texts(uint64_t seed, size_t count, size_t longest, int64_t vocab) {
  RandomStream stream(seed, RandomStage::kBench, 1);
  std::vector<Ids> texts(count);
  for (Ids& ids : texts) {
    const size_t length = 2 + stream.next_u32() % (longest - 1);
    while (ids.size() < length) ids.push_back(static_cast<TokenId>(stream.next_u32() % static_cast<uint32_t>(vocab)));
  }
  return texts;
}

TEST(Divergence, KlOfARowIsTheDefinition) {
  RandomStream stream(1, RandomStage::kBench);
  for (int round = 0; round < 50; ++round) {
    const Row p = random_row(stream, 40, 5), q = random_row(stream, 40, 5);
    EXPECT_NEAR(kl_divergence(p, q), direct_kl(p, q), 1e-12 * (1 + direct_kl(p, q)));
    EXPECT_EQ(kl_divergence(p, p), 0);
  }
}

TEST(Divergence, KlWorkedByHand) {
  // p = (1/2, 1/4, 1/4), q = (1/4, 1/2, 1/4): KL = 1/2 log 2 - 1/4 log 2 = log(2) / 4, up to the rounding of f32
  // logits.
  const float half = static_cast<float>(std::log(2.0));
  EXPECT_NEAR(kl_divergence(Row{half, 0, 0}, Row{0, half, 0}), std::log(2.0) / 4, 1e-7);
  EXPECT_NEAR(negative_log_likelihood(Row{half, 0, 0}, 0), std::log(2.0), 1e-7);
  EXPECT_NEAR(negative_log_likelihood(Row{half, 0, 0}, 2), std::log(4.0), 1e-7);
}

TEST(Divergence, AConstantAddedToLogitsChangesNothing) {
  const Row p{1, 2, 3}, q{2, 0, 1}, far{100002, 100000, 100001};
  EXPECT_NEAR(kl_divergence(p, far), kl_divergence(p, q), 1e-12);
}

TEST(Divergence, FarApartLogitsStayFinite) {
  const Row p{0, -1e5f, 3e4f}, q{3e4f, 0, -3e4f};
  EXPECT_NEAR(kl_divergence(p, q), 6e4, 1e-6);
  EXPECT_EQ(kl_divergence(p, p), 0);
  EXPECT_NEAR(negative_log_likelihood(p, 1), 1.3e5, 1e-6);
}

TEST(Divergence, OfAModelWithItselfIsNothing) {
  MarkovEngine engine = random_engine(2, 30);
  SilentProgress progress;
  const auto result = measure_divergence(engine, engine, random_texts(1, 10, 20, 30), progress);
  EXPECT_EQ(result.kl_nats, 0);
  EXPECT_EQ(result.kl_standard_error, 0);
  EXPECT_EQ(result.top1_agreement, 1);
  EXPECT_EQ(result.perplexity_ratio(), 1);
  for (const double kl : result.kl_by_position) EXPECT_EQ(kl, 0);
}

TEST(Divergence, EqualsSumsByTheDefinition) {
  const size_t vocab = 25;
  RandomStream a(3, RandomStage::kBench), b(4, RandomStage::kBench);
  std::vector<Row> p, q;
  for (size_t i = 0; i < vocab; ++i) {
    p.push_back(random_row(a, vocab, 2));
    q.push_back(random_row(b, vocab, 2));
  }
  q[7] = p[7];
  MarkovEngine dense(p), other(q);
  const std::vector<Ids> texts = random_texts(5, 12, 15, vocab);
  SilentProgress progress;
  const Divergence result = measure_divergence(dense, other, texts, progress);

  double kl = 0, agree = 0, dense_nll = 0, other_nll = 0, count = 0;
  std::vector<double> by_sequence, lengths, by_position(14), at_position(14);
  for (const Ids& ids : texts) {
    double own = 0;
    for (size_t t = 0; t + 1 < ids.size(); ++t) {
      const auto from = static_cast<size_t>(ids[t]), to = static_cast<size_t>(ids[t + 1]);
      const double here = direct_kl(p[from], q[from]);
      own += here;
      by_position[t] += here;
      ++at_position[t];
      agree += std::max_element(p[from].begin(), p[from].end()) - p[from].begin() ==
                       std::max_element(q[from].begin(), q[from].end()) - q[from].begin()
                   ? 1
                   : 0;
      dense_nll -= std::log(softmax(p[from])[to]);
      other_nll -= std::log(softmax(q[from])[to]);
      ++count;
    }
    kl += own;
    by_sequence.push_back(own);
    lengths.push_back(static_cast<double>(ids.size() - 1));
  }
  EXPECT_EQ(result.num_sequences, 12);
  EXPECT_EQ(static_cast<double>(result.num_predictions), count);
  EXPECT_NEAR(result.kl_nats, kl / count, 1e-12);
  EXPECT_NEAR(result.top1_agreement, agree / count, 1e-15);
  EXPECT_GT(agree, 0);
  EXPECT_NEAR(result.dense_nll_nats, dense_nll / count, 1e-12);
  EXPECT_NEAR(result.other_perplexity() / result.dense_perplexity(), result.perplexity_ratio(), 1e-12);
  EXPECT_NEAR(std::log(result.perplexity_ratio()), (other_nll - dense_nll) / count, 1e-12);
  for (size_t s = 0; s < texts.size(); ++s) EXPECT_NEAR(result.kl_by_sequence[s], by_sequence[s] / lengths[s], 1e-12);
  for (size_t t = 0; t < result.kl_by_position.size(); ++t) {
    EXPECT_EQ(static_cast<double>(result.sequences_by_position[t]), at_position[t]);
    EXPECT_NEAR(result.kl_by_position[t], by_position[t] / at_position[t], 1e-12);
  }
}

TEST(Divergence, StandardErrorOfEqualLengthsIsTheUsualOne) {
  MarkovEngine dense = random_engine(6, 10), other = random_engine(7, 10);
  const std::vector<Ids> texts{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {0, 2, 4}};
  SilentProgress progress;
  const Divergence result = measure_divergence(dense, other, texts, progress);
  double squares = 0;
  for (const double kl : result.kl_by_sequence) squares += (kl - result.kl_nats) * (kl - result.kl_nats);
  EXPECT_NEAR(result.kl_standard_error.value(), std::sqrt(squares / 3 / 4), 1e-12);
  EXPECT_FALSE(measure_divergence(dense, other, std::vector<Ids>{{1, 2}}, progress).kl_standard_error.has_value());
}

TEST(Divergence, BlocksDoNotChangeAnything) {
  MarkovEngine dense = random_engine(8, 40), other = random_engine(9, 40);
  const std::vector<Ids> texts = random_texts(6, 20, 12, 40);
  SilentProgress progress;
  const Divergence whole = measure_divergence(dense, other, texts, progress);
  EXPECT_EQ(dense.calls(), 1);
  int64_t calls = 1;
  for (const int64_t rows : {0, 13, 50}) {
    const Divergence parts = measure_divergence(dense, other, texts, progress, rows * 40 * 4);
    EXPECT_EQ(parts.kl_nats, whole.kl_nats);
    EXPECT_EQ(parts.kl_standard_error, whole.kl_standard_error);
    EXPECT_EQ(parts.kl_by_sequence, whole.kl_by_sequence);
    EXPECT_EQ(parts.kl_by_position, whole.kl_by_position);
    EXPECT_EQ(parts.other_nll_nats, whole.other_nll_nats);
    const int64_t blocks = dense.calls() - calls;
    EXPECT_TRUE(rows == 0 ? blocks == 20 : blocks > 1 && blocks < 20) << blocks;
    calls = dense.calls();
  }
}

TEST(Divergence, UglyInput) {
  MarkovEngine engine = random_engine(9, 10), wider = random_engine(9, 11);
  SilentProgress progress;
  const auto measure = [&](Engine& other, const std::vector<Ids>& texts) {
    return measure_divergence(engine, other, texts, progress);
  };
  expect_error(ErrorCode::kMismatch, {"10", "11"}, [&] { measure(wider, {{1, 2}}); });
  expect_error(ErrorCode::kBadOption, {"no sequence"}, [&] { measure(engine, {}); });
  expect_error(ErrorCode::kBadOption, {"sequence 1", "has 1 ids"}, [&] { measure(engine, {{1, 2}, {3}}); });
}

}  // namespace
}  // namespace prunenet::test
