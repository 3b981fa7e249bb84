// Looking at what a prune wrote: tensors by name, and a checkpoint's cut worked out a second time.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace prunenet::test {

using Rows = std::vector<std::vector<int64_t>>;  // kept FFN rows of every layer

/// Every tensor of a folder: its type and shape, and its bytes.
struct TensorValue {
  TensorSpec spec;
  std::string bytes;
  bool operator==(const TensorValue& other) const {
    return spec.dtype == other.spec.dtype && spec.shape == other.spec.shape && bytes == other.bytes;
  }
};
std::map<std::string, TensorValue> tensors_of(const std::filesystem::path& folder);

/// Keeps these indices along `axis`, element by element: the plain formula.
TensorValue keep_indices(const TensorValue& tensor, size_t axis, const std::vector<int64_t>& indices);

/// `kept_rows` of prunenet.json.
Rows kept_rows_of(const std::filesystem::path& folder);
/// The text of a mask file.
std::string mask_text(const Rows& rows);

/// Expects equal names and equal bytes, and names what differs.
void expect_same_tensors(const std::map<std::string, TensorValue>& expected,
                         const std::map<std::string, TensorValue>& found);

}  // namespace prunenet::test
