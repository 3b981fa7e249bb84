// Generation over a Markov chain: equal to a naive loop, whatever the batch; its ends; the model's own text.
#include "generate/generate.h"

#include <gtest/gtest.h>

#include <map>

#include "generate/own_text.h"
#include "support/markov_engine.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

using Ids = std::vector<TokenId>;

constexpr int64_t kVocab = 20;

std::vector<std::vector<float>> random_table(uint64_t seed, int64_t vocab = kVocab) {
  RandomStream stream(seed, RandomStage::kBench);
  std::vector<std::vector<float>> table(static_cast<size_t>(vocab));
  for (auto& row : table) {
    for (int64_t i = 0; i < vocab; ++i) row.push_back(static_cast<float>(stream.next_uniform(-2, 2)));
  }
  return table;
}

std::vector<Ids> prompts_of(size_t count) {
  std::vector<Ids> prompts;
  for (size_t i = 0; i < count; ++i) {
    prompts.emplace_back();
    for (size_t t = 0; t <= i % 5; ++t) prompts.back().push_back(static_cast<TokenId>((i * 7 + t * 3) % kVocab));
  }
  return prompts;
}

// One sequence by itself, by the words of the definition.
Ids continued_alone(const std::vector<std::vector<float>>& table, Ids ids, int64_t number,
                    const GenerateOptions& options) {
  const size_t prompt = ids.size();
  while (ids.size() - prompt < static_cast<size_t>(options.max_tokens)) {
    if (options.max_context > 0 && static_cast<int64_t>(ids.size()) == options.max_context) break;
    const RandomStream stream(options.seed, RandomStage::kGenerate, static_cast<uint32_t>(number),
                              static_cast<uint32_t>(ids.size()));
    ids.push_back(sample_token(table[static_cast<size_t>(ids.back())], options.sampling, stream));
    if (std::count(options.stop_ids.begin(), options.stop_ids.end(), ids.back()) > 0) break;
  }
  return {ids.begin() + static_cast<std::ptrdiff_t>(prompt), ids.end()};
}

GenerateOptions options_of(double temperature, Ids stop_ids = {}) {
  GenerateOptions options;
  options.max_tokens = 30;
  options.sampling.temperature = temperature;
  options.stop_ids = std::move(stop_ids);
  return options;
}

TEST(Generate, EqualsANaiveLoopWhateverTheBatch) {
  const auto table = random_table(5);
  MarkovEngine engine(table);
  const std::vector<Ids> prompts = prompts_of(13);
  for (GenerateOptions options : {options_of(0), options_of(1), options_of(0.7, {3, 8}), options_of(1, {0})}) {
    for (const int64_t context : {0, 12, 1000}) {
      options.max_context = context;
      for (const int64_t batch : {0, 1, 4, 13, 100}) {
        options.batch = batch;
        const std::vector<Generated> results = generate(engine, prompts, options);
        ASSERT_EQ(results.size(), prompts.size());
        for (size_t s = 0; s < prompts.size(); ++s) {
          EXPECT_EQ(results[s].ids, continued_alone(table, prompts[s], static_cast<int64_t>(s), options))
              << "sequence " << s << ", batch " << batch << ", context " << context;
        }
      }
    }
  }
}

TEST(Generate, MoreSequencesDoNotChangeTheFirstOnes) {
  MarkovEngine engine(random_table(6));
  const auto few = generate(engine, prompts_of(4), options_of(1)),
             many = generate(engine, prompts_of(11), options_of(1));
  for (size_t s = 0; s < few.size(); ++s) EXPECT_EQ(few[s].ids, many[s].ids);
  EXPECT_EQ(engine.largest_batch(), 11);
}

TEST(Generate, SequencesAndSeedsDiffer) {
  MarkovEngine engine(random_table(7));
  const std::vector<Ids> same(3, Ids{1});
  GenerateOptions options = options_of(1);
  const auto first = generate(engine, same, options);
  EXPECT_NE(first[0].ids, first[1].ids);
  options.first_sequence = 1;
  EXPECT_EQ(generate(engine, same, options)[0].ids, first[1].ids) << "the number of a sequence is its address";
  options.first_sequence = 0;
  ++options.seed;
  EXPECT_NE(generate(engine, same, options)[0].ids, first[0].ids);
}

// A chain that counts: after i comes i + 1.
MarkovEngine counting_engine() {
  std::vector<std::vector<float>> table(10, std::vector<float>(10, 0));
  for (size_t i = 0; i < 10; ++i) table[i][(i + 1) % 10] = 5;
  return MarkovEngine(table);
}

TEST(Generate, EndsAreNamed) {
  MarkovEngine engine = counting_engine();
  GenerateOptions options = options_of(0, {7});
  options.max_tokens = 4;
  options.max_context = 8;
  const std::vector<Ids> prompts{{5}, {1}, {9, 9, 9, 9, 9, 9}};
  const auto results = generate(engine, prompts, options);
  EXPECT_EQ(results[0].ids, (Ids{6, 7}));
  EXPECT_EQ(results[0].finish, FinishReason::kStopToken);
  EXPECT_EQ(results[1].ids, (Ids{2, 3, 4, 5}));
  EXPECT_EQ(results[1].finish, FinishReason::kMaxTokens);
  EXPECT_EQ(results[2].ids, (Ids{0, 1}));
  EXPECT_EQ(results[2].finish, FinishReason::kContext);
}

TEST(Generate, TellsEveryTokenAsItComes) {
  MarkovEngine engine(random_table(8));
  std::map<int64_t, Ids> told;
  GenerateOptions options = options_of(1, {2});
  options.batch = 3;
  const auto results =
      generate(engine, prompts_of(7), options, [&](int64_t sequence, TokenId id) { told[sequence].push_back(id); });
  for (size_t s = 0; s < results.size(); ++s) EXPECT_EQ(told[static_cast<int64_t>(s)], results[s].ids);
}

TEST(Generate, UglyInput) {
  MarkovEngine engine = counting_engine();
  GenerateOptions options = options_of(0);
  EXPECT_TRUE(generate(engine, {}, options).empty());
  expect_error(ErrorCode::kBadOption, {"prompt 2", "is empty"}, [&] {
    generate(engine, std::vector<Ids>{{1}, {}}, options);
  });
  options.max_context = 3;
  expect_error(ErrorCode::kBadOption, {"prompt 1", "has 3 ids", "the context of the model 3"}, [&] {
    generate(engine, std::vector<Ids>{{1, 2, 3}}, options);
  });
  options.max_tokens = 0;
  EXPECT_TRUE(generate(engine, std::vector<Ids>{{1, 2, 3}}, options)[0].ids.empty());
  options.max_tokens = -1;
  expect_error(ErrorCode::kBadOption, {"max tokens", "-1"}, [&] { generate(engine, std::vector<Ids>{{1}}, options); });
}

ModelDescription described(std::optional<TokenId> bos, Ids eos, int64_t context) {
  ModelDescription model;
  model.vocab = kVocab;
  model.bos = bos;
  model.eos = std::move(eos);
  model.max_context = context;
  return model;
}

TEST(OwnText, BeginsWithBosAndEndsWithEosOrFull) {
  MarkovEngine engine(random_table(9));
  const ModelDescription model = described(1, {4}, 50);
  SilentProgress progress;
  OwnTextOptions options;
  options.sequences = 40;
  options.tokens = 16;
  const auto texts = sample_own_text(engine, model, options, progress);
  ASSERT_EQ(texts.size(), 40u);
  size_t full = 0;
  for (const Ids& ids : texts) {
    EXPECT_EQ(ids.front(), 1);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), 4), ids.back() == 4 ? 1 : 0) << "EOS can only be the last";
    EXPECT_TRUE(ids.size() == 16 || ids.back() == 4);
    full += ids.size() == 16 ? 1 : 0;
  }
  EXPECT_GT(full, 0u);
  EXPECT_LT(full, 40u);
  options.sequences = 10;
  options.batch = 3;
  const auto fewer = sample_own_text(engine, model, options, progress);
  EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), texts.begin()));
}

// The chain's own transition counts must be its probabilities: each row a chi-square with 19 free cells.
TEST(OwnText, IsDrawnFromTheModelItself) {
  const auto table = random_table(10);
  MarkovEngine engine(table);
  SilentProgress progress;
  OwnTextOptions options;
  options.sequences = 400;
  options.tokens = 100;
  const auto texts = sample_own_text(engine, described(0, {}, 0), options, progress);
  std::vector<std::vector<double>> counts(kVocab, std::vector<double>(kVocab));
  for (const Ids& ids : texts) {
    for (size_t t = 1; t < ids.size(); ++t) ++counts[static_cast<size_t>(ids[t - 1])][static_cast<size_t>(ids[t])];
  }
  for (size_t from = 0; from < kVocab; ++from) {
    double visits = 0, total = 0, statistic = 0;
    for (size_t to = 0; to < kVocab; ++to) {
      visits += counts[from][to];
      total += std::exp(static_cast<double>(table[from][to]));
    }
    for (size_t to = 0; to < kVocab; ++to) {
      const double mean = visits * std::exp(static_cast<double>(table[from][to])) / total;
      statistic += (counts[from][to] - mean) * (counts[from][to] - mean) / mean;
    }
    EXPECT_LT(statistic, 19 + 5 * std::sqrt(38.0)) << "after token " << from;
  }
}

TEST(OwnText, WhatATextBeginsWith) {
  EXPECT_EQ(text_start(described(3, {5}, 0)), 3);
  EXPECT_EQ(text_start(described(std::nullopt, {5, 6}, 0)), 5);
  expect_error(ErrorCode::kUnsupported, {"bos_token_id", "eos_token_id"},
               [] { text_start(described(std::nullopt, {}, 0)); });
}

TEST(OwnText, UglyInput) {
  MarkovEngine engine(random_table(11));
  SilentProgress progress;
  const auto sample = [&](int64_t sequences, int64_t tokens) {
    OwnTextOptions options;
    options.sequences = sequences;
    options.tokens = tokens;
    return sample_own_text(engine, described(1, {}, 8), options, progress);
  };
  EXPECT_EQ(sample(1, 8)[0].size(), 8u);
  expect_error(ErrorCode::kBadOption, {"9 tokens", "the context of the model has 8"}, [&] { sample(1, 9); });
  expect_error(ErrorCode::kBadOption, {"at least 2"}, [&] { sample(1, 1); });
  expect_error(ErrorCode::kBadOption, {"0 sequences"}, [&] { sample(0, 8); });
}

TEST(OwnText, BatchBoundsTheCache) {
  // LLaMA-2-7B in f32: 2 * 32 * 4096 numbers of 4 bytes an id, 1 MiB; 256 of them 256 MiB; 12 sequences in 3 GiB.
  const MarkovEngine engine(random_table(12), 1 << 20);
  EXPECT_EQ(generation_batch(engine, 256), 12);
  EXPECT_EQ(generation_batch(engine.cache_bytes_per_id(), 256), 12);
  EXPECT_EQ(generation_batch(engine, 1'000'000), 1);
  EXPECT_EQ(generation_batch(MarkovEngine(random_table(12), 0), 256), 1024);
}

}  // namespace
}  // namespace prunenet::test
