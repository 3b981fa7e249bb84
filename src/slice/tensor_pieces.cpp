// The two kinds of tensors: bytes that are copied in runs (whole tensors are one run), and rows that are encoded anew.
#include "slice/tensor_pieces.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "slice/runs.h"

namespace prunenet {
namespace {

// What a tensor is cut from, and how its source is checked.
class Source {
 public:
  Source(const Checkpoint& checkpoint, const TensorCut& cut)
      : dtype_(cut.dtype), is_changed_(!cut.replaced.empty() || !cut.kept.empty()) {
    const Checkpoint::Entry& entry = checkpoint.tensors()[cut.source];
    const bool replaced = !cut.replaced.empty();
    bytes_ = replaced ? cut.replaced : checkpoint.bytes(entry);
    where_ = replaced ? fmt::format("new values of tensor '{}'", entry.stored.spec.name) : checkpoint.where(entry);
  }

  std::span<const std::byte> bytes() const { return bytes_; }
  Dtype dtype() const { return dtype_; }
  const std::string& where() const { return where_; }
  size_t size() const { return bytes_.size(); }
  std::span<const std::byte> part(size_t begin, size_t end) const { return bytes_.subspan(begin, end - begin); }

  void require_clean(std::span<const std::byte> checked) const {
    const Finiteness worst = worst_value(checked, dtype_);
    if (worst == Finiteness::kNan) fail(ErrorCode::kNonFinite, where_, "holds NaN");
    if (worst == Finiteness::kInfinity && is_changed_) fail(ErrorCode::kNonFinite, where_, "holds infinity");
  }

 private:
  std::span<const std::byte> bytes_;
  Dtype dtype_;
  bool is_changed_;
  std::string where_;
};

// The tensor as rows of `row_bytes`, of each of which the same runs stay.
class CopiedPieces final : public TensorPieces {
 public:
  CopiedPieces(Source source, size_t row_bytes, std::vector<ByteRun> runs)
      : source_(std::move(source)), row_bytes_(row_bytes), runs_(std::move(runs)) {
    for (const ByteRun& run : runs_) result_row_bytes_ += run.size_bytes;
    if (row_bytes_ > 0 && result_row_bytes_ > 0) rows_ = static_cast<int64_t>(source_.size() / row_bytes_);
    longest_split_ = kPieceBytes / dtype_block_bytes(source_.dtype()) * dtype_block_bytes(source_.dtype());
  }

  bool next(Piece& piece) override {
    if (row_ == rows_) return false;
    piece = {};
    piece.first_row = row_;
    if (std::max(row_bytes_, result_row_bytes_) <= kPieceBytes) {
      const auto at_once = static_cast<int64_t>(kPieceBytes / std::max(row_bytes_, result_row_bytes_));
      piece.rows = std::min(rows_ - row_, at_once);
      row_ += piece.rows;
      piece.checked = source_.part(row_begin(piece.first_row), row_begin(row_));
    } else {
      take_part_of_row(piece);
    }
    return true;
  }

  std::span<const std::byte> make(const Piece& piece, PieceBuffers& buffers) const override {
    source_.require_clean(piece.checked);
    return piece.rows > 0 ? make_rows(piece, buffers) : make_part_of_row(piece, buffers);
  }

 private:
  size_t row_begin(int64_t row) const { return static_cast<size_t>(row) * row_bytes_; }
  const std::byte* row_at(int64_t row) const { return source_.bytes().data() + row_begin(row); }

  // Runs up to a piece's size, a long one in parts. All of the source up to the last byte taken is checked with it.
  void take_part_of_row(Piece& piece) {
    piece.run = run_, piece.offset_bytes = offset_bytes_;
    const size_t checked_begin = checked_bytes_;
    while (run_ < runs_.size() && piece.size_bytes < longest_split_) {
      const ByteRun& run = runs_[run_];
      const size_t step = std::min(run.size_bytes - offset_bytes_, longest_split_ - piece.size_bytes);
      piece.size_bytes += step;
      offset_bytes_ += step;
      if (run.begin != kZeroRun) checked_bytes_ = std::max(checked_bytes_, run.begin + offset_bytes_);
      if (offset_bytes_ == run.size_bytes) ++run_, offset_bytes_ = 0;
    }
    const bool ends_row = run_ == runs_.size();
    const size_t checked_end = ends_row ? row_bytes_ : checked_bytes_;
    piece.checked = source_.part(row_begin(row_) + checked_begin, row_begin(row_) + checked_end);
    if (ends_row) ++row_, run_ = 0, offset_bytes_ = 0, checked_bytes_ = 0;
  }

  std::span<const std::byte> make_rows(const Piece& piece, PieceBuffers& buffers) const {
    const bool is_whole = runs_.size() == 1 && runs_[0].begin == 0 && runs_[0].size_bytes == row_bytes_;
    if (is_whole) return source_.part(row_begin(piece.first_row), row_begin(piece.first_row + piece.rows));
    const std::byte* const source_end = source_.bytes().data() + source_.size();
    const size_t size = static_cast<size_t>(piece.rows) * result_row_bytes_;
    if (buffers.bytes.size() < size + kCopySlack) buffers.bytes.resize(size + kCopySlack);
    std::byte* out = buffers.bytes.data();
    for (int64_t i = 0; i < piece.rows; ++i, out += result_row_bytes_) {
      copy_runs(row_at(piece.first_row + i), source_end, runs_, out);
    }
    return std::span(buffers.bytes).first(size);
  }

  std::span<const std::byte> make_part_of_row(const Piece& piece, PieceBuffers& buffers) const {
    const std::byte* const row = row_at(piece.first_row);
    const ByteRun& first = runs_[piece.run];
    if (first.begin != kZeroRun && piece.offset_bytes + piece.size_bytes <= first.size_bytes) {
      return {row + first.begin + piece.offset_bytes, piece.size_bytes};  // one run: no copy
    }
    if (buffers.bytes.size() < piece.size_bytes) buffers.bytes.resize(piece.size_bytes);
    std::byte* out = buffers.bytes.data();
    size_t left = piece.size_bytes, offset = piece.offset_bytes;
    for (size_t r = piece.run; left > 0; ++r, offset = 0) {
      const size_t step = std::min(runs_[r].size_bytes - offset, left);
      if (runs_[r].begin == kZeroRun) {
        std::memset(out, 0, step);
      } else {
        std::memcpy(out, row + runs_[r].begin + offset, step);
      }
      out += step;
      left -= step;
    }
    return std::span(buffers.bytes).first(piece.size_bytes);
  }

  Source source_;
  size_t row_bytes_, result_row_bytes_ = 0;
  std::vector<ByteRun> runs_;
  size_t longest_split_ = 0;  // whole elements or blocks, so that each is checked in one piece
  int64_t rows_ = 0;
  // Where the next piece begins.
  int64_t row_ = 0;
  size_t run_ = 0, offset_bytes_ = 0, checked_bytes_ = 0;
};

// Rows that are decoded, cut and encoded.
class RecodedPieces final : public TensorPieces {
 public:
  RecodedPieces(Source source, const std::vector<int64_t>& kept, int64_t rows, Dtype written)
      : source_(std::move(source)), kept_(kept), rows_(rows), written_(written) {
    if (rows_ > 0) row_bytes_ = source_.size() / static_cast<size_t>(rows_);
    cols_ =
        row_bytes_ / dtype_block_bytes(source_.dtype()) * static_cast<size_t>(dtype_block_elements(source_.dtype()));
    result_row_bytes_ = dtype_bytes(written, kept.size());
  }

  bool next(Piece& piece) override {
    if (row_ == rows_) return false;
    const size_t decoded_bytes = std::max(cols_, kept_.size()) * sizeof(float);
    const auto at_once = static_cast<int64_t>(std::max<size_t>(1, kPieceBytes / std::max<size_t>(1, decoded_bytes)));
    piece = {};
    piece.first_row = row_;
    piece.rows = std::min(rows_ - row_, at_once);
    row_ += piece.rows;
    piece.checked =
        source_.part(static_cast<size_t>(piece.first_row) * row_bytes_, static_cast<size_t>(row_) * row_bytes_);
    return true;
  }

  std::span<const std::byte> make(const Piece& piece, PieceBuffers& buffers) const override {
    source_.require_clean(piece.checked);
    buffers.decoded.resize(cols_);
    buffers.gathered.resize(kept_.size());
    const size_t size = static_cast<size_t>(piece.rows) * result_row_bytes_;
    if (buffers.bytes.size() < size) buffers.bytes.resize(size);
    for (size_t i = 0; i < static_cast<size_t>(piece.rows); ++i) {
      widen<float>(piece.checked.data() + i * row_bytes_, source_.dtype(), cols_, buffers.decoded.data());
      for (size_t k = 0; k < kept_.size(); ++k) {
        buffers.gathered[k] = kept_[k] == kZeros ? 0.0f : buffers.decoded[static_cast<size_t>(kept_[k])];
      }
      if (!narrow(buffers.gathered.data(), kept_.size(), written_, buffers.bytes.data() + i * result_row_bytes_)) {
        fail(ErrorCode::kNonFinite, source_.where(),
             "holds numbers beyond the range of {}, in which what stays of it is stored", dtype_name(written_));
      }
    }
    return std::span(buffers.bytes).first(size);
  }

 private:
  Source source_;
  const std::vector<int64_t>& kept_;
  int64_t rows_, row_ = 0;
  Dtype written_;
  size_t row_bytes_ = 0, cols_ = 0, result_row_bytes_ = 0;
};

// What is kept, in units: elements, whole blocks where columns of a quantised type go, whole rows.
std::unique_ptr<TensorPieces> copied(Source source, const TensorCut& cut, const std::vector<int64_t>& shape) {
  const auto axis = static_cast<size_t>(cut.axis);
  int64_t outer = 1, inner = 1;
  for (size_t d = 0; d < axis; ++d) outer *= shape[d];
  for (size_t d = axis + 1; d < shape.size(); ++d) inner *= shape[d];
  const size_t row_bytes = outer == 0 ? 0 : source.size() / static_cast<size_t>(outer);
  const int64_t unit = inner == 1 ? dtype_block_elements(cut.dtype) : 1;
  const size_t unit_bytes = dtype_bytes(cut.dtype, static_cast<uint64_t>(unit * inner));
  if (unit == 1) return std::make_unique<CopiedPieces>(std::move(source), row_bytes, runs_of(cut.kept, unit_bytes));
  std::vector<int64_t> blocks;
  for (size_t i = 0; i < cut.kept.size(); i += static_cast<size_t>(unit))
    blocks.push_back(cut.kept[i] == kZeros ? kZeros : cut.kept[i] / unit);
  return std::make_unique<CopiedPieces>(std::move(source), row_bytes, runs_of(blocks, unit_bytes));
}

}  // namespace

std::unique_ptr<TensorPieces> tensor_pieces(const Checkpoint& checkpoint, const TensorCut& cut, Dtype written) {
  const TensorSpec& spec = checkpoint.tensors()[cut.source].stored.spec;
  Source source(checkpoint, cut);
  if (cut.kept.empty()) {
    const size_t size = source.size();
    return std::make_unique<CopiedPieces>(std::move(source), size, std::vector<ByteRun>{{0, size}});
  }
  if (!cut.recoded) return copied(std::move(source), cut, spec.shape);
  // New values may have fewer columns than are stored; rows are as many.
  return std::make_unique<RecodedPieces>(std::move(source), cut.kept, spec.num_elements() / spec.shape.back(), written);
}

}  // namespace prunenet
