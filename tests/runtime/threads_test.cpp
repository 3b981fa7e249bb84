// The number of threads changes no bit of what a model says.
#include <ATen/Parallel.h>

#include "golden_model.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

class Threads : public testing::TestWithParam<ComputeType> {};

TEST_P(Threads, ChangeNoBit) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const char* name :
       {"models/stories260K", "golden/gpt_neox", "golden/gemma", "golden/falcon_rw_alibi", "golden/phi3"}) {
    SCOPED_TRACE(name);
    // Lengths that fill no vector, tile or block.
    std::vector<std::vector<TokenId>> sequences(5);
    const size_t lengths[] = {113, 1, 127, 64, 30};
    for (size_t s = 0; s < sequences.size(); ++s) {
      for (size_t i = 0; i < lengths[s]; ++i) sequences[s].push_back(static_cast<TokenId>((i * 37 + s * 11) % 500 + 3));
    }
    std::vector<float> first;
    for (int threads : {1, 2, 3, 5}) {
      RunningModel running(data / name, {.compute = GetParam(), .threads = threads});
      std::vector<float> said = running.engine.logits(sequences).values;
      for (const auto& sequence : sequences) {
        const std::vector<ScoreRequest> requests{{sequence, 1}};
        const auto all = running.engine.score(requests);
        for (const auto& scores : all) {
          for (const TokenScore& score : scores) said.push_back(score.log_prob);
        }
      }
      const auto session = running.engine.open_session(5, 128);
      for (const auto& row :
           {session->append(sequences).values, session->append(std::vector<std::vector<TokenId>>(5, {7})).values}) {
        said.insert(said.end(), row.begin(), row.end());
      }
      if (first.empty()) first = said;
      EXPECT_EQ(said, first) << threads << " threads";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Threads, testing::Values(ComputeType::kF32, ComputeType::kBf16),
                         [](const auto& param_info) { return param_info.param == ComputeType::kF32 ? "f32" : "bf16"; });

}  // namespace
