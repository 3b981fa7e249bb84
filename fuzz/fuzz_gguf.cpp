// Fuzz target: a whole GGUF file. Either it is refused with an error of the format, or every tensor lies within the
// file, apart from the others, and the header, written anew, is read back as the same metadata and tensors.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_writer.h"

namespace {

using namespace prunenet;

constexpr size_t kLongestName = 63;  // that a writer may write

void require(bool kept, const char* promise) {
  if (kept) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

// Whatever is asked of a value, it is given or refused for its kind.
void check_reading(const GgufMetadata& metadata) {
  for (const GgufMetadata::Item& item : metadata.items()) {
    const std::string& key = item.key;
    const GgufValue& value = item.value;
    require(metadata.find(key) == &value, "every key is found");
    int answers = 0;
    const auto ask = [&](auto question) {
      try {
        answers += question().has_value() ? 1 : 0;
      } catch (const Error& error) {
        require(error.code() == ErrorCode::kFormat, "values are refused for their kind only");
      }
    };
    ask([&] { return metadata.text(key, "input"); });
    ask([&] { return metadata.integer(key, "input"); });
    ask([&] { return metadata.number(key, "input"); });
    ask([&] { return metadata.flag(key, "input"); });
    ask([&] { return metadata.texts(key, "input"); });
    ask([&] { return metadata.integers(key, "input"); });
    ask([&] { return metadata.numbers(key, "input"); });
    const bool is_nested =
        value.type == GgufType::kArray && (value.element == GgufType::kArray || value.element == GgufType::kBool);
    require(answers > 0 || is_nested, "some question fits every value but arrays of arrays and of bools");
  }
}

void check_tensor(std::span<const std::byte> bytes, const TensorSpec& spec) {
  long double size = static_cast<long double>(dtype_block_bytes(spec.dtype));
  for (const int64_t extent : spec.shape) size *= static_cast<long double>(extent);
  require(static_cast<long double>(bytes.size()) * static_cast<long double>(dtype_block_elements(spec.dtype)) == size,
          "no size wraps");
  worst_value(bytes, spec.dtype);
  if (!dtype_is_computable(spec.dtype)) return;
  std::vector<float> values(static_cast<size_t>(spec.num_elements()));
  widen(bytes.data(), spec.dtype, values.size(), values.data());
}

void check_written_anew(const GgufHeader& header) {
  std::vector<TensorSpec> specs;
  uint64_t data_bytes = 0;
  for (const StoredTensor& tensor : header.tensors) {
    if (tensor.spec.name.size() > kLongestName) return;
    specs.push_back(tensor.spec);
    data_bytes += tensor.spec.size_bytes() + header.alignment;
  }
  const std::string formatted = format_gguf_header(header.metadata, specs, "formatted");
  std::vector<std::byte> again(formatted.size() + (specs.empty() ? 0 : data_bytes));
  std::memcpy(again.data(), formatted.data(), formatted.size());
  const GgufHeader reread = parse_gguf_header(again, "formatted");
  require(reread.alignment == header.alignment, "the alignment survives being written anew");
  require(reread.metadata.items().size() == header.metadata.items().size(), "all keys survive being written anew");
  for (size_t i = 0; i < header.metadata.items().size(); ++i) {
    const auto &before = header.metadata.items()[i], &after = reread.metadata.items()[i];
    require(before.key == after.key && before.value == after.value, "keys and values survive, in their order");
  }
  require(reread.tensors.size() == specs.size(), "all tensors survive being written anew");
  std::vector<TensorSpec> respecs;
  for (const StoredTensor& tensor : reread.tensors) respecs.push_back(tensor.spec);
  for (size_t i = 0; i < specs.size(); ++i) {
    require(
        respecs[i].name == specs[i].name && respecs[i].dtype == specs[i].dtype && respecs[i].shape == specs[i].shape,
        "names, types and shapes survive, in their order");
  }
  require(format_gguf_header(reread.metadata, respecs, "formatted") == formatted, "a second time nothing changes");
}

void check_accepted(std::span<const std::byte> file, const GgufHeader& header) {
  require(header.data_offset <= file.size(), "the data begin within the file");
  uint64_t free = header.data_offset;
  for (const StoredTensor& tensor : header.tensors) {
    const uint64_t size = tensor.spec.size_bytes();
    require(tensor.offset >= free, "tensors do not overlap");
    require(tensor.offset <= file.size() && size <= file.size() - tensor.offset, "every tensor lies within the file");
    require((tensor.offset - header.data_offset) % header.alignment == 0, "every tensor is aligned");
    check_tensor(file.subspan(tensor.offset, size), tensor.spec);
    free = tensor.offset + size;
  }
  check_reading(header.metadata);
  check_written_anew(header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  GgufHeader header;
  try {
    header = parse_gguf_header(file, "input");
  } catch (const Error& error) {
    require(error.code() == ErrorCode::kFormat || error.code() == ErrorCode::kUnsupported, "errors of the format only");
    return 0;
  }
  check_accepted(file, header);  // whatever it throws is a failure
  return 0;
}
