// What the tests of cutting GGUF files share: the lists that masks are made of, a file that is cut, and what its bytes
// should be.
#pragma once

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "slice/slice.h"
#include "tiny_gguf.h"

namespace prunenet::test {

using List = std::vector<int64_t>;

inline List range(int64_t first, int64_t end) {
  List indices(static_cast<size_t>(end - first));
  std::iota(indices.begin(), indices.end(), first);
  return indices;
}

// `count` of `of`, spread.
inline List spread(int64_t count, int64_t of) {
  List indices;
  for (int64_t i = 0; i < count; ++i) indices.push_back(i * of / count);
  return indices;
}

inline List joined(List a, const List& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// The same for every layer.
inline std::vector<List> three(const List& kept) {
  return {kept, kept, kept};
}

class SliceGguf : public ::testing::Test {
 protected:
  void open(const TinyGguf& made) {
    std::filesystem::remove(folder / "in.gguf");
    made.write(folder / "in.gguf");
    checkpoint.emplace(folder / "in.gguf");
    model = describe_model(*checkpoint);
  }
  SlicePlan plan(const Edits& edits) const { return plan_slice(*checkpoint, model, edits); }
  Checkpoint write(const Edits& edits, SliceOptions options = {}) const {
    SilentProgress progress;
    options.overwrite = true;
    write_slice(*checkpoint, plan(edits), folder / "out.gguf", options, progress);
    return Checkpoint(folder / "out.gguf");
  }
  void refused(const Edits& edits, ErrorCode code, const std::vector<std::string>& fragments) const {
    expect_error(code, fragments, [&] { plan(edits); });
  }
  // The bytes of some rows, or of some blocks of columns, element by element of what is indivisible.
  std::string rows(const std::string& name, const List& kept) const { return cut_bytes(name, 0, kept); }
  std::string columns(const std::string& name, const List& kept) const { return cut_bytes(name, 1, kept); }

  const TemporaryFolder folder;
  std::optional<Checkpoint> checkpoint;
  ModelDescription model;

 private:
  std::string cut_bytes(const std::string& name, int axis, const List& kept) const {
    const TensorSpec& spec = checkpoint->at(name).stored.spec;
    const std::string all = bytes_of(*checkpoint, name);
    const int64_t block = dtype_block_elements(spec.dtype), blocks = spec.shape[1] / block;
    const size_t size = dtype_block_bytes(spec.dtype);
    std::string result;
    for (int64_t i = 0; i < spec.shape[0]; ++i) {
      for (int64_t b = 0; b < blocks; ++b) {
        const int64_t along = axis == 0 ? i : b * block;
        if (std::find(kept.begin(), kept.end(), along) == kept.end()) continue;
        result += all.substr(static_cast<size_t>(i * blocks + b) * size, size);
      }
    }
    return result;
  }
};

// What is left of a matrix [rows, cols] when its columns are gathered by hand and stored as `dtype`.
inline std::string recoded(const Checkpoint& checkpoint, const std::string& name, const List& kept, Dtype dtype) {
  const TensorSpec& spec = checkpoint.at(name).stored.spec;
  const std::vector<float> values = numbers_of(checkpoint, name);
  std::vector<float> left;
  for (int64_t i = 0; i < spec.shape[0]; ++i) {
    for (int64_t j : kept) left.push_back(j < 0 ? 0.0f : values[static_cast<size_t>(i * spec.shape[1] + j)]);
  }
  std::string bytes(dtype_bytes(dtype, left.size()), '\0');
  EXPECT_TRUE(narrow(left.data(), left.size(), dtype, reinterpret_cast<std::byte*>(bytes.data())));
  return bytes;
}

// Notes that hold all of these fragments.
inline int count_notes(const std::vector<std::string>& notes, const std::vector<std::string>& fragments) {
  int count = 0;
  for (const std::string& note : notes) {
    bool all = true;
    for (const std::string& fragment : fragments) all = all && note.find(fragment) != std::string::npos;
    count += all;
  }
  return count;
}

}  // namespace prunenet::test
