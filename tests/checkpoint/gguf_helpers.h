// What the tests of GGUF share: files put together byte by byte, without the program's own writer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/gguf.h"
#include "support/support.h"

namespace prunenet::test {

template <typename Word>
std::string little_endian(Word word) {
  std::string bytes;
  for (size_t i = 0; i < sizeof word; ++i) bytes += static_cast<char>(static_cast<uint64_t>(word) >> (8 * i) & 0xff);
  return bytes;
}
inline std::string u32(uint64_t value) {
  return little_endian(static_cast<uint32_t>(value));
}
inline std::string u64(uint64_t value) {
  return little_endian(value);
}
inline std::string gguf_text(const std::string& value) {
  return u64(value.size()) + value;
}

/// A metadata key with a value of that type number.
inline std::string gguf_item(const std::string& key, uint32_t type, const std::string& value) {
  return gguf_text(key) + u32(type) + value;
}

/// The value of an array.
inline std::string gguf_array(uint32_t element, uint64_t count, const std::string& elements) {
  return u32(element) + u64(count) + elements;
}

/// An entry of the tensor table; `extents` as GGUF has them, the fastest first.
inline std::string gguf_tensor(const std::string& name, const std::vector<uint64_t>& extents, uint32_t type,
                               uint64_t offset) {
  std::string bytes = gguf_text(name) + u32(extents.size());
  for (const uint64_t extent : extents) bytes += u64(extent);
  return bytes + u32(type) + u64(offset);
}

/// A whole file: the data begin at a multiple of 32.
inline std::string gguf_file(const std::vector<std::string>& items, const std::vector<std::string>& tensors,
                             const std::string& data = "", uint32_t version = 3) {
  std::string bytes = "GGUF" + u32(version) + u64(tensors.size()) + u64(items.size());
  for (const std::string& item : items) bytes += item;
  for (const std::string& tensor : tensors) bytes += tensor;
  if (!tensors.empty()) bytes.append((32 - bytes.size() % 32) % 32, '\0');
  return bytes + data;
}

/// Parses a copy of exactly these bytes on the heap, where a sanitiser sees any read beyond them.
inline GgufHeader parse_gguf(const std::string& file) {
  const std::vector<char> copy(file.begin(), file.end());
  return parse_gguf_header(std::as_bytes(std::span(copy)), "hostile.gguf");
}

}  // namespace prunenet::test
