// Windows: every token scored once, with the context that its window gives, checked against a loop over single tokens.
#include "evaluate/perplexity.h"

#include <cmath>

#include "evaluate/fakes.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

std::string text_of(size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) text += static_cast<char>('A' + (i * i * 7 + i) % 26);  // a token a byte
  return text;
}

struct Expected {
  double nll = 0;
  int64_t tokens = 0;
};

// The definition, a token at a time: windows end after the first W - 1 scored tokens and then every step tokens; a
// token is scored in the first window that reaches it, after at most the tokens that fit before it.
Expected naive(HashEngine& engine, const std::vector<TokenId>& ids, bool bos, int64_t window, int64_t stride) {
  Expected expected;
  const auto n = static_cast<int64_t>(ids.size());
  const int64_t step = std::min(stride, window - 1);
  for (int64_t token = bos ? 0 : 1; token < n; ++token) {
    int64_t end = (bos ? 0 : 1) + window - 1;
    while (end <= token) end += step;
    end = std::min(end, n);
    const int64_t begin = std::max<int64_t>(0, end - (bos ? window - 1 : window));
    std::vector<TokenId> seen;
    if (bos) seen.push_back(PairTokenizer::kBos);
    for (int64_t i = begin; i <= token; ++i) seen.push_back(ids[static_cast<size_t>(i)]);
    expected.nll -= static_cast<double>(engine.log_prob_of_last(seen));
    ++expected.tokens;
  }
  return expected;
}

PerplexityResult computed(HashEngine& engine, const PerplexityPlan& plan, int64_t batch = 0) {
  SilentProgress silent;
  const RequestList list = plan.requests();
  for (size_t i = 0; i < plan.windows.size(); ++i) {
    const ScoreRequest request = plan.request(i);
    EXPECT_EQ(static_cast<int64_t>(request.ids.size()), list.lengths[i]);
    EXPECT_LE(list.lengths[i], plan.window);
    EXPECT_EQ(static_cast<int64_t>(request.ids.size()) - request.first_scored,
              plan.windows[i].end - plan.windows[i].first);
  }
  return perplexity_of(plan, score_requests(engine, list, {.requests = batch}, nullptr, silent));
}

TEST(Perplexity, WindowsAgreeWithASingleTokenLoop) {
  for (const bool bos : {true, false}) {
    const PairTokenizer tokenizer(bos);
    const TextEncoder encoder(tokenizer, {});
    HashEngine engine(tokenizer.vocab_size());
    for (const size_t length : {1, 2, 3, 7, 8, 9, 31, 64}) {
      for (const int64_t window : {2, 3, 8, 9, 63, 64, 65, 100}) {
        for (const int64_t stride : {1, 2, 5, 8, 63, 100}) {
          if (stride > window || (length == 1 && !bos)) continue;
          const std::string text = text_of(length);
          const auto plan = plan_perplexity(text, "t", encoder, {.window = window, .stride = stride});
          const Expected expected = naive(engine, encoder.encode(text), bos, window, stride);
          const PerplexityResult result = computed(engine, plan);
          ASSERT_EQ(result.num_tokens, expected.tokens) << length << " " << window << " " << stride;
          ASSERT_EQ(result.num_tokens, static_cast<int64_t>(length) - (bos ? 0 : 1));
          ASSERT_NEAR(result.nll_nats, expected.nll, 1e-9 * expected.nll) << length << " " << window << " " << stride;
          ASSERT_NEAR(std::log(result.perplexity), expected.nll / static_cast<double>(expected.tokens), 1e-9);
          ASSERT_NEAR(result.bits_per_byte, expected.nll / std::log(2.0) / static_cast<double>(length),
                      1e-9 * expected.nll);
        }
      }
    }
  }
}

TEST(Perplexity, BatchesDoNotChangeIt) {
  const PairTokenizer tokenizer;
  const TextEncoder encoder(tokenizer, {});
  const auto plan = plan_perplexity(text_of(300), "t", encoder, {.window = 16, .stride = 5});
  HashEngine one(tokenizer.vocab_size()), many(tokenizer.vocab_size());
  EXPECT_EQ(computed(one, plan, 1).nll_nats, computed(many, plan, 64).nll_nats);
  EXPECT_EQ(one.largest_batch_requests, 1);
  EXPECT_EQ(many.largest_batch_requests, static_cast<int64_t>(std::min<size_t>(64, plan.windows.size())));
}

TEST(Perplexity, DefaultsFollowTheModel) {
  const PairTokenizer tokenizer;
  const auto window_for = [&](int64_t max_context) {
    const TextEncoder encoder(tokenizer, {.max_context = max_context});
    const auto plan = plan_perplexity("ABCDE", "t", encoder, {});
    EXPECT_EQ(plan.window, plan.stride);
    return plan.window;
  };
  EXPECT_EQ(window_for(0), 2048);
  EXPECT_EQ(window_for(512), 512);
  EXPECT_EQ(window_for(131072), 2048);
  const TextEncoder encoder(tokenizer, {.max_context = 512});
  expect_error(ErrorCode::kBadOption, {"--window", "513", "512"},
               [&] { plan_perplexity("ABC", "t", encoder, {.window = 513}); });
  expect_error(ErrorCode::kBadOption, {"--window", "at least 2"},
               [&] { plan_perplexity("ABC", "t", encoder, {.window = 1}); });
  expect_error(ErrorCode::kBadOption, {"--stride", "9", "8"},
               [&] { plan_perplexity("ABC", "t", encoder, {.window = 8, .stride = 9}); });
}

TEST(Perplexity, DocumentsAreScoredAloneAndCut) {
  const PairTokenizer tokenizer;
  const TextEncoder encoder(tokenizer, {});
  HashEngine engine(tokenizer.vocab_size());
  const std::string text = "ABCDEFG\nHIJ\n<|end|>\n\n<|end|>\nKLM\n<|end|>\nNOPQ <|end|>\nRST\n";
  const PerplexityOptions options{.window = 100, .separator = "<|end|>"};
  const auto plan = plan_perplexity(text, "t", encoder, options);
  ASSERT_EQ(plan.documents.size(), 3u);
  double sum = 0;
  for (const std::string document : {"ABCDEFG\nHIJ", "KLM", "NOPQ <|end|>\nRST"}) {
    sum += computed(engine, plan_perplexity(document, "t", encoder, {.window = 100})).nll_nats;
  }
  EXPECT_NEAR(computed(engine, plan).nll_nats, sum, 1e-9 * sum);

  PerplexityOptions cut = options;
  cut.max_tokens_per_document = 5;  // BOS and four tokens
  cut.limit = 2;
  const auto shorter = plan_perplexity(text, "t", encoder, cut);
  EXPECT_EQ(shorter.documents.size(), 2u);
  EXPECT_EQ(shorter.num_cut_documents, 1);
  EXPECT_EQ(shorter.num_tokens(), 4 + 3);
  EXPECT_EQ(shorter.num_bytes(), 4 + 3);
  EXPECT_EQ(shorter.request(0).ids, (std::vector<TokenId>{1, 3 + 'A', 3 + 'B', 3 + 'C', 3 + 'D'}));
}

TEST(Perplexity, SeparatorsStandOnLinesOfTheirOwn) {
  using Views = std::vector<std::string_view>;
  EXPECT_EQ(split_documents("a\n--\nb", "--"), (Views{"a", "b"}));
  EXPECT_EQ(split_documents("--\na\r\n--\r\nb\n\n--", "--"), (Views{"a", "b\n"}));
  EXPECT_EQ(split_documents("a--\n --\n", "--"), (Views{"a--\n --"}));
  EXPECT_EQ(split_documents("--\n--\n", "--"), Views{});
  EXPECT_EQ(split_documents("a\n\n", ""), Views{"a\n\n"});
}

TEST(Perplexity, LimitWithoutSeparatorCountsWindows) {
  const PairTokenizer tokenizer;
  const TextEncoder encoder(tokenizer, {});
  HashEngine engine(tokenizer.vocab_size());
  const std::string text = text_of(50);
  const auto plan = plan_perplexity(text, "t", encoder, {.window = 9, .limit = 3});
  EXPECT_EQ(plan.windows.size(), 3u);
  EXPECT_EQ(plan.num_tokens(), 24);
  EXPECT_EQ(plan.num_bytes(), 24);
  const auto whole = plan_perplexity(text.substr(0, 24), "t", encoder, {.window = 9});
  EXPECT_EQ(computed(engine, plan).nll_nats, computed(engine, whole).nll_nats);
}

TEST(Perplexity, SpecialTokensAreTextUnlessAskedFor) {
  const PairTokenizer tokenizer;
  EXPECT_EQ(plan_perplexity("A<s>B", "t", TextEncoder(tokenizer, {}), {}).num_tokens(), 5);
  EXPECT_EQ(plan_perplexity("A<s>B", "t", TextEncoder(tokenizer, {.parse_special = true}), {}).num_tokens(), 3);
  EXPECT_EQ(plan_perplexity("AB", "t", TextEncoder(tokenizer, {.bos = BosRule::kNever}), {}).num_tokens(), 1);
  const PairTokenizer without(false);
  EXPECT_EQ(plan_perplexity("AB", "t", TextEncoder(without, {.bos = BosRule::kAlways}), {}).num_tokens(), 2);
}

TEST(Perplexity, UglyTexts) {
  const PairTokenizer tokenizer(false);
  const TextEncoder encoder(tokenizer, {});
  expect_error(ErrorCode::kFormat, {"f.txt", "empty"}, [&] { plan_perplexity("", "f.txt", encoder, {}); });
  expect_error(ErrorCode::kFormat, {"f.txt", "single token"}, [&] { plan_perplexity("A", "f.txt", encoder, {}); });
  expect_error(ErrorCode::kFormat, {"f.txt", "byte 2", "UTF-8"},
               [&] { plan_perplexity("AB\xFF", "f.txt", encoder, {}); });
  expect_error(ErrorCode::kFormat, {"f.txt", "nothing to score"},
               [&] { plan_perplexity("--\n\n--", "f.txt", encoder, {.separator = "--"}); });
  const auto plan = plan_perplexity("AB\n--\nC\n--\nDE", "f.txt", encoder, {.separator = "--"});
  EXPECT_EQ(plan.num_skipped_documents, 1);
  EXPECT_EQ(plan.num_tokens(), 2);
}

}  // namespace
}  // namespace prunenet::test
