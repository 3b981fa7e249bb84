// GgufWriter: the header as text, then the tensors with the zeros between them.
#include "checkpoint/gguf_writer.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_set>

#include "base/error.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_types.h"
#include "checkpoint/reserve.h"

namespace prunenet {
namespace {

constexpr size_t kMaxNameBytes = 63;
constexpr uint32_t kVersion = 3;

template <typename Word>
void put(std::string& text, Word word) {
  text.append(reinterpret_cast<const char*>(&word), sizeof word);
}

void put_text(std::string& text, const std::string& value) {
  put<uint64_t>(text, value.size());
  text += value;
}

// The array's element type, length and elements.
void put_array(std::string& text, const GgufValue& value) {
  put(text, static_cast<uint32_t>(value.element));
  put<uint64_t>(text, value.length());
  for (const std::string& element : value.texts) put_text(text, element);
  for (const GgufValue& element : value.arrays) put_array(text, element);
  text += value.packed;
}

void put_value(std::string& text, const GgufValue& value) {
  put(text, static_cast<uint32_t>(value.type));
  if (value.type == GgufType::kArray) {
    put_array(text, value);
  } else if (value.type == GgufType::kString) {
    put_text(text, value.bytes);
  } else {
    PRUNENET_CHECK(value.bytes.size() == gguf_type_size_bytes(value.type));
    text += value.bytes;
  }
}

uint64_t padding(uint64_t size, uint64_t alignment) {
  return (alignment - size % alignment) % alignment;
}

void require_writable(std::span<const TensorSpec> tensors, const std::string& where) {
  std::unordered_set<std::string> names;
  for (const TensorSpec& tensor : tensors) {
    if (tensor.name.empty() || tensor.name.size() > kMaxNameBytes) {
      fail(ErrorCode::kFormat, where, "the name of tensor '{}' has {} bytes, 1 to {} are allowed in GGUF", tensor.name,
           tensor.name.size(), kMaxNameBytes);
    }
    if (!names.insert(tensor.name).second) fail(ErrorCode::kFormat, where, "two tensors are named '{}'", tensor.name);
    if (!gguf_tensor_type(tensor.dtype)) {
      fail(ErrorCode::kUnsupported, where, "tensor '{}' is {}, a type that GGUF does not have", tensor.name,
           dtype_name(tensor.dtype));
    }
    if (tensor.shape.size() > kGgufMaxDimensions) {
      fail(ErrorCode::kFormat, where, "tensor '{}' has {} dimensions, at most {} are allowed in GGUF", tensor.name,
           tensor.shape.size(), kGgufMaxDimensions);
    }
    const int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (row % dtype_block_elements(tensor.dtype) != 0) {
      fail(ErrorCode::kFormat, where, "tensor '{}' is {} with rows of {} elements, no multiple of {}", tensor.name,
           dtype_name(tensor.dtype), row, dtype_block_elements(tensor.dtype));
    }
  }
}

}  // namespace

std::string format_gguf_header(const GgufMetadata& metadata, std::span<const TensorSpec> tensors,
                               const std::string& where) {
  const uint64_t alignment = gguf_alignment(metadata, where);
  require_writable(tensors, where);
  std::string text(kGgufMagic);
  put(text, kVersion);
  put<uint64_t>(text, tensors.size());
  put<uint64_t>(text, metadata.items().size());
  for (const auto& [key, value] : metadata.items()) {
    if (key.empty()) fail(ErrorCode::kFormat, where, "a metadata key is empty");
    if (key.size() > kMaxGgufNameBytes) {
      fail(ErrorCode::kFormat, where, "a metadata key has {} bytes, at most {} are allowed in GGUF: '{}'", key.size(),
           kMaxGgufNameBytes, key);
    }
    put_text(text, key);
    put_value(text, value);
  }
  uint64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    put_text(text, tensor.name);
    put(text, static_cast<uint32_t>(tensor.shape.size()));
    for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent) put(text, *extent);
    put(text, *gguf_tensor_type(tensor.dtype));
    put(text, offset);
    offset += tensor.size_bytes();
    offset += padding(offset, alignment);
  }
  if (!tensors.empty()) text.append(padding(text.size(), alignment), '\0');
  return text;
}

GgufWriter::GgufWriter(const std::filesystem::path& path, const GgufMetadata& metadata, std::vector<TensorSpec> tensors)
    : path_(path), tensors_(std::move(tensors)) {
  header_ = format_gguf_header(metadata, tensors_, path.string());
  alignment_ = gguf_alignment(metadata, path.string());
  total_bytes_ = header_.size();
  for (const TensorSpec& tensor : tensors_) {
    total_bytes_ += tensor.size_bytes() + padding(tensor.size_bytes(), alignment_);
  }
  writer_ = std::make_unique<FileWriter>(path);
  if (!tensors_.empty()) left_bytes_ = tensors_.front().size_bytes();
}

GgufWriter::~GgufWriter() = default;

// Takes the room and writes the header.
void GgufWriter::start() {
  if (header_.empty()) return;
  reserve_file(path_, total_bytes_);
  writer_->append(header_);
  header_ = std::string();
}

// Ends the tensor that is whole with zeros up to where the next one begins.
void GgufWriter::start_next() {
  PRUNENET_CHECK(next_ < tensors_.size() && left_bytes_ == 0);
  static constexpr std::array<std::byte, 4096> kZeros{};
  for (uint64_t left = padding(tensors_[next_].size_bytes(), alignment_); left > 0;) {
    const uint64_t part = std::min<uint64_t>(left, kZeros.size());
    writer_->append(std::span(kZeros).first(part));
    left -= part;
  }
  ++next_;
  left_bytes_ = next_ < tensors_.size() ? tensors_[next_].size_bytes() : 0;
}

void GgufWriter::append(std::span<const std::byte> bytes) {
  start();
  while (!bytes.empty()) {
    while (left_bytes_ == 0) start_next();
    const auto part = bytes.first(static_cast<size_t>(std::min<uint64_t>(left_bytes_, bytes.size())));
    writer_->append(part);
    left_bytes_ -= part.size();
    bytes = bytes.subspan(part.size());
  }
}

void GgufWriter::finish() {
  start();
  while (next_ < tensors_.size()) start_next();
  writer_->close();
}

}  // namespace prunenet
