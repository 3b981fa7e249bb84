// Runs of what is kept, columns element by element, rows decoded and encoded.
#include "slice/tensor_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/cancel.h"
#include "base/error.h"
#include "slice/slice.h"

namespace prunenet {
namespace {

constexpr size_t kChunkBytes = 4u << 20;

struct Run {
  int64_t first, count;
};

std::vector<Run> runs_of(const std::vector<int64_t>& kept) {
  std::vector<Run> runs;
  for (int64_t index : kept) {
    const int64_t next = runs.empty()                  ? 0
                         : runs.back().first == kZeros ? kZeros
                                                       : runs.back().first + runs.back().count;
    if (!runs.empty() && next == index) {
      ++runs.back().count;
    } else {
      runs.push_back({index, 1});
    }
  }
  return runs;
}

}  // namespace

void TensorStream::copy(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto chunk = bytes.first(std::min(kChunkBytes, bytes.size()));
    count(chunk.size());
    queue_.push(chunk);
    bytes = bytes.subspan(chunk.size());
  }
}

void TensorStream::gather(std::span<const std::byte> bytes, int64_t outer, int64_t extent, size_t inner,
                          const std::vector<int64_t>& kept) {
  const std::vector<Run> runs = runs_of(kept);
  for (int64_t i = 0; i < outer; ++i) {
    const std::byte* row = bytes.data() + static_cast<size_t>(i * extent) * inner;
    if (inner == 2) {
      gather_elements<uint16_t>(row, kept);
    } else if (inner == 4) {
      gather_elements<uint32_t>(row, kept);
    } else {
      for (const Run& run : runs) {
        const size_t size = static_cast<size_t>(run.count) * inner;
        if (run.first == kZeros) {
          append_zeros(size);
        } else {
          append({row + static_cast<size_t>(run.first) * inner, size});
        }
      }
    }
  }
  flush();
}

void TensorStream::recode(std::span<const std::byte> bytes, Dtype from, int64_t cols, const std::vector<int64_t>& kept,
                          Dtype to, const std::string& where) {
  const size_t row_bytes = dtype_bytes(from, static_cast<uint64_t>(cols));
  const size_t new_row_bytes = dtype_bytes(to, kept.size());
  std::vector<float> row(static_cast<size_t>(cols)), gathered(kept.size());
  for (; !bytes.empty(); bytes = bytes.subspan(row_bytes)) {
    widen<float>(bytes.data(), from, row.size(), row.data());
    for (size_t k = 0; k < kept.size(); ++k) gathered[k] = kept[k] == kZeros ? 0.0f : row[static_cast<size_t>(kept[k])];
    if (!narrow(gathered.data(), gathered.size(), to, grow(new_row_bytes))) {
      fail(ErrorCode::kNonFinite, where, "holds numbers beyond the range of {}, in which what stays of it is stored",
           dtype_name(to));
    }
  }
  flush();
}

void TensorStream::release(const Checkpoint& checkpoint, const Checkpoint::Entry& entry) {
  queue_.push([&checkpoint, &entry] { checkpoint.release(entry); });
}

// Columns of a few bytes each: one by one is faster than a copy for each run.
template <typename Element>
void TensorStream::gather_elements(const std::byte* row, const std::vector<int64_t>& kept) {
  std::byte* out = grow(kept.size() * sizeof(Element));
  for (size_t k = 0; k < kept.size(); ++k) {
    if (kept[k] == kZeros) continue;
    std::memcpy(out + k * sizeof(Element), row + static_cast<size_t>(kept[k]) * sizeof(Element), sizeof(Element));
  }
}

void TensorStream::append(std::span<const std::byte> bytes) {
  if (bytes.size() >= kChunkBytes / 4) {  // long runs need no second copy
    flush();
    copy(bytes);
    return;
  }
  if (buffer_.size() + bytes.size() > kChunkBytes) flush();
  if (buffer_.empty()) buffer_ = queue_.take_buffer(kChunkBytes);
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void TensorStream::append_zeros(size_t size) {
  while (size > 0) {
    if (buffer_.size() == kChunkBytes) flush();
    if (buffer_.empty()) buffer_ = queue_.take_buffer(kChunkBytes);
    const size_t step = std::min(size, kChunkBytes - buffer_.size());
    buffer_.resize(buffer_.size() + step);
    size -= step;
  }
}

// Room for `size` bytes at the end of the buffer, all zero.
std::byte* TensorStream::grow(size_t size) {
  if (buffer_.size() + size > kChunkBytes) flush();
  if (buffer_.empty()) buffer_ = queue_.take_buffer(std::max(kChunkBytes, size));
  const size_t start = buffer_.size();
  buffer_.resize(start + size);
  return buffer_.data() + start;
}

void TensorStream::flush() {
  if (buffer_.empty()) return;
  count(buffer_.size());
  queue_.push(std::exchange(buffer_, {}));
}

void TensorStream::count(size_t size_bytes) {
  throw_if_cancelled();
  progress_.advance(static_cast<double>(size_bytes));
}

}  // namespace prunenet
