// A word before a model takes much memory that it need not take.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace prunenet::cli {

/// Weights that an engine will convert to the type of its products, all at once.
struct WeightMemory {
  bool is_f32 = true;      // that type; else bf16
  int64_t bytes = 0;       // they take
  int64_t bf16_bytes = 0;  // they would take in bf16; 0: they are stored so, and mapped
  int64_t free_bytes = 0;  // 0: unknown
};
/// Which options take less, in a sentence: where the weights take more than 4 GB, or more than half of what is free.
std::optional<std::string> memory_hint(const WeightMemory& weights);

}  // namespace prunenet::cli
