// New values for quantised tensors: the rule for their type, what fills blocks, and what cannot be stored. (Of the
// other types: weights_test.cpp.)
#include "model/encode.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "slice/tiny_gguf.h"

namespace prunenet {
namespace {

using List = std::vector<int64_t>;

List range(int64_t first, int64_t count) {
  List indices(static_cast<size_t>(count));
  std::iota(indices.begin(), indices.end(), first);
  return indices;
}

List joined(std::initializer_list<List> lists) {
  List all;
  for (const List& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

TEST(ReplacementDtype, IsTheStoredOneWhereThatCanBeWritten) {
  for (const Dtype dtype : {Dtype::kF64, Dtype::kF32, Dtype::kF16, Dtype::kBf16, Dtype::kI8}) {
    for (const int64_t cols : {1, 32, 100}) EXPECT_EQ(replacement_dtype(dtype, cols), dtype);
  }
  for (const Dtype dtype : test::kGgufDtypes) {
    if (!dtype_is_quantised(dtype)) continue;
    for (const int64_t cols : {32, 64, 256, 1056}) EXPECT_EQ(replacement_dtype(dtype, cols), Dtype::kQ8_0);
    for (const int64_t cols : {1, 31, 33, 7705}) EXPECT_EQ(replacement_dtype(dtype, cols), Dtype::kF16);
  }
}

TEST(ColumnCut, IsCopiedWhereEveryNewBlockIsAnOldOne) {
  const auto copied = [](Dtype dtype, const List& kept) {
    const ColumnCut cut = column_cut(dtype, kept);
    EXPECT_EQ(cut.dtype, cut.copied ? dtype : replacement_dtype(dtype, static_cast<int64_t>(kept.size())));
    return cut.copied;
  };
  const List zeros(32, -1);
  EXPECT_TRUE(copied(Dtype::kQ4_0, range(0, 32)));
  EXPECT_TRUE(copied(Dtype::kQ4_0, joined({range(64, 32), range(160, 64)})));
  EXPECT_TRUE(copied(Dtype::kQ4_0, joined({range(64, 32), range(0, 32)}))) << "whole blocks in any order";
  EXPECT_TRUE(copied(Dtype::kQ4_0, joined({range(32, 32), zeros, zeros})));
  EXPECT_TRUE(copied(Dtype::kQ6K, joined({range(256, 256), range(1024, 512)})));

  EXPECT_FALSE(copied(Dtype::kQ4_0, range(1, 32))) << "no block begins there";
  EXPECT_FALSE(copied(Dtype::kQ4_0, range(0, 31))) << "no whole block";
  EXPECT_FALSE(copied(Dtype::kQ4_0, joined({range(0, 16), range(48, 16)})));
  EXPECT_FALSE(copied(Dtype::kQ4_0, joined({range(0, 31), range(32, 1)})));
  EXPECT_FALSE(copied(Dtype::kQ4_0, joined({range(0, 20), List(12, -1)}))) << "a block that zeros fill up";
  EXPECT_FALSE(copied(Dtype::kQ4_0, joined({List(31, -1), range(31, 1)})));
  EXPECT_FALSE(copied(Dtype::kQ6K, joined({range(0, 256), range(256, 32)})));
  EXPECT_FALSE(copied(Dtype::kQ6K, range(32, 256)));
  List twice = range(0, 32);
  twice[7] = 6;
  EXPECT_FALSE(copied(Dtype::kQ8_0, twice));

  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBf16, Dtype::kI8})
    EXPECT_TRUE(copied(dtype, {9, 3, 3, -1}));
}

class EncodeQuantised : public testing::TestWithParam<Dtype> {
 protected:
  EncodeQuantised() {
    test::tiny_gguf(GetParam()).write(folder / "in.gguf");
    checkpoint.emplace(folder / "in.gguf");
  }
  const test::TemporaryFolder folder;
  std::optional<Checkpoint> checkpoint;
};

TEST_P(EncodeQuantised, RowsAreRoundedAsTheyWillBeRead) {
  for (const int64_t cols : {32, 96, 33}) {
    std::vector<float> values(static_cast<size_t>(5 * cols));
    for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i * i));
    const Dtype dtype = cols == 33 ? Dtype::kF16 : Dtype::kQ8_0;
    std::vector<std::byte> expected(dtype_bytes(dtype, values.size()));
    ASSERT_TRUE(narrow(values.data(), values.size(), dtype, expected.data()));
    EXPECT_EQ(encode_rows(*checkpoint, test::blk(0, "ffn_down"), values, cols), expected);
    std::vector<float> read(values.size());
    widen<float>(expected.data(), dtype, read.size(), read.data());
    round_to(dtype, cols, values, "here");
    EXPECT_EQ(values, read);
  }
}

TEST_P(EncodeQuantised, WhatCannotBeStoredNamesTheTensor) {
  const std::string name = test::blk(1, "ffn_down");
  std::vector<float> values(64, 1);
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    values[40] = bad;
    test::expect_error(ErrorCode::kNonFinite, {name, "a new value is"},
                       [&] { encode_rows(*checkpoint, name, values, 32); });
    test::expect_error(ErrorCode::kNonFinite, {"here"}, [&] { round_to(Dtype::kQ8_0, 32, values, "here"); });
  }
  values[40] = -1e7f;  // a scale of 78740 is beyond half precision
  test::expect_error(ErrorCode::kNonFinite, {name, "-10000000", "Q8_0"},
                     [&] { encode_rows(*checkpoint, name, values, 32); });
  values[40] = 65520;
  EXPECT_NO_THROW(encode_rows(*checkpoint, name, values, 32));
  test::expect_error(ErrorCode::kNonFinite, {name, "65520", "F16"},
                     [&] { encode_rows(*checkpoint, name, values, 16); });
}

INSTANTIATE_TEST_SUITE_P(Some, EncodeQuantised, testing::Values(Dtype::kQ4_0, Dtype::kQ8_0, Dtype::kQ4K, Dtype::kQ6K),
                         [](const auto& typed) { return std::string(dtype_name(typed.param)); });

}  // namespace
}  // namespace prunenet
