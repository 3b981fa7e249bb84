// New values for stored tensors: in which type they are stored, and their bytes. The counterpart of weights.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/description.h"

namespace prunenet {

/// The type in which new values of a tensor are stored, `cols` to a row: its own where that can be written; Q8_0
/// instead of another quantised one; F16 where a row is no whole number of Q8_0's blocks. What holds no weights
/// (integers) stays what it is, and takes none.
Dtype replacement_dtype(Dtype stored, int64_t cols);

/// What becomes of the rows of a stored matrix of which only the columns `kept` stay (negative: a column of zeros).
struct ColumnCut {
  Dtype dtype = Dtype::kF32;  // in which they are stored
  bool copied = true;         // their bytes are; else they are decoded, and encoded as replacement_dtype says: the kept
                              // columns do not fill the blocks of a quantised type
};
ColumnCut column_cut(Dtype stored, std::span<const int64_t> kept);

/// The bytes of `values`, `cols` to a row, as new values of the stored tensor `tensor`, in the order in which it stores
/// them: of type replacement_dtype, rounded to nearest, ties to even (Q8_0: as ggml's reference quantiser). Throws
/// kUnsupported for a tensor that holds no weights, kNonFinite naming the tensor when a value is not finite or lies
/// beyond the range of the type.
std::vector<std::byte> encode_rows(const Checkpoint& checkpoint, const std::string& tensor,
                                   std::span<const float> values, int64_t cols);

/// Likewise of a matrix that becomes `values` [matrix.rows, cols], row-major and logical [out, in], in the layout in
/// which it is stored (Conv1D is transposed); cols is what the size of `values` makes it. Throws kUnsupported, too, for
/// a matrix that shares its tensor with others.
std::vector<std::byte> encode_matrix(const Checkpoint& checkpoint, const MatrixRef& matrix,
                                     std::span<const float> values);

/// Likewise of a vector (a bias), of any length.
std::vector<std::byte> encode_vector(const Checkpoint& checkpoint, const std::string& tensor,
                                     std::span<const float> values);

/// Makes of `values`, `cols` to a row, what is read where they are stored as `dtype`. Throws kNonFinite, naming
/// `where`, for what that cannot hold.
void round_to(Dtype dtype, int64_t cols, std::span<float> values, const std::string& where);

}  // namespace prunenet
