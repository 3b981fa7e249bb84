// GGUF vocabularies as JSON.
#include "tokenizer/gguf_json.h"

namespace prunenet::tokenization {

using Json = JsonNode::Json;

Json pre_tokenizer_json(const WordRule& rule) {
  Json steps = Json::array();
  for (const std::string& expression : rule.expressions) {
    steps.push_back(
        {{"type", "Split"}, {"pattern", {{"Regex", expression}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  steps.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

Json bpe_model_json(const GgufVocabulary& vocabulary, const GgufTokens& tokens) {
  Json vocab = Json::object();
  for (TokenId id = 0; id < tokens.size(); ++id) vocab[tokens.text(id)] = static_cast<uint64_t>(id);
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", tokens.words->ignores_merges},
          {"vocab", std::move(vocab)},
          {"merges", vocabulary.merges}};
}

}  // namespace prunenet::tokenization
