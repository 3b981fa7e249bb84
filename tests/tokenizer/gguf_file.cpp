// GGUF metadata: magic, version 3, counts, then keys with typed values.
#include "tokenizer/gguf_file.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "support/support.h"

namespace prunenet::test {
namespace {

class Reader {
 public:
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}

  template <typename T>
  T take() {
    T value;
    std::memcpy(&value, bytes_.substr(at_, sizeof value).c_str(), sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string take_text() {
    const auto size = take<uint64_t>();
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  void skip(uint32_t type) {
    constexpr std::array<size_t, 13> kSizes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == kText) {
      take_text();
    } else {
      at_ += kSizes.at(type);
    }
  }

  static constexpr uint32_t kText = 8, kArray = 9;

 private:
  std::string bytes_;
  size_t at_ = 0;
};

void read_scalar(Reader& reader, const std::string& key, uint32_t type, GgufVocabulary& found) {
  if (key == "tokenizer.ggml.model") {
    found.model = reader.take_text();
  } else if (key == "tokenizer.ggml.pre") {
    found.pre = reader.take_text();
  } else if (key == "general.name") {
    found.model_name = reader.take_text();
  } else if (key == "tokenizer.chat_template") {
    found.chat_template = reader.take_text();
  } else if (key == "tokenizer.ggml.bos_token_id") {
    found.bos = reader.take<int32_t>();
  } else if (key == "tokenizer.ggml.eos_token_id") {
    found.eos = reader.take<int32_t>();
  } else if (key == "tokenizer.ggml.unknown_token_id") {
    found.unknown = reader.take<int32_t>();
  } else if (key == "tokenizer.ggml.padding_token_id") {
    found.padding = reader.take<int32_t>();
  } else if (key == "tokenizer.ggml.add_bos_token") {
    found.add_bos = reader.take<uint8_t>() != 0;
  } else if (key == "tokenizer.ggml.add_eos_token") {
    found.add_eos = reader.take<uint8_t>() != 0;
  } else if (key == "tokenizer.ggml.add_space_prefix") {
    found.add_space_prefix = reader.take<uint8_t>() != 0;
  } else {
    reader.skip(type);
  }
}

void read_element(Reader& reader, const std::string& key, uint32_t type, GgufVocabulary& found) {
  if (key == "tokenizer.ggml.tokens") {
    found.tokens.push_back(reader.take_text());
  } else if (key == "tokenizer.ggml.merges") {
    found.merges.push_back(reader.take_text());
  } else if (key == "tokenizer.ggml.scores") {
    found.scores.push_back(reader.take<float>());
  } else if (key == "tokenizer.ggml.token_type") {
    found.types.push_back(reader.take<int32_t>());
  } else {
    reader.skip(type);
  }
}

}  // namespace

GgufVocabulary read_gguf_vocabulary(const std::filesystem::path& path) {
  Reader reader(read_bytes(path));
  if (reader.take<uint32_t>() != 0x46554747) throw std::runtime_error("no GGUF: " + path.string());
  reader.take<uint32_t>();
  reader.take<uint64_t>();
  GgufVocabulary found;
  for (auto keys = reader.take<uint64_t>(); keys > 0; --keys) {
    const std::string key = reader.take_text();
    const auto type = reader.take<uint32_t>();
    if (type != Reader::kArray) {
      read_scalar(reader, key, type, found);
      continue;
    }
    const auto element = reader.take<uint32_t>();
    for (auto count = reader.take<uint64_t>(); count > 0; --count) read_element(reader, key, element, found);
  }
  return found;
}

}  // namespace prunenet::test
