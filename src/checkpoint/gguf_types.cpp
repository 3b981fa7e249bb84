// The numbers of tensor types, as ggml gives them; the alignment.
#include "checkpoint/gguf_types.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "checkpoint/gguf.h"

namespace prunenet {
namespace {

constexpr std::array<std::pair<uint32_t, Dtype>, 16> kReadable{{{0, Dtype::kF32},
                                                                {1, Dtype::kF16},
                                                                {2, Dtype::kQ4_0},
                                                                {3, Dtype::kQ4_1},
                                                                {6, Dtype::kQ5_0},
                                                                {7, Dtype::kQ5_1},
                                                                {8, Dtype::kQ8_0},
                                                                {12, Dtype::kQ4K},
                                                                {13, Dtype::kQ5K},
                                                                {14, Dtype::kQ6K},
                                                                {24, Dtype::kI8},
                                                                {25, Dtype::kI16},
                                                                {26, Dtype::kI32},
                                                                {27, Dtype::kI64},
                                                                {28, Dtype::kF64},
                                                                {30, Dtype::kBf16}}};

constexpr std::array<std::pair<uint32_t, std::string_view>, 27> kOthers{
    {{4, "Q4_2"},     {5, "Q4_3"},    {9, "Q8_1"},        {10, "Q2_K"},       {11, "Q3_K"},       {15, "Q8_K"},
     {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"},    {19, "IQ1_S"},      {20, "IQ4_NL"},     {21, "IQ3_S"},
     {22, "IQ2_S"},   {23, "IQ4_XS"}, {29, "IQ1_M"},      {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},   {33, "Q4_0_8_8"},
     {34, "TQ1_0"},   {35, "TQ2_0"},  {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"}, {39, "MXFP4"},
     {40, "NVFP4"},   {41, "Q1_0"},   {42, "Q2_0"}}};

}  // namespace

std::optional<Dtype> dtype_from_gguf(uint32_t number) {
  for (const auto& [known, dtype] : kReadable) {
    if (known == number) return dtype;
  }
  return std::nullopt;
}

std::optional<uint32_t> gguf_tensor_type(Dtype dtype) {
  for (const auto& [number, known] : kReadable) {
    if (known == dtype) return number;
  }
  return std::nullopt;
}

std::string gguf_tensor_type_name(uint32_t number) {
  if (const auto dtype = dtype_from_gguf(number)) return std::string(dtype_name(*dtype));
  for (const auto& [known, name] : kOthers) {
    if (known == number) return std::string(name);
  }
  return fmt::format("type {}", number);
}

uint64_t gguf_alignment(const GgufMetadata& metadata, const std::string& where) {
  const GgufValue* value = metadata.find(kGgufAlignmentKey);
  if (value == nullptr) return kGgufDefaultAlignment;
  const auto alignment = static_cast<uint64_t>(*metadata.integer(kGgufAlignmentKey, where));
  if (value->type != GgufType::kU32) {
    fail(ErrorCode::kFormat, where, "metadata key '{}' is {}, expected u32", kGgufAlignmentKey,
         gguf_type_name(value->type));
  }
  if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > kGgufMaxAlignment) {
    fail(ErrorCode::kFormat, where, "metadata key '{}' is {}, expected a power of two up to {}", kGgufAlignmentKey,
         alignment, kGgufMaxAlignment);
  }
  return alignment;
}

std::optional<Dtype> gguf_main_dtype(const std::vector<TensorSpec>& tensors) {
  std::map<Dtype, int64_t> elements;
  for (const TensorSpec& tensor : tensors) {
    if (tensor.shape.size() >= 2) elements[tensor.dtype] += tensor.num_elements();
  }
  if (elements.empty()) return std::nullopt;
  const auto most = std::max_element(elements.begin(), elements.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most->first;
}

std::optional<uint32_t> gguf_file_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return 0;
    case Dtype::kF16:
      return 1;
    case Dtype::kQ4_0:
      return 2;
    case Dtype::kQ4_1:
      return 3;
    case Dtype::kQ8_0:
      return 7;
    case Dtype::kQ5_0:
      return 8;
    case Dtype::kQ5_1:
      return 9;
    case Dtype::kQ4K:
      return 14;
    case Dtype::kQ5K:
      return 16;
    case Dtype::kQ6K:
      return 18;
    case Dtype::kBf16:
      return 32;
    default:
      return std::nullopt;
  }
}

}  // namespace prunenet
