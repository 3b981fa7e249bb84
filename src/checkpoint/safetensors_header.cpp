// Parsing and validating a safetensors header. The parser is event-driven: nothing is built but what the format allows,
// so a hostile header costs no more memory than a fair one of its length.
#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "checkpoint/safetensors.h"

namespace prunenet {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxDimensions = 16;
constexpr std::string_view kMetadataKey = "__metadata__";

// JSON events of {"name": {"dtype": s, "shape": [n...], "data_offsets": [b, e]}, "__metadata__": {s: s}}.
class HeaderEvents final : public Json::json_sax_t {
 public:
  HeaderEvents(SafetensorsHeader& header, const std::string& where) : header_(header), where_(where) {}

  bool start_object(size_t) override {
    if (in_array_) reject("an object inside a list");
    if (depth_ == 1) {
      in_metadata_ = name_ == kMetadataKey;
      if (!in_metadata_) tensor_ = {};
    } else if (depth_ > 1) {
      reject("an object inside the entry");
    }
    ++depth_;
    return true;
  }

  bool key(string_t& key) override {
    if (depth_ == 1) {
      name_ = key;
      if (!names_.insert(name_).second) fail(ErrorCode::kFormat, where_, "two entries named '{}' in the header", name_);
      return true;
    }
    field_ = key;
    if (in_metadata_) return true;
    bool& seen = field_ == "dtype"          ? has_dtype_
                 : field_ == "shape"        ? has_shape_
                 : field_ == "data_offsets" ? has_offsets_
                                            : reject_field();
    if (seen) reject(fmt::format("'{}' twice", field_));
    seen = true;
    return true;
  }

  bool end_object() override {
    --depth_;
    if (depth_ != 1) return true;
    if (in_metadata_) return true;
    if (!has_dtype_ || !has_shape_ || !has_offsets_) reject("it needs 'dtype', 'shape' and 'data_offsets'");
    if (offsets_.size() != 2) reject(fmt::format("'data_offsets' holds {} numbers, not 2", offsets_.size()));
    finish_tensor();
    has_dtype_ = has_shape_ = has_offsets_ = false;
    offsets_.clear();
    return true;
  }

  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || in_array_ || (field_ != "shape" && field_ != "data_offsets")) {
      reject("a list where none belongs");
    }
    in_array_ = true;
    return true;
  }
  bool end_array() override {
    in_array_ = false;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (!in_array_) reject("a number where none belongs");
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) reject("a number beyond 63 bits");
    if (field_ == "shape") {
      if (tensor_.spec.shape.size() >= kMaxDimensions) reject(fmt::format("more than {} dimensions", kMaxDimensions));
      tensor_.spec.shape.push_back(static_cast<int64_t>(value));
    } else {
      if (offsets_.size() >= 2) reject("'data_offsets' holds more than 2 numbers");
      offsets_.push_back(value);
    }
    return true;
  }

  bool string(string_t& value) override {
    if (in_array_ || depth_ != 2) reject("a text where none belongs");
    if (in_metadata_) {
      header_.metadata[field_] = value;
      return true;
    }
    if (field_ != "dtype") reject(fmt::format("'{}' is a text", field_));
    const auto dtype = dtype_from_name(value);
    if (!dtype) fail(ErrorCode::kUnsupported, where_, "tensor '{}' has the unknown dtype '{}'", name_, value);
    tensor_.spec.dtype = *dtype;
    return true;
  }

  bool null() override { return reject("a null"); }
  bool boolean(bool) override { return reject("a boolean"); }
  bool number_integer(number_integer_t) override { return reject("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return reject("a number that is not whole"); }
  bool binary(binary_t&) override { return reject("binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail(ErrorCode::kFormat, where_, "the header is no JSON: wrong at byte {} of it", position);
  }

 private:
  [[noreturn]] bool& reject_field() { reject(fmt::format("unknown field '{}'", field_)); }
  [[noreturn]] bool reject(const std::string& what) const {
    if (depth_ == 0) fail(ErrorCode::kFormat, where_, "the header is not a JSON object");
    fail(ErrorCode::kFormat, where_, "header entry '{}': {}", name_, what);
  }

  void finish_tensor() {
    tensor_.spec.name = name_;
    const auto [begin, end] = std::pair(offsets_[0], offsets_[1]);
    if (begin > end) reject(fmt::format("'data_offsets' runs backwards: [{}, {}]", begin, end));
    uint64_t size = dtype_size_bytes(tensor_.spec.dtype);
    for (int64_t extent : tensor_.spec.shape) {
      if (__builtin_mul_overflow(size, static_cast<uint64_t>(extent), &size))
        reject("its shape is larger than any file");
    }
    if (size != end - begin) {
      reject(fmt::format("{} takes {} bytes, its data_offsets [{}, {}] hold {}", to_string(tensor_.spec), size, begin,
                         end, end - begin));
    }
    tensor_.offset = begin;
    header_.tensors.push_back(std::move(tensor_));
  }

  SafetensorsHeader& header_;
  const std::string& where_;
  std::set<std::string> names_;
  StoredTensor tensor_;
  std::string name_, field_;
  std::vector<uint64_t> offsets_;
  int depth_ = 0;
  bool in_metadata_ = false, in_array_ = false;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
};

// Offsets must tile [0, data_bytes): checked in the order of the bytes, which becomes the order of the tensors.
void require_tiling(SafetensorsHeader& header, uint64_t data_bytes, const std::string& where) {
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    // An empty tensor sorts before the one that starts at the same byte.
    return std::pair(a.offset, a.spec.size_bytes()) < std::pair(b.offset, b.spec.size_bytes());
  });
  uint64_t expected = 0;
  for (StoredTensor& tensor : header.tensors) {
    if (tensor.offset != expected) {
      fail(ErrorCode::kFormat, where, "tensor '{}' starts at data byte {}, expected {}: the data {}", tensor.spec.name,
           tensor.offset, expected, tensor.offset < expected ? "overlaps" : "has a gap");
    }
    expected += tensor.spec.size_bytes();
    if (expected > data_bytes) {
      fail(ErrorCode::kFormat, where, "tensor '{}' ends at data byte {}, but the file holds {}: it is truncated",
           tensor.spec.name, expected, data_bytes);
    }
    tensor.offset += header.header_bytes;
  }
  if (expected != data_bytes) {
    fail(ErrorCode::kFormat, where, "the tensors take {} bytes, the file holds {}", expected, data_bytes);
  }
}

}  // namespace

int64_t TensorSpec::num_elements() const {
  uint64_t count = 1;  // unsigned: [2^62, 2, 0] passes the bounds of the format and must not overflow on its way to 0
  for (int64_t extent : shape) count *= static_cast<uint64_t>(extent);
  return static_cast<int64_t>(count);
}

uint64_t TensorSpec::size_bytes() const {
  return dtype_bytes(dtype, static_cast<uint64_t>(num_elements()));
}

std::string to_string(const TensorSpec& spec) {
  return fmt::format("{} [{}]", dtype_name(spec.dtype), fmt::join(spec.shape, ", "));
}

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& where) {
  if (file.size() < 8) {
    fail(ErrorCode::kFormat, where, "{} bytes long: too short for a safetensors file", file.size());
  }
  uint64_t length = 0;
  for (size_t i = 0; i < 8; ++i) length |= static_cast<uint64_t>(file[i]) << (8 * i);
  if (length > kMaxSafetensorsHeaderBytes) {
    fail(ErrorCode::kFormat, where, "states a header of {} bytes, at most {} are allowed: no safetensors file", length,
         kMaxSafetensorsHeaderBytes);
  }
  if (length > file.size() - 8) {
    fail(ErrorCode::kFormat, where, "states a header of {} bytes, but only {} follow: it is truncated", length,
         file.size() - 8);
  }
  SafetensorsHeader header;
  header.header_bytes = 8 + length;
  const char* text = reinterpret_cast<const char*>(file.data() + 8);
  // The parser would take a zero byte for the end of the text and overlook what follows.
  const size_t zero = std::string_view(text, length).find('\0');
  if (zero != std::string_view::npos)
    fail(ErrorCode::kFormat, where, "the header is no JSON: zero byte at {} of it", zero);
  HeaderEvents events(header, where);
  if (!Json::sax_parse(text, text + length, &events)) fail(ErrorCode::kFormat, where, "the header is no JSON");
  require_tiling(header, file.size() - header.header_bytes, where);
  return header;
}

std::string format_safetensors_header(std::span<const TensorSpec> tensors,
                                      const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) text += fmt::format("\"{}\":{},", kMetadataKey, Json(metadata).dump());
  uint64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    if (dtype_is_quantised(tensor.dtype)) {
      fail(ErrorCode::kUnsupported, fmt::format("tensor '{}'", tensor.name), "is {}: safetensors have no such type",
           dtype_name(tensor.dtype));
    }
    const uint64_t end = offset + tensor.size_bytes();
    text += fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}},)", Json(tensor.name).dump(),
                        dtype_name(tensor.dtype), fmt::join(tensor.shape, ","), offset, end);
    offset = end;
  }
  if (text.back() == ',') text.pop_back();
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(text.size() >> (8 * i));
  return bytes + text;
}

}  // namespace prunenet
