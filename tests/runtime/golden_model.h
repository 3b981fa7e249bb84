// The golden folders as the runtime tests read them: a model with its engine, and the logits of another program.
#pragma once

#include <nlohmann/json.hpp>

#include "runtime/torch_engine.h"
#include "support/support.h"

namespace prunenet::test {

/// Folders of golden/ that hold a model, pruned ones included.
inline const std::vector<std::string> kGoldenModels{"llama", "llama_sharded", "llama_bf16",     "mistral", "qwen2",
                                                    "gemma", "phi",           "phi3",           "opt",     "gpt_neox",
                                                    "gpt2",  "falcon7b_mqa",  "falcon_rw_alibi"};

struct RunningModel {
  explicit RunningModel(const std::filesystem::path& folder, const EngineOptions& options = {})
      : checkpoint(folder), model(describe_model(checkpoint)), engine(checkpoint, model, options) {}
  Checkpoint checkpoint;
  ModelDescription model;
  TorchEngine engine;
};

struct Golden {
  std::vector<TokenId> ids, greedy;
  double nll_sum = 0;
  std::vector<float> logits;  // [ids, vocab]; of the last position alone where no file holds them all
};

/// golden.json and logits_all.npy of a folder; for mistral those of the exact window.
Golden read_golden(const std::filesystem::path& folder);

/// The largest absolute difference; infinite where the sizes differ.
double largest_difference(std::span<const float> a, std::span<const float> b);

/// Greedy continuation with a session.
std::vector<TokenId> greedy_continuation(Engine& engine, std::vector<TokenId> prompt, int64_t count);

double nll_sum(Engine& engine, const std::vector<TokenId>& ids);

}  // namespace prunenet::test
