// The rows that a choice leaves out, and when their part may be taken off a Gram matrix.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace prunenet {

/// The rows of 0..count-1 that are not among the ascending `kept`.
std::vector<int64_t> removed_rows(std::span<const int64_t> kept, int64_t count);

/// Whether G - R^T R stands for the kept rows' own Gram matrix: what is taken off leaves its rounding errors behind, so not
/// where it holds most of the squared weight.
inline bool may_downdate(double removed_weight, double all_weight) { return removed_weight <= 0.75 * all_weight; }

}  // namespace prunenet
