// Fuzz target: a GGUF file as a model and as a vocabulary. Either the metadata are refused with an error that blames
// the input, or the model that they state is one whose matrices are stored, and the vocabulary turns texts into its own
// ids and these into texts.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "convert/vocabulary.h"
#include "model/description.h"
#include "model/gguf_config.h"
#include "model/transformer.h"

namespace {

using namespace prunenet;

void require(bool kept, const char* promise) {
  if (kept) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

// A file without a disk: in memory, open for as long as this lives.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : descriptor_(::memfd_create("input", MFD_CLOEXEC)) {
    if (descriptor_ < 0 || ::write(descriptor_, data, size) != static_cast<ssize_t>(size)) {
      std::perror("memfd");
      std::_Exit(1);  // of the machine, not of the input
    }
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

bool blames_the_input(const Error& error) {
  return error.code() == ErrorCode::kFormat || error.code() == ErrorCode::kUnsupported ||
         error.code() == ErrorCode::kMismatch || error.code() == ErrorCode::kNotFound ||
         error.code() == ErrorCode::kNonFinite;
}

template <typename Action>
void try_out(Action action) {
  try {
    action();
  } catch (const Error& error) {
    if (!blames_the_input(error)) std::fprintf(stderr, "%s\n", error.what());
    require(blames_the_input(error), "errors blame the input only");
  }
}

void check_matrix(const Checkpoint& checkpoint, const MatrixRef& matrix) {
  const auto* entry = checkpoint.find(matrix.tensor);
  require(entry != nullptr, "every matrix is stored");
  require(matrix.rows > 0 && matrix.cols > 0 && matrix.first_row >= 0, "no matrix is empty");
  require((matrix.first_row + matrix.rows) * matrix.cols <= entry->stored.spec.num_elements(),
          "every matrix lies within its tensor");
}

void check_model(const std::string& path) {
  const Checkpoint checkpoint(path);
  require(config_of(checkpoint) == config_from_gguf(checkpoint), "the config is that of the metadata");
  const ModelDescription model = describe_model(checkpoint);
  require(!model.layers.empty() && model.layers.size() <= checkpoint.tensors().size(), "every layer is stored");
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    const FfnDescription& ffn = model.layers[layer].ffn;
    if (ffn.gate) check_matrix(checkpoint, *ffn.gate);
    check_matrix(checkpoint, ffn.up);
    check_matrix(checkpoint, ffn.down);
    require(model.sizes(layer).width == ffn.down.cols, "a layer is as wide as what it stores");
  }
  model.width_is_uniform();
  model.heads_match_config();
  describe_transformer(checkpoint, model);
}

void check_text(const Tokenizer& tokenizer, const std::string& text) {
  for (const bool parse_special : {false, true}) {
    const auto ids = tokenizer.encode(text, {.add_special = true, .parse_special = parse_special});
    for (const TokenId id : ids) require(id >= 0 && id < tokenizer.vocab_size(), "ids are of the vocabulary");
    tokenizer.decode(ids);
    tokenizer.decode(ids, true);
  }
}

void check_vocabulary(const std::string& path) {
  const GgufFile file{std::filesystem::path(path)};
  if (!has_vocabulary(file.metadata(), "input")) return;
  const GgufVocabulary vocabulary = vocabulary_of(file.metadata(), "input");
  const auto tokenizer = make_tokenizer(vocabulary, "input");
  require(tokenizer->vocab_size() == static_cast<int64_t>(vocabulary.tokens.size()), "every token has its id");
  for (TokenId id = 0; id < static_cast<TokenId>(tokenizer->vocab_size()); ++id) {
    tokenizer->token(id);
    tokenizer->is_special(id);
  }
  check_text(*tokenizer, "ab  ab \xc3\xa4 \xe6\x88\x91\n\n A1234 x\xff<s>");
  if (!vocabulary.tokens.empty()) check_text(*tokenizer, vocabulary.tokens.back() + " " + vocabulary.tokens.front());

  GgufMetadata again;
  put_vocabulary(vocabulary, again);
  require(vocabulary_of(again, "again").tokens == vocabulary.tokens, "a vocabulary survives being written");
  tokenizer_files(vocabulary, "input");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  if (!is_gguf_file(file.path())) return 0;
  try_out([&] { check_model(file.path()); });
  try_out([&] { check_vocabulary(file.path()); });
  return 0;
}
