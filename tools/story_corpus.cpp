// From stories to ids.
#include "story_corpus.h"

#include "base/error.h"
#include "base/random.h"

namespace prunenet {
namespace {

constexpr uint32_t kStoriesARow = 8;  // more than fill a row: no story has fewer than 40 tokens

}  // namespace

BpeEncoder learn_story_tokenizer(uint64_t seed, int64_t vocab_size) {
  std::map<std::string, int64_t> counts;
  for (uint32_t i = 0; i < 20000; ++i) {
    // The newline puts the first word of the story into the words without a space before them, as in a document.
    for (const std::string& unit : bpe_units("\n" + story::random_story(seed, i).text)) ++counts[unit];
  }
  for (const char* opening : {"Once", "Long", "Last", "In", "Nowadays", "This"}) ++counts[bpe_units(opening)[0]];
  return BpeEncoder(train_bpe(counts, vocab_size));
}

std::vector<TokenId> training_row(BpeEncoder& encoder, uint64_t seed, uint32_t row, int64_t length) {
  RandomStream stream(seed, RandomStage::kDemoTraining, row, 1);
  const uint32_t half = static_cast<uint32_t>(length / 2);
  const int64_t skipped = stream.next_u32() % 4 == 0 ? 1 + stream.next_u32() % half : 0;
  std::vector<TokenId> ids = {kBosToken};
  bool inside = false;
  for (uint32_t i = 0; static_cast<int64_t>(ids.size()) < skipped + length; ++i) {
    PRUNENET_CHECK(i < kStoriesARow);
    const story::Story story = story::random_story(seed, row * kStoriesARow + i);
    std::vector<TokenId> more = encoder.encode(inside ? "\n" + story.text : story.text);
    // encode put a space before the newline, which is not in the text.
    ids.insert(ids.end(), more.begin() + (inside ? 1 : 0), more.end());
    inside = story.another_follows;
    if (!inside) ids.insert(ids.end(), {kEosToken, kBosToken});
  }
  ids.erase(ids.begin(), ids.begin() + skipped);
  ids.resize(static_cast<size_t>(length));
  return ids;
}

EncodedStory encode_story(BpeEncoder& encoder, story::Story story) {
  EncodedStory result{std::move(story), {kBosToken}, {-1}};
  const std::vector<TokenId> ids = encoder.encode(result.story.text);
  const auto& ruled = result.story.ruled_words;
  // Pieces tile the text, but for the space before it; a word's space is part of its first piece.
  size_t end = 0, word = 0;
  for (const TokenId id : ids) {
    const std::string& piece = encoder.vocabulary().pieces[static_cast<size_t>(id)];
    const bool begins_with_space = piece.starts_with("\u2581");
    end += piece.size() - (begins_with_space ? 2 : 0);
    const size_t text_end = end - 1;  // the space put before the text
    while (word < ruled.size() && ruled[word].end < text_end) ++word;
    const bool inside = word < ruled.size() && text_end > ruled[word].begin && text_end <= ruled[word].end;
    result.ids.push_back(id);
    result.rules.push_back(inside ? static_cast<int>(ruled[word].rule) : -1);
  }
  PRUNENET_CHECK(end == result.story.text.size() + 1);
  result.ids.push_back(result.story.another_follows ? kNewlineToken : kEosToken);
  result.rules.push_back(-1);
  return result;
}

}  // namespace prunenet
