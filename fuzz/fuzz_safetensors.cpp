// Fuzz target: a whole safetensors file. Either it is refused with an error of the format, or every tensor lies within
// the file and the header, written anew, is read back as the same tensors.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/safetensors.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using namespace prunenet;

void require(bool kept, const char* promise) {
  if (kept) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

// The size of a tensor, in arithmetic that cannot wrap below the sizes that matter here.
long double exact_size(const TensorSpec& spec) {
  long double size = static_cast<long double>(dtype_size_bytes(spec.dtype));
  for (int64_t extent : spec.shape) size *= static_cast<long double>(extent);
  return size;
}

void check_accepted(std::span<const std::byte> file, const SafetensorsHeader& header) {
  uint64_t expected = header.header_bytes;
  unsigned touched = 0;
  std::vector<TensorSpec> specs;
  for (const StoredTensor& tensor : header.tensors) {
    const uint64_t size = tensor.spec.size_bytes();
    require(static_cast<long double>(size) == exact_size(tensor.spec), "no size wraps");
    require(tensor.offset == expected, "the tensors tile the data in the order in which they are listed");
    require(size <= file.size() - tensor.offset, "every tensor lies within the file");
    if (size > 0) {
      const auto bytes = file.subspan(tensor.offset, size);
      touched += static_cast<unsigned>(bytes.front()) + static_cast<unsigned>(bytes.back());
      worst_value(bytes, tensor.spec.dtype);
    }
    expected += size;
    specs.push_back(tensor.spec);
  }
  require(expected == file.size(), "the tensors end with the file");
  require(touched <= 510u * header.tensors.size(), "a byte is at most 255");

  const std::string formatted = format_safetensors_header(specs, header.metadata);
  std::vector<std::byte> again(formatted.size() + (file.size() - header.header_bytes));
  std::memcpy(again.data(), formatted.data(), formatted.size());
  const SafetensorsHeader reread = parse_safetensors_header(again, "formatted");
  require(reread.metadata == header.metadata, "metadata survive being written anew");
  require(reread.tensors.size() == header.tensors.size(), "all tensors survive being written anew");
  for (size_t i = 0; i < specs.size(); ++i) {
    const StoredTensor& tensor = reread.tensors[i];
    require(tensor.spec.name == specs[i].name, "names survive");
    require(tensor.spec.dtype == specs[i].dtype && tensor.spec.shape == specs[i].shape, "types and shapes survive");
    require(tensor.offset - reread.header_bytes == header.tensors[i].offset - header.header_bytes, "places survive");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  SafetensorsHeader header;
  try {
    header = parse_safetensors_header(file, "input");
  } catch (const Error& error) {
    require(error.code() == ErrorCode::kFormat || error.code() == ErrorCode::kUnsupported, "errors of the format only");
    return 0;
  }
  check_accepted(file, header);  // whatever it throws is a failure
  return 0;
}

// Blind mutation almost never hits a length that fits: most inputs would end at the first check. So the length is
// mended after most mutations to end with the last closing brace.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (size < 8 || seed % 8 == 0) return size;
  const uint8_t* end = std::find(std::reverse_iterator(data + size), std::reverse_iterator(data + 8), '}').base();
  const uint64_t length = static_cast<uint64_t>(end - (data + 8));
  for (int i = 0; i < 8; ++i) data[i] = static_cast<uint8_t>(length >> (8 * i));
  return size;
}
