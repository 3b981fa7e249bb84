// The table of families, and the clear word for what is not in it.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "model/description.h"
#include "model/family.h"
#include "model/gguf_config.h"

namespace prunenet {
namespace {

const std::vector<FamilySpec>& families() {
  static const std::vector<FamilySpec> table{llama_family(),  mistral_family(),  qwen2_family(), phi_family(),  phi3_family(),
                                             opt_family(),    falcon_family(),   gpt_neox_family(), gpt2_family(), gemma_family(),
                                             deci_family()};
  return table;
}

// Keys by which configs state a number of experts. One expert is an ordinary FFN in other tensors: still not supported.
constexpr std::array<std::string_view, 12> kExpertTypes{"mixtral",     "qwen2_moe",   "qwen3_moe", "deepseek_v2", "deepseek_v3", "dbrx",
                                                        "phimoe",      "olmoe",       "jamba",     "arctic",      "gpt_oss",     "granitemoe"};
constexpr std::array<std::string_view, 6> kExpertKeys{"num_local_experts", "num_experts",     "n_routed_experts",
                                                      "moe_num_experts",   "num_experts_per_tok", "moe_intermediate_size"};

}  // namespace

std::vector<std::string> supported_families() {
  std::vector<std::string> names;
  for (const FamilySpec& family : families()) names.emplace_back(family.name);
  return names;
}

const FamilySpec& find_family(const Config& config) {
  if (const auto gguf = config.text(kGgufArchitectureKey)) {
    const auto& table = gguf_families();
    const auto found = std::find_if(table.begin(), table.end(), [&](const auto& f) { return f.architecture == *gguf; });
    if (found == table.end())
      fail(ErrorCode::kUnsupported, config.where(), "architecture '{}' is not supported yet", *gguf);
    return found->spec;
  }
  const auto model_type = config.text("model_type");
  const auto architecture = config.architecture();
  if (!model_type && !architecture) {
    fail(ErrorCode::kUnsupported, config.where(), "has neither 'model_type' nor 'architectures': the family is unknown");
  }
  const std::string found = model_type ? *model_type : *architecture;
  for (std::string_view key : kExpertKeys) {
    if (config.has(key)) {
      fail(ErrorCode::kUnsupported, config.where(), "'{}' is a mixture of experts ('{}'), which is not supported yet", found,
           key);
    }
  }
  if (std::find(kExpertTypes.begin(), kExpertTypes.end(), found) != kExpertTypes.end()) {
    fail(ErrorCode::kUnsupported, config.where(), "'{}' is a mixture of experts, which is not supported yet", found);
  }
  if (config.has("quantization_config")) {
    fail(ErrorCode::kUnsupported, config.where(),
         "the weights of this '{}' are quantised ('quantization_config'), which is not supported: prune the unquantised "
         "checkpoint and quantise the result",
         found);
  }
  for (const FamilySpec& family : families()) {
    const auto& types = family.model_types;
    const auto& architectures = family.architectures;
    if (!model_type && std::find(architectures.begin(), architectures.end(), *architecture) != architectures.end()) return family;
    if (model_type && std::find(types.begin(), types.end(), *model_type) != types.end()) return family;
  }
  fail(ErrorCode::kUnsupported, config.where(), "model family '{}' is not supported yet; supported are {}", found,
       fmt::join(supported_families(), ", "));
}

}  // namespace prunenet
