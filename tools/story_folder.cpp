// Weights through the checkpoint room's writer; the small files as text.
#include "story_folder.h"

#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "base/file.h"
#include "base/output_folder.h"
#include "checkpoint/checkpoint_writer.h"

namespace prunenet {
namespace {

using Json = nlohmann::ordered_json;

std::string generation_config_json() {
  const Json config{{"_from_model_config", true},
                    {"bos_token_id", kBosToken},
                    {"eos_token_id", kEosToken},
                    {"transformers_version", "4.41.0"}};
  return config.dump(2) + "\n";
}

std::string tokenizer_config_json(int64_t positions) {
  const auto special = [](const char* content) {
    return Json{{"content", content}, {"lstrip", false},      {"normalized", false},
                {"rstrip", false},    {"single_word", false}, {"special", true}};
  };
  Json config;
  config["add_bos_token"] = true;
  config["add_eos_token"] = false;
  config["added_tokens_decoder"] = {{"0", special("<unk>")}, {"1", special("<s>")}, {"2", special("</s>")}};
  config["bos_token"] = "<s>";
  config["clean_up_tokenization_spaces"] = false;
  config["eos_token"] = "</s>";
  config["legacy"] = true;
  config["model_max_length"] = positions;
  config["pad_token"] = nullptr;
  config["tokenizer_class"] = "LlamaTokenizer";
  config["unk_token"] = "<unk>";
  return config.dump(2) + "\n";
}

}  // namespace

uint64_t write_story_model(const std::filesystem::path& folder, bool overwrite, const StoryModel& model,
                           const BpeVocabulary& vocabulary, const std::string& card) {
  OutputFolder output(folder, overwrite);
  std::vector<TensorSpec> specs;
  for (const auto& [name, tensor] : model.parameters()) specs.push_back({name, Dtype::kBf16, tensor.sizes().vec()});
  CheckpointWriter writer(output.staging(), specs, {});
  const std::map<std::string, std::string> texts = {
      {"README.md", card},
      {"config.json", story_config_json(model.shape())},
      {"generation_config.json", generation_config_json()},
      {"tokenizer.json", bpe_tokenizer_json(vocabulary)},
      {"tokenizer_config.json", tokenizer_config_json(model.shape().positions)}};
  uint64_t total_bytes = writer.total_bytes();
  for (const auto& [name, text] : texts) total_bytes += text.size();
  output.require_space(total_bytes);

  for (const auto& [name, tensor] : model.parameters()) {
    const at::Tensor values = tensor.detach().contiguous();
    std::vector<uint16_t> bits;
    for (const float value : std::span(values.data_ptr<float>(), static_cast<size_t>(values.numel()))) {
      bits.push_back(bf16_from_f32(value));
    }
    writer.append(std::as_bytes(std::span(bits)));
  }
  writer.finish();
  for (const auto& [name, text] : texts) {
    FileWriter file(output.staging() / name);
    file.append(text);
    file.close();
  }
  output.commit();
  return total_bytes;
}

}  // namespace prunenet
