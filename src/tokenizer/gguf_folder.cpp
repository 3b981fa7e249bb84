// Which of a folder's files becomes the vocabulary.
#include "tokenizer/gguf_folder.h"

#include "base/file.h"
#include "tokenizer/gguf_proof.h"
#include "tokenizer/sentencepiece_tokenizer.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/vocab_merges.h"

namespace prunenet {
namespace tokenization {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxModelBytes = uint64_t{64} << 20;

/// tokenizer.json, or what says the same.
std::optional<JsonNode> read_json(const fs::path& folder, const TokenizerConfig& config) {
  if (fs::exists(folder / "tokenizer.json")) return JsonNode::read(folder / "tokenizer.json");
  if (fs::exists(folder / "tokenizer.model") || !has_vocab_and_merges(folder)) return std::nullopt;
  return read_vocab_and_merges(folder, config);
}

/// What becomes of every vocabulary, whichever file it is of.
struct Finish {
  const fs::path& folder;
  const TokenizerConfig& config;
  const std::optional<JsonNode>& root;
  const std::string& model_name;

  GgufVocabulary operator()(GgufVocabulary vocabulary, const Tokenizer& tokenizer, const Proof& proof,
                            const std::string& where) const {
    vocabulary.model_name = model_name;
    set_roles(folder, config, vocabulary);
    set_added_around(tokenizer, vocabulary, where);
    prove_same_tokenizer(tokenizer, vocabulary, proof, where);
    note_spaces_around(added_tokens_of(root, config), vocabulary, where);
    return vocabulary;
  }
};

}  // namespace
}  // namespace tokenization

GgufVocabulary gguf_vocabulary(const std::filesystem::path& folder, int64_t size, const std::string& model_name) {
  using namespace tokenization;
  const TokenizerConfig config = read_tokenizer_config(folder);
  const fs::path model = folder / "tokenizer.model";
  const auto root = read_json(folder, config);
  const Finish finished{folder, config, root, model_name};
  // A tokenizer.model beside byte-level BPE is another program's file (tiktoken), not SentencePiece's.
  if (!fs::exists(model) || (root && is_byte_level(*root))) {
    if (!root) (void)open_tokenizer(folder);  // says what is missing
    JsonVocabulary made = vocabulary_of_json(*root, config, size);
    Proof proof{.words_may_differ = made.other_words};
    proof.every_token = made.vocabulary.model == "llama";  // scores of pieces are made up here
    return finished(std::move(made.vocabulary), *make_json_tokenizer(*root, config), proof, root->where());
  }
  const std::string where = model.string();
  const PieceFile file = parse_piece_file(read_text_file(model, kMaxModelBytes), where);
  const auto tokenizer = root ? make_json_tokenizer(*root, config) : open_sentencepiece(model, config);
  return finished(vocabulary_of_pieces(file, config, root, size, where), *tokenizer, {.spaces_may_differ = true},
                  where);
}

}  // namespace prunenet
