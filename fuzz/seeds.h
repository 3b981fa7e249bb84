// Seeds of the fuzz targets: what their makers share, and those of GGUF, which take files of their own.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace prunenet::fuzz {

using Seeds = std::vector<std::pair<std::string, std::string>>;  // name, bytes

/// `length` in 8 bytes, little-endian, and the rest.
std::string with_length(uint64_t length, const std::string& rest);

// The parts of a GGUF file, written by hand: nothing of the program is asked.
std::string number(uint64_t value, int bytes);
std::string text(const std::string& value);
/// A metadata key and its value of that type number.
std::string item(const std::string& key, uint32_t type, const std::string& value);
/// The value of an array.
std::string array(uint32_t element, uint64_t count, const std::string& elements);
/// An entry of the tensor table; extents fastest first.
std::string tensor(const std::string& name, const std::vector<uint64_t>& extents, uint32_t type, uint64_t offset);
/// A whole file, its data `data_bytes` times the same letter.
std::string gguf(const std::vector<std::string>& items, const std::vector<std::string>& tensors, size_t data_bytes = 0,
                 uint32_t version = 3);

/// Of the header: each kind of valid and of hostile one. And words that a header is made of.
Seeds gguf_seeds();
std::vector<std::string> gguf_words();

/// Of what the metadata state: small models of every architecture, vocabularies of both kinds.
Seeds gguf_model_seeds();
std::vector<std::string> gguf_model_words();

}  // namespace prunenet::fuzz
