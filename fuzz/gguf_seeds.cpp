// Seeds of GGUF headers.
#include "seeds.h"

namespace prunenet::fuzz {

std::string with_length(uint64_t length, const std::string& rest) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 0xff);
  return bytes + rest;
}

std::string number(uint64_t value, int bytes) {
  return with_length(value, "").substr(0, static_cast<size_t>(bytes));
}

std::string text(const std::string& value) {
  return with_length(value.size(), value);
}

std::string item(const std::string& key, uint32_t type, const std::string& value) {
  return text(key) + number(type, 4) + value;
}

std::string array(uint32_t element, uint64_t count, const std::string& elements) {
  return number(element, 4) + number(count, 8) + elements;
}

std::string tensor(const std::string& name, const std::vector<uint64_t>& extents, uint32_t type, uint64_t offset) {
  std::string bytes = text(name) + number(extents.size(), 4);
  for (const uint64_t extent : extents) bytes += number(extent, 8);
  return bytes + number(type, 4) + number(offset, 8);
}

std::string gguf(const std::vector<std::string>& items, const std::vector<std::string>& tensors, size_t data_bytes,
                 uint32_t version) {
  std::string bytes = "GGUF" + number(version, 4) + number(tensors.size(), 8) + number(items.size(), 8);
  for (const std::string& one : items) bytes += one;
  for (const std::string& one : tensors) bytes += one;
  if (!tensors.empty()) bytes.append((32 - bytes.size() % 32) % 32, '\0');
  return bytes + std::string(data_bytes, 'd');
}

Seeds gguf_seeds() {
  std::vector<std::string> scalars, arrays, quantised;
  for (uint32_t type = 0; type < 13; ++type) {
    if (type == 8 || type == 9) continue;
    const std::string one = std::string("\1\0\0\0\0\0\0\0", 8);
    const size_t size = type == 7 || type < 2 ? 1 : type < 4 ? 2 : type < 8 ? 4 : 8;
    scalars.push_back(item("s" + std::to_string(type), type, one.substr(0, size)));
    arrays.push_back(item("a" + std::to_string(type), 9, array(type, 2, one.substr(0, size) + one.substr(0, size))));
  }
  const std::string strings = array(8, 3, text("a") + text("") + text("\xff"));
  const std::string nested = array(9, 2, array(9, 1, array(4, 1, number(7, 4))) + array(8, 1, text("t")));
  uint64_t offset = 0;
  for (const auto& [type, size] : std::vector<std::pair<uint32_t, uint64_t>>{
           {2, 18}, {3, 20}, {6, 22}, {7, 24}, {8, 34}, {12, 144}, {13, 176}, {14, 210}}) {
    quantised.push_back(tensor("q" + std::to_string(type), {type < 9 ? 32u : 256u}, type, offset));
    offset += (size + 31) / 32 * 32;
  }
  const std::string f32 = tensor("w", {2, 3}, 0, 0), half = tensor("h", {4}, 1, 32);
  std::string deep = array(4, 0, "");
  for (int i = 0; i < 12; ++i) deep = array(9, 1, deep);
  return {
      {"valid_nothing", gguf({}, {})},
      {"valid_scalars", gguf(scalars, {})},
      {"valid_arrays", gguf(arrays, {})},
      {"valid_texts", gguf({item("text", 8, text("value")), item("texts", 9, strings), item("nested", 9, nested)}, {})},
      {"valid_tensors", gguf({item("general.architecture", 8, text("llama"))}, {f32, half}, 40)},
      {"valid_quantised", gguf({}, quantised, offset)},
      {"valid_alignment", gguf({item("general.alignment", 4, number(8, 4))}, {f32, tensor("b", {1}, 24, 24)}, 33)},
      {"valid_shapes",
       gguf({}, {tensor("s", {}, 0, 0), tensor("e", {0, 9}, 0, 32), tensor("f", {1, 2, 1, 2}, 26, 32)}, 48)},
      {"valid_version_2", gguf({item("k", 7, "\1")}, {f32}, 24, 2)},
      {"hostile_magic", "GGML" + gguf({}, {}).substr(4)},
      {"hostile_version", gguf({}, {}, 0, 4)},
      {"hostile_big_endian", gguf({}, {}, 0, 0x03000000)},
      {"hostile_counts", "GGUF" + number(3, 4) + number(~uint64_t{0}, 8) + number(~uint64_t{0}, 8)},
      {"hostile_string", gguf({item("k", 8, with_length(uint64_t{1} << 40, "beyond the file"))}, {})},
      {"hostile_string_of_an_array", gguf({item("k", 9, array(8, 2, with_length(3, "abc") + number(99, 8)))}, {})},
      {"hostile_array", gguf({item("k", 9, array(9, uint64_t{1} << 60, ""))}, {})},
      {"hostile_deep", gguf({item("k", 9, deep)}, {})},
      {"hostile_alignment", gguf({item("general.alignment", 4, number(0, 4))}, {f32}, 24)},
      {"hostile_twice", gguf({}, {f32, f32}, 24)},
      {"hostile_overlap", gguf({}, {f32, tensor("b", {1}, 0, 0)}, 24)},
      {"hostile_type", gguf({}, {tensor("w", {256}, 17, 0)}, 80)},
      {"hostile_wrapping", gguf({}, {tensor("w", {uint64_t{1} << 32, 0, uint64_t{1} << 32}, 0, 0)}, 24)},
      {"hostile_truncated", gguf({}, {f32}, 23)},
  };
}

std::vector<std::string> gguf_words() {
  return {"GGUF",
          item("general.alignment", 4, number(64, 4)),
          number(2, 4),
          number(32, 8),
          number(8, 4) + text("x"),
          number(9, 4) + array(9, 1, array(7, 1, "\1")),
          array(8, 1, text("")),
          item("k", 4, number(1, 4)),
          item("t", 8, text("v")),
          tensor("t", {1}, 0, 32),
          tensor("q", {32}, 8, 0),
          tensor("k", {256}, 12, 0),
          tensor("s", {}, 0, 0),
          number(~uint64_t{0}, 8),
          number(uint64_t{1} << 63, 8)};
}

}  // namespace prunenet::fuzz
