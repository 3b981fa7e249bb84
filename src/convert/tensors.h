// A tensor on its way from one checkpoint to another: where its values come from, and what becomes of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "checkpoint/tensor_sink.h"
#include "model/description.h"

namespace prunenet {

struct ConvertedTensor {
  TensorSpec spec;                   // name, type and shape in the new checkpoint
  MatrixRef source;                  // [rows, cols] there; a vector is a matrix of one column
  std::vector<int64_t> row_order{};  // new row i is row row_order[i] of the source; empty: as they are
  float add = 0;                     // to every value
  std::vector<float> values{};       // instead of a source: computed ones
};

/// The whole of a stored tensor, as a matrix [rows, the rest]; of a vector, one column.
MatrixRef whole_tensor(const TensorSpec& spec);

/// The specs of `tensors`, for a writer.
std::vector<TensorSpec> specs_of(const std::vector<ConvertedTensor>& tensors);

/// Writes every tensor in order. Bytes of an unchanged tensor are copied; else rows are widened to f32, changed, and
/// stored as the new type: of equal types that is exact. Progress counts bytes written. Memory: a few MiB, and a row.
/// Throws kNonFinite for NaN, infinity or a value beyond the range of the new type, named with the way out.
void write_tensors(const Checkpoint& checkpoint, const std::vector<ConvertedTensor>& tensors, TensorSink& sink,
                   Progress& progress);

/// A warning that so many matrices were quantised, whatever their type is now.
std::string quantised_before(int64_t matrices);

/// Row orders between the rotary layouts, for `heads` heads of `head_dim` rows of which the first `rotated` turn: new
/// rows 2i and 2i + 1 of a head are rows i and i + rotated / 2 of the source ("adjacent pairs", as llama.cpp wants them
/// for some architectures), and the way back.
std::vector<int64_t> adjacent_from_half_split(int64_t heads, int64_t head_dim, int64_t rotated);
std::vector<int64_t> half_split_from_adjacent(int64_t heads, int64_t head_dim, int64_t rotated);

/// Order of the rows of a stack of `groups` runs of queries, keys and values (`queries` rows of queries in a run, then
/// `shared` rows of keys, then as many of values) that puts all queries first, then all keys, then all values.
std::vector<int64_t> separated_from_grouped(int64_t groups, int64_t queries, int64_t shared);

}  // namespace prunenet
