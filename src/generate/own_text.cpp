// Sampling the model's own text.
#include "generate/own_text.h"

#include <algorithm>

#include "base/error.h"

namespace prunenet {

TokenId text_start(const ModelDescription& model) {
  if (model.bos) return *model.bos;
  if (!model.eos.empty()) return model.eos.front();
  fail(ErrorCode::kUnsupported, "config",
       "neither config.json nor the metadata of a GGUF file states a BOS or EOS token (bos_token_id, eos_token_id): "
       "there is no token that this model's own text could begin with");
}

int64_t generation_batch(const Engine& engine, int64_t tokens) {
  return generation_batch(engine.cache_bytes_per_id(), tokens);
}

int64_t generation_batch(int64_t cache_bytes_per_id, int64_t tokens) {
  constexpr double kCacheBytes = 3.0 * (1 << 30);
  const double bytes = static_cast<double>(cache_bytes_per_id) * static_cast<double>(tokens);
  return static_cast<int64_t>(std::clamp(kCacheBytes / std::max(bytes, 1.0), 1.0, 1024.0));
}

std::vector<std::vector<TokenId>> sample_own_text(Engine& engine, const ModelDescription& model,
                                                  const OwnTextOptions& options, Progress& progress) {
  if (options.sequences < 1) {
    fail(ErrorCode::kBadOption, "own text", "is to have {} sequences; at least 1 is needed", options.sequences);
  }
  if (options.tokens < 2) {
    fail(ErrorCode::kBadOption, "own text", "is to have {} tokens a sequence; at least 2 are needed", options.tokens);
  }
  if (!(options.temperature > 0)) {
    fail(ErrorCode::kBadOption, "own text", "is to have a temperature of {}; it must be above 0", options.temperature);
  }
  if (model.max_context > 0 && options.tokens > model.max_context) {
    fail(ErrorCode::kBadOption, "own text", "is to have {} tokens a sequence, the context of the model has {}",
         options.tokens, model.max_context);
  }
  const TokenId start = text_start(model);
  std::vector<std::vector<TokenId>> texts(static_cast<size_t>(options.sequences), {start});
  GenerateOptions generation;
  generation.max_tokens = options.tokens - 1;
  generation.max_context = model.max_context;
  generation.stop_ids = model.eos;
  generation.sampling.temperature = options.temperature;
  generation.seed = options.seed;
  generation.first_sequence = options.first_sequence;
  generation.batch = options.batch > 0 ? options.batch : generation_batch(engine, options.tokens);
  progress.begin("sampling own text", static_cast<double>(options.sequences * (options.tokens - 1)));
  const auto continued = generate(engine, texts, generation, [&](int64_t, TokenId) { progress.advance(1); });
  progress.end();
  for (size_t i = 0; i < texts.size(); ++i) {
    texts[i].insert(texts[i].end(), continued[i].ids.begin(), continued[i].ids.end());
  }
  return texts;
}

}  // namespace prunenet
