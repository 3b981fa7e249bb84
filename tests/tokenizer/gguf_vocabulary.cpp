// GGUF metadata: magic, version 3, counts, then keys with typed values.
#include "tokenizer/gguf_vocabulary.h"

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
      reader.skip(type);
      continue;
    }
    const auto element = reader.take<uint32_t>();
    for (auto count = reader.take<uint64_t>(); count > 0; --count) {
      if (key == "tokenizer.ggml.tokens") {
        found.tokens.push_back(reader.take_text());
      } else if (key == "tokenizer.ggml.merges") {
        found.merges.push_back(reader.take_text());
      } else if (key == "tokenizer.ggml.scores") {
        found.scores.push_back(reader.take<float>());
      } else if (key == "tokenizer.ggml.token_type") {
        found.types.push_back(reader.take<int32_t>());
      } else {
        reader.skip(element);
      }
    }
  }
  return found;
}

}  // namespace prunenet::test
