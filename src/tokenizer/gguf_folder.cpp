// Which of a folder's files becomes the vocabulary, and the proof that it is the same tokenizer.
#include "tokenizer/gguf_folder.h"

#include "base/file.h"
#include "tokenizer/sentencepiece_tokenizer.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/vocab_merges.h"

namespace prunenet {
namespace tokenization {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxModelBytes = uint64_t{64} << 20;

// Contractions, numbers, marks, several scripts, emoji. In the first text no two spaces stand together: what becomes of
// them is the one thing in which tokenizer.json and tokenizer.model of the same model may differ.
constexpr std::string_view kWordSample =
    "It's what THEY'RE told; she'd've paid $1,234.56 (or 1e-9)?! def f(x): return x**2 # 10000000 ___ ==> ok... Größe "
    "Ünïcödé žluťoučký. Привет, мир! Καλημέρα κόσμε. 我想在苹果工作1314151天～ 日本語テキスト 한국어 텍스트. שלום عالم "
    "हिन्दी ภาษาไทย កាន់តែ 😀 👨‍👩‍👧 🦙🦙 a\u00a0b";
constexpr std::string_view kSpaceSample = "\n\n\t  def f(x):\r\n        return x**2  # 3\n\n\n \u3000c   ";

/// Throws kUnsupported where the two read a text differently.
void require_same_ids(const Tokenizer& expected, const Tokenizer& found, std::string_view text,
                      const std::string& where) {
  const EncodeOptions bare{.add_special = false};
  const auto a = expected.encode(text, bare), b = found.encode(text, bare);
  if (a == b) return;
  size_t at = 0;
  while (at < a.size() && at < b.size() && a[at] == b[at]) ++at;
  const auto show = [&](const std::vector<TokenId>& ids) {
    return at < ids.size() ? fmt::format("{} ('{}')", ids[at], found.token(ids[at])) : std::string("nothing");
  };
  const std::string before = expected.decode(std::span(a).first(at));
  size_t shown = before.size() > 20 ? before.size() - 20 : 0;
  while (shown < before.size() && (static_cast<unsigned char>(before[shown]) & 0xc0) == 0x80) ++shown;
  fail(ErrorCode::kUnsupported, where,
       "GGUF cannot state this tokenizer: behind '{}' it makes {} where llama.cpp makes {}", before.substr(shown),
       show(a), show(b));
}

enum class Proof { kWords, kSpacesToo, kEveryToken };

void require_same_tokenizer(const Tokenizer& expected, const GgufVocabulary& vocabulary, Proof proof,
                            const std::string& where) {
  const auto found = make_tokenizer(vocabulary, where);
  require_same_ids(expected, *found, kWordSample, where);
  if (proof == Proof::kWords) return;
  require_same_ids(expected, *found, kSpaceSample, where);
  if (proof == Proof::kSpacesToo) return;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.types[id] != static_cast<int32_t>(GgufTokenType::kNormal)) continue;
    const auto token = static_cast<TokenId>(id);
    require_same_ids(expected, *found, expected.decode(std::span(&token, 1)), where);
  }
}

/// tokenizer.json, or what says the same.
std::optional<JsonNode> read_json(const fs::path& folder, const TokenizerConfig& config) {
  if (fs::exists(folder / "tokenizer.json")) return JsonNode::read(folder / "tokenizer.json");
  if (fs::exists(folder / "tokenizer.model") || !has_vocab_and_merges(folder)) return std::nullopt;
  return read_vocab_and_merges(folder, config);
}

GgufVocabulary finished(GgufVocabulary vocabulary, const fs::path& folder, const TokenizerConfig& config,
                        const Tokenizer& tokenizer, Proof proof, const std::string& where) {
  set_roles(folder, config, vocabulary);
  set_added_around(tokenizer, vocabulary, where);
  require_same_tokenizer(tokenizer, vocabulary, proof, where);
  return vocabulary;
}

}  // namespace
}  // namespace tokenization

GgufVocabulary gguf_vocabulary(const std::filesystem::path& folder, int64_t size) {
  using namespace tokenization;
  const TokenizerConfig config = read_tokenizer_config(folder);
  const fs::path model = folder / "tokenizer.model";
  const auto root = read_json(folder, config);
  // A tokenizer.model beside byte-level BPE is another program's file (tiktoken), not SentencePiece's.
  if (!fs::exists(model) || (root && is_byte_level(*root))) {
    if (!root) (void)open_tokenizer(folder);  // says what is missing
    GgufVocabulary vocabulary = vocabulary_of_json(*root, config, size);
    // Scores of pieces are made up here.
    const Proof proof = vocabulary.model == "llama" ? Proof::kEveryToken : Proof::kSpacesToo;
    return finished(std::move(vocabulary), folder, config, *make_json_tokenizer(*root, config), proof, root->where());
  }
  const std::string where = model.string();
  const PieceFile file = parse_piece_file(read_text_file(model, kMaxModelBytes), where);
  const auto tokenizer = root ? make_json_tokenizer(*root, config) : open_sentencepiece(model, config);
  return finished(vocabulary_of_pieces(file, config, root, size, where), folder, config, *tokenizer, Proof::kWords,
                  where);
}

}  // namespace prunenet
