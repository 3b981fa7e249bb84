// A second forward pass, written apart from src/: f64, one position at a time, plain loops, straight from the tensors'
// Hugging Face names and the config, after transformers' modeling_*.py. It exists to disagree where src/ is wrong about
// an architecture; it is slow and trusts its input. Left out: ALiBi, dropout, rotary scalings but llama3 and longrope.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/token_id.h"

namespace prunenet::test {

struct PlainTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};
using PlainTensors = std::map<std::string, PlainTensor>;

/// The logits at each position, [ids][vocab]. Throws std::exception for a tensor or family it does not know.
std::vector<std::vector<double>> plain_logits(const nlohmann::json& config, const PlainTensors& tensors,
                                              const std::vector<TokenId>& ids);

}  // namespace prunenet::test
