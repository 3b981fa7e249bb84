// Counting the tensors that are written in another type than they had, or quantised anew, to say so in a few lines.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "slice/slice.h"

namespace prunenet {

class Retyped {
 public:
  /// Counts a tensor of the plan. `role`: its name within a layer, "ffn_down"; `stored`: its type in the source;
  /// `written`: what will be stored; `units`: what is cut of it ("neurons").
  void add(const std::string& role, Dtype stored, const TensorSpec& written, const TensorCut& cut,
           std::string_view units);
  /// A line for each role, pair of types and reason: how many of how many, why, and what they take; and one where all
  /// that was counted takes more than `source_bytes`, the tensors of the source.
  std::vector<std::string> notes(uint64_t source_bytes) const;

 private:
  struct Kind {
    std::string role;
    Dtype from, to;
    bool replaced;  // by new values, instead of cut through blocks
    std::string_view units;
    auto operator<=>(const Kind&) const = default;
  };
  struct Total {
    int64_t tensors = 0, elements = 0;
  };
  std::map<Kind, Total> kinds_;
  std::map<std::string, int64_t> tensors_of_role_;
  uint64_t bytes_ = 0;
};

}  // namespace prunenet
