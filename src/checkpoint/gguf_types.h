// Constants of the GGUF format that reader and writer share: the types of tensors by their numbers, the alignment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "checkpoint/gguf_metadata.h"
#include "checkpoint/safetensors.h"

namespace prunenet {

/// The bytes a GGUF file begins with.
inline constexpr std::string_view kGgufMagic = "GGUF";
/// Where tensors begin in a file that does not say: at multiples of so many bytes.
inline constexpr uint64_t kGgufDefaultAlignment = 32;
/// The largest alignment that is read or written: ggml allows any power of two, but padding must stay small.
inline constexpr uint64_t kGgufMaxAlignment = 1u << 20;
inline constexpr std::string_view kGgufAlignmentKey = "general.alignment";
/// Dimensions of a tensor, at most.
inline constexpr uint32_t kGgufMaxDimensions = 4;

/// The type of that number; nothing for one that this program does not read.
std::optional<Dtype> dtype_from_gguf(uint32_t number);
/// The name ggml gives that number ("IQ2_XS"), or "type 77".
std::string gguf_tensor_type_name(uint32_t number);

/// The type in which most numbers of the matrices are stored; nothing where there is no matrix.
std::optional<Dtype> gguf_main_dtype(const std::vector<TensorSpec>& tensors);
/// The number of `general.file_type` for a file of mostly that type; nothing for types that have none.
std::optional<uint32_t> gguf_file_type(Dtype dtype);

/// The alignment that the metadata state. Throws kFormat unless it is a u32 and a power of two up to
/// kGgufMaxAlignment.
uint64_t gguf_alignment(const GgufMetadata& metadata, const std::string& where);

}  // namespace prunenet
