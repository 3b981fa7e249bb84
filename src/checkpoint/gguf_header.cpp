// Parsing and validating the header of a GGUF file: a cursor over the mapped bytes that never believes a length before
// it has been held against what is left of the file, and of the memory that a header may take.
#include <algorithm>
#include <cstring>
#include <limits>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_types.h"

namespace prunenet {
namespace {

constexpr int kMaxArrayDepth = 8;
// The least that they take in the file: a key of one byte with a value of one; a name of one byte and no dimensions.
constexpr uint64_t kLeastItemBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kLeastTensorBytes = 8 + 1 + 4 + 4 + 8;
constexpr uint64_t kLeastTextBytes = 8;       // the length of an empty one
constexpr uint64_t kLeastArrayBytes = 4 + 8;  // type and length of an empty one
// What holds a key beside the key itself and its value: an entry of the index.
constexpr uint64_t kKeyMemoryBytes = sizeof(GgufMetadata::Item) + 64;
constexpr uint64_t kTensorMemoryBytes = sizeof(StoredTensor) + 64;
constexpr uint64_t kNumberMemoryBytes = 8;  // of an array, as a number of 64 bits

class Cursor {
 public:
  Cursor(std::span<const std::byte> file, const std::string& where) : file_(file), where_(where) {}

  uint64_t position() const { return at_; }
  uint64_t left() const { return file_.size() - at_; }

  template <typename Word>
  Word word(std::string_view what) {
    const auto bytes = take(sizeof(Word), what);
    Word value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }

  std::string text(std::string_view what, uint64_t limit = kMaxGgufTextBytes) {
    const auto length = word<uint64_t>(what);
    if (length > left()) {
      fail(ErrorCode::kFormat, where_, "{} states a length of {} bytes at byte {}, but only {} follow", what, length,
           at_ - 8, left());
    }
    if (length > limit) {
      fail(ErrorCode::kFormat, where_, "{} states a length of {} bytes at byte {}, at most {} are read", what, length,
           at_ - 8, limit);
    }
    charge(1, length, what);
    const auto bytes = take(length, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::span<const std::byte> take(uint64_t size, std::string_view what) {
    if (size > left()) {
      fail(ErrorCode::kFormat, where_, "ends within {}: {} bytes are needed at byte {}, {} are left: it is truncated",
           what, size, at_, left());
    }
    const auto bytes = file_.subspan(at_, size);
    at_ += size;
    return bytes;
  }

  /// A count of things that take at least `least` bytes each.
  void require_room(uint64_t count, uint64_t least, std::string_view what) const {
    if (count <= left() / least) return;
    fail(ErrorCode::kFormat, where_, "states {} {}, but the {} bytes that follow cannot hold them", count, what,
         left());
  }

  /// Before memory is taken: `count` things of `each` bytes.
  void charge(uint64_t count, uint64_t each, std::string_view what) {
    if (each > 0 && count > memory_left_ / each) {
      fail(ErrorCode::kFormat, where_, "{} takes the header beyond the {} bytes of memory that one may take", what,
           kMaxGgufHeaderBytes);
    }
    memory_left_ -= count * each;
  }

  const std::string& where() const { return where_; }

 private:
  std::span<const std::byte> file_;
  const std::string& where_;
  uint64_t at_ = 0;
  uint64_t memory_left_ = kMaxGgufHeaderBytes;
};

uint32_t read_version(Cursor& cursor) {
  const auto magic = cursor.take(kGgufMagic.size(), "the magic");
  if (std::memcmp(magic.data(), kGgufMagic.data(), kGgufMagic.size()) != 0) {
    fail(ErrorCode::kFormat, cursor.where(), "begins with '{}', a GGUF file begins with '{}'",
         std::string_view(reinterpret_cast<const char*>(magic.data()), magic.size()), kGgufMagic);
  }
  const auto version = cursor.word<uint32_t>("the version");
  if (version == 2 || version == 3) return version;
  if (version != 0 && (version & 0xffffu) == 0) {
    fail(ErrorCode::kUnsupported, cursor.where(), "is a big-endian GGUF file; only little-endian ones are read");
  }
  fail(ErrorCode::kUnsupported, cursor.where(), "is GGUF of version {}; versions 2 and 3 are read", version);
}

GgufType read_type(Cursor& cursor, const std::string& key) {
  const auto number = cursor.word<uint32_t>("the type of a metadata value");
  if (number > static_cast<uint32_t>(GgufType::kF64)) {
    fail(ErrorCode::kFormat, cursor.where(), "metadata key '{}' has a value of the unknown type {}", key, number);
  }
  return static_cast<GgufType>(number);
}

void require_bools(std::string_view bytes, const Cursor& cursor, const std::string& key) {
  for (char c : bytes) {
    if (c == '\0' || c == '\1') continue;
    fail(ErrorCode::kFormat, cursor.where(), "metadata key '{}' holds a bool of {}, expected 0 or 1", key,
         static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
}

std::string read_numbers(Cursor& cursor, GgufType type, uint64_t count, const std::string& key) {
  const auto bytes = cursor.take(count * gguf_type_size_bytes(type), "a metadata value");
  std::string stored(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (type == GgufType::kBool) require_bools(stored, cursor, key);
  return stored;
}

std::string key_named(const std::string& key) {
  return fmt::format("metadata key '{}'", key);
}

GgufValue read_array(Cursor& cursor, const std::string& key, int depth) {
  if (depth > kMaxArrayDepth) {
    fail(ErrorCode::kFormat, cursor.where(), "metadata key '{}' nests arrays deeper than {}", key, kMaxArrayDepth);
  }
  GgufValue value{.type = GgufType::kArray, .element = read_type(cursor, key)};
  const auto count = cursor.word<uint64_t>("the length of an array");
  const auto what = fmt::format("elements of the array '{}'", key), owner = key_named(key);
  if (value.element == GgufType::kString) {
    cursor.require_room(count, kLeastTextBytes, what);
    cursor.charge(count, sizeof(std::string), owner);
    const auto text = fmt::format("a string of {}", owner);
    value.texts.reserve(count);
    for (uint64_t i = 0; i < count; ++i) value.texts.push_back(cursor.text(text));
  } else if (value.element == GgufType::kArray) {
    cursor.require_room(count, kLeastArrayBytes, what);
    cursor.charge(count, sizeof(GgufValue), owner);
    value.arrays.reserve(count);
    for (uint64_t i = 0; i < count; ++i) value.arrays.push_back(read_array(cursor, key, depth + 1));
  } else {
    cursor.require_room(count, gguf_type_size_bytes(value.element), what);
    cursor.charge(count, kNumberMemoryBytes, owner);
    value.packed = read_numbers(cursor, value.element, count, key);
  }
  return value;
}

GgufValue read_value(Cursor& cursor, const std::string& key) {
  const GgufType type = read_type(cursor, key);
  if (type == GgufType::kArray) return read_array(cursor, key, 1);
  if (type == GgufType::kString) {
    return GgufValue::of_text(cursor.text(fmt::format("the string of {}", key_named(key))));
  }
  return {.type = type, .bytes = read_numbers(cursor, type, 1, key)};
}

void read_metadata(Cursor& cursor, uint64_t count, GgufMetadata& metadata) {
  cursor.require_room(count, kLeastItemBytes, "metadata keys");
  for (uint64_t i = 0; i < count; ++i) {
    const std::string key = cursor.text("a metadata key", kMaxGgufNameBytes);
    cursor.charge(1, kKeyMemoryBytes + key.size(), key_named(key));  // the key is in the index as well
    if (key.empty()) fail(ErrorCode::kFormat, cursor.where(), "metadata key {} is empty", i);
    if (metadata.has(key)) fail(ErrorCode::kFormat, cursor.where(), "metadata key '{}' stands twice", key);
    metadata.set(key, read_value(cursor, key));
  }
}

// Extents come fastest first; the product of those that are not zero must be a size that a file can have, so that no
// product of some of them wraps either.
std::vector<int64_t> read_shape(Cursor& cursor, const std::string& name) {
  const auto dimensions = cursor.word<uint32_t>("a tensor's dimensions");
  if (dimensions > kGgufMaxDimensions) {
    fail(ErrorCode::kFormat, cursor.where(), "tensor '{}' has {} dimensions, at most {} are allowed", name, dimensions,
         kGgufMaxDimensions);
  }
  std::vector<int64_t> shape(dimensions);
  int64_t product = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto extent = static_cast<int64_t>(cursor.word<uint64_t>("a tensor's extent"));
    if (extent < 0 || __builtin_mul_overflow(product, std::max<int64_t>(extent, 1), &product)) {
      fail(ErrorCode::kFormat, cursor.where(), "the shape of tensor '{}' is larger than any file", name);
    }
    shape[dimensions - 1 - i] = extent;
  }
  return shape;
}

StoredTensor read_tensor(Cursor& cursor) {
  StoredTensor tensor;
  TensorSpec& spec = tensor.spec;
  spec.name = cursor.text("a tensor's name", kMaxGgufNameBytes);
  if (spec.name.empty()) fail(ErrorCode::kFormat, cursor.where(), "a tensor has no name");
  spec.shape = read_shape(cursor, spec.name);
  const auto number = cursor.word<uint32_t>("a tensor's type");
  const auto dtype = dtype_from_gguf(number);
  if (!dtype) {
    fail(ErrorCode::kUnsupported, cursor.where(), "tensor '{}' is {}, which this program does not read", spec.name,
         gguf_tensor_type_name(number));
  }
  spec.dtype = *dtype;
  const int64_t block = dtype_block_elements(spec.dtype);
  const int64_t row = spec.shape.empty() ? 1 : spec.shape.back();
  if (row % block != 0) {
    fail(ErrorCode::kFormat, cursor.where(), "tensor '{}' is {} with rows of {} elements, no multiple of {}", spec.name,
         dtype_name(spec.dtype), row, block);
  }
  uint64_t blocks = 1;
  for (int64_t extent : spec.shape) blocks *= static_cast<uint64_t>(std::max<int64_t>(extent, 1));
  uint64_t size = 0;
  if (__builtin_mul_overflow(blocks / static_cast<uint64_t>(block) + 1, dtype_block_bytes(spec.dtype), &size)) {
    fail(ErrorCode::kFormat, cursor.where(), "the shape of tensor '{}' is larger than any file", spec.name);
  }
  tensor.offset = cursor.word<uint64_t>("a tensor's offset");
  return tensor;
}

void read_tensors(Cursor& cursor, uint64_t count, std::vector<StoredTensor>& tensors) {
  cursor.require_room(count, kLeastTensorBytes, "tensors");
  // Beside its name: what describes a tensor, its extents, and its name once more in the set.
  cursor.charge(count, kTensorMemoryBytes, fmt::format("a table of {} tensors", count));
  tensors.reserve(count);
  std::unordered_set<std::string> names;
  for (uint64_t i = 0; i < count; ++i) {
    tensors.push_back(read_tensor(cursor));
    const std::string& name = tensors.back().spec.name;
    if (!names.insert(name).second) fail(ErrorCode::kFormat, cursor.where(), "tensor '{}' stands twice", name);
  }
}

// Offsets count from the start of the data. In the order of the bytes, which becomes the order of the tensors, none may
// begin before the one in front has ended. Gaps are allowed: they are how tensors are aligned.
void place_tensors(GgufHeader& header, uint64_t file_bytes, const std::string& where) {
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return std::pair(a.offset, a.spec.size_bytes()) < std::pair(b.offset, b.spec.size_bytes());
  });
  const uint64_t data_bytes = file_bytes - header.data_offset;
  uint64_t free = 0;
  for (StoredTensor& tensor : header.tensors) {
    const std::string& name = tensor.spec.name;
    const uint64_t size = tensor.spec.size_bytes();
    if (tensor.offset % header.alignment != 0) {
      fail(ErrorCode::kFormat, where, "tensor '{}' starts at data byte {}, no multiple of the alignment {}", name,
           tensor.offset, header.alignment);
    }
    if (tensor.offset < free) {
      fail(ErrorCode::kFormat, where,
           "tensor '{}' starts at data byte {}, but the one in front ends at {}: they overlap", name, tensor.offset,
           free);
    }
    if (tensor.offset > data_bytes || size > data_bytes - tensor.offset) {
      fail(ErrorCode::kFormat, where,
           "tensor '{}' takes {} bytes from data byte {}, but the file holds {}: it is truncated", name, size,
           tensor.offset, data_bytes);
    }
    free = tensor.offset + size;
    tensor.offset += header.data_offset;
  }
}

}  // namespace

GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& where) {
  Cursor cursor(file, where);
  GgufHeader header;
  header.version = read_version(cursor);
  const auto tensors = cursor.word<uint64_t>("the number of tensors");
  const auto items = cursor.word<uint64_t>("the number of metadata keys");
  read_metadata(cursor, items, header.metadata);
  header.alignment = gguf_alignment(header.metadata, where);
  read_tensors(cursor, tensors, header.tensors);
  header.data_offset = cursor.position();
  if (header.tensors.empty()) return header;  // nothing that would have to be aligned
  cursor.take((header.alignment - header.data_offset % header.alignment) % header.alignment, "the gap before the data");
  header.data_offset = cursor.position();
  place_tensors(header, file.size(), where);
  return header;
}

}  // namespace prunenet
