// Keys of llama.cpp's tokenizers.
#include "convert/vocabulary.h"

#include <array>
#include <limits>

#include "base/error.h"

namespace prunenet {
namespace {

constexpr const char* kModel = "tokenizer.ggml.model";
constexpr const char* kPre = "tokenizer.ggml.pre";
constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kScores = "tokenizer.ggml.scores";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr const char* kChatTemplate = "tokenizer.chat_template";

struct IdKey {
  const char* key;
  std::optional<TokenId> GgufVocabulary::*id;
};
constexpr std::array<IdKey, 5> kIds{
    {{"tokenizer.ggml.bos_token_id", &GgufVocabulary::bos},
     {"tokenizer.ggml.eos_token_id", &GgufVocabulary::eos},
     {"tokenizer.ggml.unknown_token_id", &GgufVocabulary::unknown},
     {"tokenizer.ggml.seperator_token_id", &GgufVocabulary::separator},  // as spelled there
     {"tokenizer.ggml.padding_token_id", &GgufVocabulary::padding}}};

struct FlagKey {
  const char* key;
  std::optional<bool> GgufVocabulary::*flag;
};
constexpr std::array<FlagKey, 4> kFlags{
    {{"tokenizer.ggml.add_bos_token", &GgufVocabulary::add_bos},
     {"tokenizer.ggml.add_eos_token", &GgufVocabulary::add_eos},
     {"tokenizer.ggml.add_space_prefix", &GgufVocabulary::add_space_prefix},
     {"tokenizer.ggml.remove_extra_whitespaces", &GgufVocabulary::remove_extra_whitespaces}}};

}  // namespace

bool has_vocabulary(const GgufMetadata& metadata, const std::string& where) {
  const auto model = metadata.text(kModel, where);
  return model && *model != "none" && *model != "no_vocab" && metadata.has(kTokens);
}

GgufVocabulary vocabulary_of(const GgufMetadata& metadata, const std::string& where) {
  const auto model = metadata.text(kModel, where);
  if (!model || *model == "none" || *model == "no_vocab") {
    fail(ErrorCode::kNotFound, where, "holds no vocabulary ('{}' is {}): text cannot become token ids", kModel,
         model ? "'" + *model + "'" : "missing");
  }
  GgufVocabulary vocabulary;
  vocabulary.model = *model;
  vocabulary.pre = metadata.text(kPre, where).value_or("");
  vocabulary.model_name = metadata.text("general.name", where).value_or("");
  const auto tokens = metadata.texts(kTokens, where);
  if (!tokens || tokens->empty())
    fail(ErrorCode::kNotFound, where, "holds no vocabulary ('{}' is missing or empty)", kTokens);
  vocabulary.tokens = *tokens;
  if (const auto scores = metadata.numbers(kScores, where)) vocabulary.scores.assign(scores->begin(), scores->end());
  if (const auto types = metadata.integers(kTypes, where)) {
    for (int64_t type : *types) {
      if (type < 0 || type > 1000)
        fail(ErrorCode::kFormat, where, "'{}' holds {}, which is no kind of token", kTypes, type);
      vocabulary.types.push_back(static_cast<int32_t>(type));
    }
  }
  vocabulary.merges = metadata.texts(kMerges, where).value_or(std::vector<std::string>{});
  for (const IdKey& entry : kIds) {
    const auto id = metadata.integer(entry.key, where);
    if (!id || *id == std::numeric_limits<uint32_t>::max() || *id < 0) continue;  // -1: there is none
    if (*id >= static_cast<int64_t>(vocabulary.tokens.size())) {
      fail(ErrorCode::kFormat, where, "'{}' is {}, outside the vocabulary of {} tokens", entry.key, *id,
           vocabulary.tokens.size());
    }
    vocabulary.*entry.id = static_cast<TokenId>(*id);
  }
  for (const FlagKey& entry : kFlags) vocabulary.*entry.flag = metadata.flag(entry.key, where);
  vocabulary.chat_template = metadata.text(kChatTemplate, where).value_or("");
  return vocabulary;
}

void put_vocabulary(const GgufVocabulary& vocabulary, GgufMetadata& metadata) {
  metadata.set(kModel, GgufValue::of_text(vocabulary.model));
  if (!vocabulary.pre.empty()) metadata.set(kPre, GgufValue::of_text(vocabulary.pre));
  metadata.set(kTokens, GgufValue::of_texts(vocabulary.tokens));
  if (!vocabulary.scores.empty()) metadata.set(kScores, GgufValue::of_f32s(vocabulary.scores));
  if (!vocabulary.types.empty()) metadata.set(kTypes, GgufValue::of_i32s(vocabulary.types));
  if (!vocabulary.merges.empty() || vocabulary.model == "gpt2")
    metadata.set(kMerges, GgufValue::of_texts(vocabulary.merges));
  for (const IdKey& entry : kIds) {
    if (const auto id = vocabulary.*entry.id) metadata.set(entry.key, GgufValue::of_u32(static_cast<uint32_t>(*id)));
  }
  for (const FlagKey& entry : kFlags) {
    if (const auto flag = vocabulary.*entry.flag) metadata.set(entry.key, GgufValue::of_bool(*flag));
  }
  if (!vocabulary.chat_template.empty()) metadata.set(kChatTemplate, GgufValue::of_text(vocabulary.chat_template));
}

bool has_tokenizer(const Checkpoint& checkpoint) {
  const GgufFile* file = checkpoint.gguf();
  return file != nullptr ? has_vocabulary(file->metadata(), checkpoint.config_where())
                         : has_tokenizer(checkpoint.folder());
}

std::unique_ptr<Tokenizer> open_tokenizer(const Checkpoint& checkpoint) {
  const GgufFile* file = checkpoint.gguf();
  if (file == nullptr) return open_tokenizer(checkpoint.folder());
  return make_tokenizer(vocabulary_of(file->metadata(), checkpoint.config_where()), checkpoint.config_where());
}

std::unique_ptr<Tokenizer> open_any_tokenizer(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return open_tokenizer(path);
  const GgufFile file(path);
  const std::string where = path.string() + ": metadata";
  return make_tokenizer(vocabulary_of(file.metadata(), where), where);
}

}  // namespace prunenet
