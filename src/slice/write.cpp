// Writing a cut: untouched tensors straight from the mapping, cut ones gathered through a small buffer.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/cancel.h"
#include "base/error.h"
#include "base/output_folder.h"
#include "slice/slice.h"
#include "slice/write_queue.h"

namespace prunenet {
namespace fs = std::filesystem;
namespace {

constexpr size_t kChunkBytes = 4u << 20;

class TensorStream {
 public:
  TensorStream(WriteQueue& queue, Progress& progress) : queue_(queue), progress_(progress) {}

  void copy(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto chunk = bytes.first(std::min(kChunkBytes, bytes.size()));
      count(chunk.size());
      queue_.push(chunk);
      bytes = bytes.subspan(chunk.size());
    }
  }

  // The tensor is done with, once what was taken of it is written.
  void release(const Checkpoint& checkpoint, const Checkpoint::Entry& entry) {
    queue_.push([&checkpoint, &entry] { checkpoint.release(entry); });
  }

  // [outer, extent, inner bytes]: keeps some of the middle indices; kZeros stands for zeros.
  void gather(std::span<const std::byte> bytes, int64_t outer, int64_t extent, size_t inner,
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

 private:
  struct Run {
    int64_t first, count;
  };

  static std::vector<Run> runs_of(const std::vector<int64_t>& kept) {
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

  // Columns of a few bytes each: one by one is faster than a copy for each run.
  template <typename Element>
  void gather_elements(const std::byte* row, const std::vector<int64_t>& kept) {
    const size_t size = kept.size() * sizeof(Element);
    if (buffer_.size() + size > kChunkBytes) flush();
    if (buffer_.empty()) buffer_ = queue_.take_buffer(std::max(kChunkBytes, size));
    const size_t start = buffer_.size();
    buffer_.resize(start + size);
    std::byte* out = buffer_.data() + start;
    for (size_t k = 0; k < kept.size(); ++k) {
      if (kept[k] == kZeros) continue;  // a resized buffer is zero there
      std::memcpy(out + k * sizeof(Element), row + static_cast<size_t>(kept[k]) * sizeof(Element), sizeof(Element));
    }
  }

  void append(std::span<const std::byte> bytes) {
    if (bytes.size() >= kChunkBytes / 4) {  // long runs need no second copy
      flush();
      copy(bytes);
      return;
    }
    if (buffer_.size() + bytes.size() > kChunkBytes) flush();
    if (buffer_.empty()) buffer_ = queue_.take_buffer(kChunkBytes);
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }

  void append_zeros(size_t size) {
    while (size > 0) {
      if (buffer_.size() == kChunkBytes) flush();
      if (buffer_.empty()) buffer_ = queue_.take_buffer(kChunkBytes);
      const size_t step = std::min(size, kChunkBytes - buffer_.size());
      buffer_.resize(buffer_.size() + step);
      size -= step;
    }
  }

  void flush() {
    if (buffer_.empty()) return;
    count(buffer_.size());
    queue_.push(std::exchange(buffer_, {}));
  }

  void count(size_t size_bytes) {
    throw_if_cancelled();
    progress_.advance(static_cast<double>(size_bytes));
  }

  WriteQueue& queue_;
  Progress& progress_;
  std::vector<std::byte> buffer_;
};

void require_clean(std::span<const std::byte> bytes, Dtype dtype, bool is_changed, const std::string& where) {
  const Finiteness worst = worst_value(bytes, dtype);
  if (worst == Finiteness::kNan) fail(ErrorCode::kNonFinite, where, "holds NaN");
  if (worst == Finiteness::kInfinity && is_changed) fail(ErrorCode::kNonFinite, where, "holds infinity");
}

void write_tensor(const Checkpoint& checkpoint, const TensorCut& cut, TensorStream& stream) {
  const Checkpoint::Entry& entry = checkpoint.tensors()[cut.source];
  const TensorSpec& spec = entry.stored.spec;
  const bool replaced = !cut.replaced.empty();
  const auto bytes = replaced ? cut.replaced : checkpoint.bytes(entry);
  require_clean(bytes, spec.dtype, replaced || !cut.kept.empty(),
                replaced ? fmt::format("new values of tensor '{}'", spec.name) : checkpoint.where(entry));
  if (cut.kept.empty()) {
    stream.copy(bytes);
  } else {
    const auto axis = static_cast<size_t>(cut.axis);
    int64_t outer = 1;
    size_t inner = dtype_size_bytes(spec.dtype);
    for (size_t d = 0; d < axis; ++d) outer *= spec.shape[d];
    for (size_t d = axis + 1; d < spec.shape.size(); ++d) inner *= static_cast<size_t>(spec.shape[d]);
    const int64_t extent = replaced ? static_cast<int64_t>(bytes.size() / inner) / outer : spec.shape[axis];
    stream.gather(bytes, outer, extent, inner, cut.kept);
  }
  stream.release(checkpoint, entry);
}

void write_text(const fs::path& path, const std::string& text) {
  FileWriter writer(path);
  writer.append(text);
  writer.close();
}

uint64_t bytes_to_write(const CheckpointWriter& writer, const Checkpoint::SideFiles& side) {
  uint64_t total = writer.total_bytes();
  for (const auto& file : side.copied) total += fs::file_size(file.source);
  return total;
}

}  // namespace

void require_output_possible(const Checkpoint& checkpoint, const fs::path& target, bool overwrite) {
  const fs::path source = resolved_path(checkpoint.folder()), out = resolved_path(target);
  if (is_within(out, source)) fail(ErrorCode::kBadOption, out.string(), "the output lies in the model's own folder");
  if (is_within(source, out))
    fail(ErrorCode::kBadOption, out.string(), "the output would replace a folder that holds the model");
  const OutputFolder trial(out, overwrite);
}

uint64_t write_slice(const Checkpoint& checkpoint, const SlicePlan& plan, const fs::path& target,
                     const SliceOptions& options, Progress& progress) {
  require_output_possible(checkpoint, target, options.overwrite);
  OutputFolder folder(target, options.overwrite);
  const Checkpoint::SideFiles side = checkpoint.side_files();
  CheckpointWriter writer(folder.staging(), plan.tensors, checkpoint.metadata(), options.max_shard_bytes);
  folder.require_space(bytes_to_write(writer, side));

  progress.begin("writing", static_cast<double>(writer.total_bytes()));
  WriteQueue queue(writer);
  TensorStream stream(queue, progress);
  for (const TensorCut& cut : plan.cuts) write_tensor(checkpoint, cut, stream);
  queue.finish();
  writer.finish();
  progress.end();

  write_text(folder.staging() / "config.json", plan.config_text);
  for (const auto& file : side.copied) {
    const MappedFile source(file.source);
    FileWriter copy(folder.staging() / file.name);
    copy.append(source.bytes());
    copy.close();
  }
  for (const auto& [name, text] : plan.extra_files) write_text(folder.staging() / name, text);
  for (const auto& [name, text] : options.extra_files) write_text(folder.staging() / name, text);
  folder.commit();
  return writer.total_bytes();
}

}  // namespace prunenet
