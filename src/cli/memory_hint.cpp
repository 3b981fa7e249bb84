// When, and what it says.
#include "cli/memory_hint.h"

#include <fmt/format.h>

#include "cli/format.h"

namespace prunenet::cli {

std::optional<std::string> memory_hint(const WeightMemory& weights) {
  constexpr double kMuch = 4e9;
  const auto bytes = static_cast<double>(weights.bytes), free = static_cast<double>(weights.free_bytes);
  if (bytes <= kMuch && (weights.free_bytes == 0 || bytes <= free / 2)) return std::nullopt;
  std::string hint =
      fmt::format("the weights in {} will take {} of memory", weights.is_f32 ? "f32" : "bf16", format_bytes(bytes));
  if (weights.free_bytes > 0) hint += fmt::format(", and {} are free", format_bytes(free));
  hint += ": ";
  if (weights.is_f32) {
    const auto in_bf16 = static_cast<double>(weights.bf16_bytes);
    hint += fmt::format("--dtype bf16 takes {}, ", in_bf16 > 0 ? format_bytes(in_bf16) : "none for them");
  }
  return hint + "--stream holds one layer at a time";
}

}  // namespace prunenet::cli
