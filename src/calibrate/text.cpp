// Random tokens, and parts of texts.
#include "calibrate/text.h"

#include <algorithm>

#include "base/random.h"

namespace prunenet {

std::vector<std::vector<TokenId>> random_text(const ModelDescription& model, int64_t sequences, int64_t tokens,
                                              uint64_t seed) {
  const TokenId start = text_start(model);
  std::vector<std::vector<TokenId>> texts;
  for (int64_t s = 0; s < sequences; ++s) {
    RandomStream stream(seed, RandomStage::kRandomText, static_cast<uint32_t>(s));
    std::vector<TokenId> ids{start};
    while (static_cast<int64_t>(ids.size()) < tokens) {
      const auto id = static_cast<int64_t>(stream.next_open() * static_cast<double>(model.vocab));
      ids.push_back(static_cast<TokenId>(std::min(id, model.vocab - 1)));
    }
    texts.push_back(std::move(ids));
  }
  return texts;
}

std::vector<std::vector<TokenId>> first_tokens(const std::vector<std::vector<TokenId>>& sequences, int64_t tokens) {
  std::vector<std::vector<TokenId>> part;
  int64_t count = 0;
  for (const auto& ids : sequences) {
    if (count >= tokens) break;
    if (ids.size() < 2) continue;
    part.push_back(ids);
    count += static_cast<int64_t>(ids.size());
  }
  return part;
}

int64_t num_tokens(const std::vector<std::vector<TokenId>>& sequences) {
  int64_t count = 0;
  for (const auto& ids : sequences) count += static_cast<int64_t>(ids.size());
  return count;
}

}  // namespace prunenet
