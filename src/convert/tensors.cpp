// Rows from one checkpoint to another.
#include "convert/tensors.h"

#include <algorithm>

#include "base/cancel.h"
#include "base/error.h"
#include "model/weights.h"

namespace prunenet {
namespace {

constexpr size_t kChunkBytes = 4u << 20;

// Collects encoded rows, and hands them on in large pieces.
class RowEncoder {
 public:
  RowEncoder(const ConvertedTensor& tensor, std::string where, TensorSink& sink, Progress& progress)
      : tensor_(tensor), where_(std::move(where)), sink_(sink), progress_(progress) {}

  void put(std::span<const float> row) {
    std::span<const float> values = row;
    if (tensor_.add != 0) {
      changed_.assign(row.begin(), row.end());
      for (float& value : changed_) value += tensor_.add;
      values = changed_;
    }
    // A row of one number (of a vector) is no block; vectors are never quantised.
    const size_t size = dtype_bytes(tensor_.spec.dtype, values.size());
    if (buffer_.size() + size > kChunkBytes) flush();
    const size_t start = buffer_.size();
    buffer_.resize(start + size);
    if (narrow(values.data(), values.size(), tensor_.spec.dtype, buffer_.data() + start)) return;
    fail(ErrorCode::kNonFinite, where_,
         "holds a value that {} cannot store (NaN, infinity, or beyond its range): choose f32 or bf16",
         dtype_name(tensor_.spec.dtype));
  }

  void flush() {
    throw_if_cancelled();
    if (buffer_.empty()) return;
    sink_.append(buffer_);
    progress_.advance(static_cast<double>(buffer_.size()));
    buffer_.clear();
  }

 private:
  const ConvertedTensor& tensor_;
  std::string where_;
  TensorSink& sink_;
  Progress& progress_;
  std::vector<std::byte> buffer_;
  std::vector<float> changed_;
};

bool is_copy(const ConvertedTensor& tensor, const TensorSpec& stored) {
  const MatrixRef& source = tensor.source;
  return tensor.row_order.empty() && tensor.add == 0 && !source.transposed && source.first_row == 0 &&
         stored.dtype == tensor.spec.dtype && source.rows * source.cols == stored.num_elements();
}

void copy_bytes(const Checkpoint& checkpoint, const Checkpoint::Entry& entry, TensorSink& sink, Progress& progress) {
  const std::span<const std::byte> bytes = checkpoint.bytes(entry);
  if (worst_value(bytes, entry.stored.spec.dtype) == Finiteness::kNan)
    fail(ErrorCode::kNonFinite, checkpoint.where(entry), "holds NaN");
  for (size_t begin = 0; begin < bytes.size(); begin += kChunkBytes) {
    throw_if_cancelled();
    const auto chunk = bytes.subspan(begin, std::min(kChunkBytes, bytes.size() - begin));
    sink.append(chunk);
    progress.advance(static_cast<double>(chunk.size()));
  }
  checkpoint.release(entry);
}

void write_tensor(const Checkpoint& checkpoint, const ConvertedTensor& tensor, TensorSink& sink, Progress& progress) {
  if (!tensor.values.empty()) {
    RowEncoder encoder(tensor, fmt::format("tensor '{}'", tensor.spec.name), sink, progress);
    encoder.put(tensor.values);
    encoder.flush();
    return;
  }
  const Checkpoint::Entry& entry = checkpoint.at(tensor.source.tensor);
  if (is_copy(tensor, entry.stored.spec)) {
    copy_bytes(checkpoint, entry, sink, progress);
    return;
  }
  RowEncoder encoder(tensor, checkpoint.where(entry), sink, progress);
  const auto put = [&](int64_t, std::span<const float> row) { encoder.put(row); };
  if (tensor.row_order.empty()) {
    for_each_row<float>(checkpoint, tensor.source, put);
  } else {
    for_each_row_of<float>(checkpoint, tensor.source, tensor.row_order, put);
  }
  encoder.flush();
}

}  // namespace

MatrixRef whole_tensor(const TensorSpec& spec) {
  const int64_t rows = spec.shape.empty() ? 1 : spec.shape.front();
  return {spec.name, 0, rows, rows == 0 ? 0 : spec.num_elements() / rows, false};
}

std::vector<TensorSpec> specs_of(const std::vector<ConvertedTensor>& tensors) {
  std::vector<TensorSpec> specs;
  for (const ConvertedTensor& tensor : tensors) specs.push_back(tensor.spec);
  return specs;
}

void write_tensors(const Checkpoint& checkpoint, const std::vector<ConvertedTensor>& tensors, TensorSink& sink,
                   Progress& progress) {
  progress.begin("converting", static_cast<double>(sink.total_bytes()));
  for (const ConvertedTensor& tensor : tensors) write_tensor(checkpoint, tensor, sink, progress);
  sink.finish();
  progress.end();
}

std::string quantised_before(int64_t matrices) {
  return fmt::format("{} matrices were quantised before: what that lost does not come back", matrices);
}

std::vector<int64_t> adjacent_from_half_split(int64_t heads, int64_t head_dim, int64_t rotated) {
  std::vector<int64_t> order;
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t row = 0; row < head_dim; ++row) {
      const int64_t within = row < rotated ? row / 2 + row % 2 * (rotated / 2) : row;
      order.push_back(head * head_dim + within);
    }
  }
  return order;
}

std::vector<int64_t> half_split_from_adjacent(int64_t heads, int64_t head_dim, int64_t rotated) {
  const std::vector<int64_t> there = adjacent_from_half_split(heads, head_dim, rotated);
  std::vector<int64_t> order(there.size());
  for (size_t i = 0; i < there.size(); ++i) order[static_cast<size_t>(there[i])] = static_cast<int64_t>(i);
  return order;
}

std::vector<int64_t> separated_from_grouped(int64_t groups, int64_t queries, int64_t shared) {
  const int64_t run = queries + 2 * shared;
  std::vector<int64_t> order;
  const auto take = [&](int64_t first, int64_t count) {
    for (int64_t group = 0; group < groups; ++group) {
      for (int64_t row = 0; row < count; ++row) order.push_back(group * run + first + row);
    }
  };
  take(0, queries);
  take(queries, shared);
  take(queries + shared, shared);
  return order;
}

}  // namespace prunenet
