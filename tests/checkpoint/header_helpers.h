// What the tests of the safetensors header share: files made of a JSON text and data, and their parsing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "support/support.h"

namespace prunenet::test {

/// Eight bytes, little-endian.
inline std::string length_bytes(uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 0xff);
  return bytes;
}

/// A safetensors file: the length of the header, the header as given, `data_bytes` bytes of data.
inline std::string file_of(const std::string& json, size_t data_bytes = 0) {
  return length_bytes(json.size()) + json + std::string(data_bytes, 'd');
}

/// Parses a copy of exactly these bytes on the heap, where a sanitiser sees any read beyond them.
inline SafetensorsHeader parse(const std::string& file) {
  const std::vector<char> copy(file.begin(), file.end());
  return parse_safetensors_header(std::as_bytes(std::span(copy)), "hostile.safetensors");
}

/// A header entry.
inline std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
  return '"' + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

}  // namespace prunenet::test
