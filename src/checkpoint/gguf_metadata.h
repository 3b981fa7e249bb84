// The metadata of a GGUF file: keys with typed values, in order. Source: the GGUF specification of the ggml project.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace prunenet {

/// Types of values, by their numbers in the file.
enum class GgufType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

/// "u32", "string": for people.
std::string_view gguf_type_name(GgufType type);
/// Bytes of one scalar; 0 for strings and arrays.
size_t gguf_type_size_bytes(GgufType type);

/// One value. Numbers keep the bytes that are stored, so that a copy is the same to the bit (NaNs too).
struct GgufValue {
  GgufType type = GgufType::kU32;
  std::string bytes{};                // a scalar, little-endian, or the text of a string
  GgufType element = GgufType::kU32;  // of an array
  std::string packed{};               // an array of scalars, one after the other, little-endian
  std::vector<std::string> texts{};   // an array of strings
  std::vector<GgufValue> arrays{};    // an array of arrays

  static GgufValue of_u32(uint32_t value);
  static GgufValue of_i32(int32_t value);
  static GgufValue of_u64(uint64_t value);
  static GgufValue of_f32(float value);
  static GgufValue of_bool(bool value);
  static GgufValue of_text(std::string value);
  static GgufValue of_i32s(const std::vector<int32_t>& values);
  static GgufValue of_u32s(const std::vector<uint32_t>& values);
  static GgufValue of_f32s(const std::vector<float>& values);
  static GgufValue of_texts(std::vector<std::string> values);

  uint64_t length() const;  // of an array: its elements
  bool operator==(const GgufValue&) const = default;
};

class GgufMetadata {
 public:
  struct Item {
    std::string key;
    GgufValue value;
  };

  const std::vector<Item>& items() const { return items_; }
  const GgufValue* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }
  /// Replaces the value where the key is, or adds it at the end.
  void set(std::string_view key, GgufValue value);
  /// Nothing happens where the key is absent; likewise of `rename`.
  void erase(std::string_view key);
  /// Gives a key another name in its place. A name that is there already is a defect.
  void rename(std::string_view key, std::string name);

  // Reading with conversion: nothing where the key is absent. Throw kFormat, naming key, expected and found, for a
  // value of another kind. `where` names the file.
  std::optional<std::string> text(std::string_view key, const std::string& where) const;
  std::optional<int64_t> integer(std::string_view key, const std::string& where) const;  // any integer type
  std::optional<double> number(std::string_view key, const std::string& where) const;    // any number
  std::optional<bool> flag(std::string_view key, const std::string& where) const;
  std::optional<std::vector<std::string>> texts(std::string_view key, const std::string& where) const;
  std::optional<std::vector<int64_t>> integers(std::string_view key, const std::string& where) const;  // an array
  std::optional<std::vector<double>> numbers(std::string_view key, const std::string& where) const;    // an array

 private:
  std::vector<Item> items_;
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace prunenet
