// Reading matrices in every layout against the plain formula, norms, and mask files.
#include <cmath>
#include <cstring>
#include <limits>

#include "model/encode.h"
#include "model/mask.h"
#include "model/weights.h"
#include "support/support.h"

namespace prunenet {
namespace {

// A folder with one tensor "t" [rows, cols] of 0, 1, 2 ... and a config that nobody reads.
class OneTensor {
 public:
  OneTensor(std::vector<int64_t> shape, std::vector<float> values) {
    test::write_bytes(folder_ / "config.json", "{}");
    test::write_bytes(folder_ / "model.safetensors",
                      test::safetensors_bytes({test::f32_tensor("t", std::move(shape), values)}));
  }
  Checkpoint open() const { return Checkpoint(folder_.path()); }

 private:
  test::TemporaryFolder folder_;
};

std::vector<float> counting(int64_t count) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(i));
  return values;
}

TEST(ReadMatrix, PlainStackedAndTransposed) {
  const OneTensor made({6, 4}, counting(24));
  const Checkpoint checkpoint = made.open();
  std::vector<double> whole(24), lower(12), flipped(24);
  read_matrix<double>(checkpoint, {"t", 0, 6, 4, false}, whole);
  read_matrix<double>(checkpoint, {"t", 3, 3, 4, false}, lower);
  read_matrix<double>(checkpoint, {"t", 0, 4, 6, true}, flipped);
  for (int i = 0; i < 6; ++i) {
    for (int j = 0; j < 4; ++j) {
      EXPECT_EQ(whole[static_cast<size_t>(i * 4 + j)], i * 4 + j);
      EXPECT_EQ(flipped[static_cast<size_t>(j * 6 + i)], i * 4 + j);
      if (i >= 3) {
        EXPECT_EQ(lower[static_cast<size_t>((i - 3) * 4 + j)], i * 4 + j);
      }
    }
  }
}

TEST(ReadMatrix, TransposedInSeveralPanels) {
  const int64_t rows = 700, cols = 300;  // more than one panel of 65536 elements
  const OneTensor made({cols, rows}, counting(rows * cols));
  const Checkpoint checkpoint = made.open();
  std::vector<float> values(static_cast<size_t>(rows * cols));
  read_matrix<float>(checkpoint, {"t", 0, rows, cols, true}, values);
  for (int64_t i = 0; i < rows; i += 37) {
    for (int64_t j = 0; j < cols; j += 11)
      EXPECT_EQ(values[static_cast<size_t>(i * cols + j)], static_cast<float>(j * rows + i));
  }
}

TEST(ReadMatrix, NanAndInfinityNameTheTensor) {
  for (bool transposed : {false, true}) {
    for (float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
      std::vector<float> values = counting(12);
      values[11] = bad;
      const OneTensor made({3, 4}, values);
      const Checkpoint checkpoint = made.open();
      std::vector<float> out(12);
      const MatrixRef matrix = transposed ? MatrixRef{"t", 0, 4, 3, true} : MatrixRef{"t", 0, 3, 4, false};
      test::expect_error(ErrorCode::kNonFinite, {"model.safetensors", "'t'", std::isnan(bad) ? "NaN" : "infinity"},
                         [&] { read_matrix<float>(checkpoint, matrix, out); });
    }
  }
}

TEST(Norms, OfRowsAndColumnsInBothLayouts) {
  const OneTensor made({2, 3}, {3, 0, 4, 0, 0, 12});
  const Checkpoint checkpoint = made.open();
  const std::vector<double> rows{5, 12}, cols{3, 0, std::sqrt(160.0)};
  EXPECT_EQ(row_norms(checkpoint, {"t", 0, 2, 3, false}), rows);
  EXPECT_EQ(column_norms(checkpoint, {"t", 0, 3, 2, true}), rows);
  const auto a = column_norms(checkpoint, {"t", 0, 2, 3, false}), b = row_norms(checkpoint, {"t", 0, 3, 2, true});
  for (size_t j = 0; j < 3; ++j) {
    EXPECT_DOUBLE_EQ(a[j], cols[j]);
    EXPECT_DOUBLE_EQ(b[j], cols[j]);
  }
}

ModelDescription two_layers(int64_t width) {
  ModelDescription model;
  model.layers.resize(2);
  for (LayerDescription& layer : model.layers) layer.ffn.neurons.width = width;
  return model;
}

TEST(MaskFile, ReadsInAnyOrderAndLeavesUnnamedLayersWhole) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "m.json", R"({"layers": [{"index": 1, "keep": [2, 0]}], "comment": "mine"})");
  const Mask mask = read_mask(folder / "m.json", two_layers(3));
  EXPECT_EQ(mask.kept, (std::vector<std::vector<int64_t>>{{0, 1, 2}, {0, 2}}));
  test::write_bytes(folder / "again.json", format_mask(mask));
  EXPECT_EQ(read_mask(folder / "again.json", two_layers(3)).kept, mask.kept);
}

TEST(MaskFile, ThePrunenetJsonOfAnEarlierPruneIsAMask) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "prunenet.json",
                    R"({"version": "0.1.0", "layers": [{"index": 0, "ks": 0.1, "kept_rows": [0, 2]}]})");
  EXPECT_EQ(read_mask(folder / "prunenet.json", two_layers(3)).kept,
            (std::vector<std::vector<int64_t>>{{0, 2}, {0, 1, 2}}));
}

TEST(MaskFile, RefusalsNameLayerAndRow) {
  const test::TemporaryFolder folder;
  const auto refused = [&](const std::string& text, ErrorCode code, const std::vector<std::string>& fragments) {
    test::write_bytes(folder / "m.json", text);
    test::expect_error(code, fragments, [&] { read_mask(folder / "m.json", two_layers(3)); });
  };
  refused("{", ErrorCode::kFormat, {"m.json", "no JSON"});
  refused("[]", ErrorCode::kFormat, {"no mask"});
  refused(R"({"layers": [{"index": 0}]})", ErrorCode::kFormat, {"keep"});
  refused(R"({"layers": [{"index": 2, "keep": [0]}]})", ErrorCode::kMismatch, {"layer 2"});
  refused(R"({"layers": [{"index": 0, "keep": [3]}]})", ErrorCode::kMismatch, {"layer 0", "row 3"});
  refused(R"({"layers": [{"index": 0, "keep": [-1]}]})", ErrorCode::kMismatch, {"row -1"});
  refused(R"({"layers": [{"index": 0, "keep": [1, 1]}]})", ErrorCode::kMismatch, {"row 1 twice"});
  refused(R"({"layers": [{"index": 0, "keep": []}]})", ErrorCode::kMismatch, {"layer 0", "no row"});
  refused(R"({"layers": [{"index": 0, "keep": [0.5]}]})", ErrorCode::kFormat, {"0.5"});
  refused(R"({"layers": [{"index": 0, "keep": [0]}, {"index": 0, "keep": [0]}]})", ErrorCode::kFormat,
          {"layer 0 twice"});
  refused(R"({"layers": )" + std::string(100000, '['), ErrorCode::kFormat, {"deeper"});
}

// A folder with one tensor "t" of any type, whose values do not matter.
class OneTyped {
 public:
  OneTyped(Dtype dtype, std::vector<int64_t> shape) {
    TensorSpec spec{"t", dtype, std::move(shape)};
    std::string zeros(spec.size_bytes(), '\0');
    test::write_bytes(folder_ / "config.json", "{}");
    test::write_bytes(folder_ / "model.safetensors", test::safetensors_bytes({{std::move(spec), std::move(zeros)}}));
  }
  Checkpoint open() const { return Checkpoint(folder_.path()); }

 private:
  test::TemporaryFolder folder_;
};

TEST(EncodeMatrix, IsReadBackInEveryTypeAndLayout) {
  std::vector<float> values;
  for (int i = 0; i < 6; ++i) values.push_back(static_cast<float>(i) * 0.375f - 1);  // exact in every type
  for (Dtype dtype : {Dtype::kF64, Dtype::kF32, Dtype::kF16, Dtype::kBf16}) {
    for (bool transposed : {false, true}) {
      SCOPED_TRACE(std::string(dtype_name(dtype)) + (transposed ? " transposed" : ""));
      const OneTyped made(dtype, transposed ? std::vector<int64_t>{5, 2} : std::vector<int64_t>{2, 5});
      const Checkpoint checkpoint = made.open();
      const auto bytes = encode_matrix(checkpoint, {"t", 0, 2, 5, transposed}, values);  // [2, 3] of what was [2, 5]
      std::vector<float> stored(6);
      ASSERT_EQ(bytes.size(), 6 * dtype_size_bytes(dtype));
      widen(bytes.data(), dtype, 6, stored.data());
      for (size_t i = 0; i < 2; ++i) {
        for (size_t j = 0; j < 3; ++j) EXPECT_EQ(stored[transposed ? j * 2 + i : i * 3 + j], values[i * 3 + j]);
      }
    }
  }
}

TEST(EncodeMatrix, EveryHalfPrecisionNumberComesBackAndTiesGoToEven) {
  const OneTyped made(Dtype::kF16, {1});
  const Checkpoint checkpoint = made.open();
  std::vector<float> values;
  std::vector<uint16_t> expected;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    if ((bits & 0x7c00u) == 0x7c00u) continue;
    expected.push_back(static_cast<uint16_t>(bits));
    values.push_back(f32_from_f16(static_cast<uint16_t>(bits)));
  }
  // Between neighbours: a little below, at, and a little above the middle.
  for (uint16_t bits = 0; bits < 0x7bff; ++bits) {
    const double low = f32_from_f16(bits), middle = (low + f32_from_f16(static_cast<uint16_t>(bits + 1))) / 2;
    const auto exact = static_cast<float>(middle);
    values.insert(values.end(), {std::nextafter(exact, 0.0f), exact, std::nextafter(exact, 1e9f)});
    expected.insert(expected.end(), {bits, static_cast<uint16_t>(bits + bits % 2), static_cast<uint16_t>(bits + 1)});
  }
  const auto bytes = encode_vector(checkpoint, "t", values);
  std::vector<uint16_t> found(expected.size());
  ASSERT_EQ(bytes.size(), found.size() * 2);
  std::memcpy(found.data(), bytes.data(), bytes.size());
  EXPECT_EQ(found, expected);
}

TEST(EncodeMatrix, WhatCannotBeStoredIsRefused) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto refused = [](Dtype dtype, float value, const std::vector<std::string>& fragments) {
    const OneTyped made(dtype, {1, 2});
    const Checkpoint checkpoint = made.open();
    const std::vector<float> values{0, value};
    test::expect_error(ErrorCode::kNonFinite, fragments, [&] {
      encode_matrix(checkpoint, {"t", 0, 1, 2, false}, values);
    });
  };
  refused(Dtype::kF16, 65520, {"'t'", "65520", "F16"});
  refused(Dtype::kF16, -1e6f, {"'t'", "F16"});
  refused(Dtype::kBf16, std::numeric_limits<float>::max(), {"'t'", "BF16"});
  refused(Dtype::kF32, infinity, {"'t'", "inf"});
  refused(Dtype::kF16, std::nanf(""), {"'t'", "nan"});
  const OneTyped fits(Dtype::kF16, {1, 1});
  const std::vector<float> largest{65519.99f};
  EXPECT_NO_THROW(encode_matrix(fits.open(), {"t", 0, 1, 1, false}, largest));

  const OneTyped stacked(Dtype::kF32, {4, 2}), integers(Dtype::kI8, {2, 2});
  const std::vector<float> values(4);
  test::expect_error(ErrorCode::kUnsupported, {"'t'", "stacks"}, [&] {
    encode_matrix(stacked.open(), {"t", 0, 2, 2, false}, values);
  });
  test::expect_error(ErrorCode::kUnsupported, {"'t'", "stacks"}, [&] {
    encode_matrix(stacked.open(), {"t", 2, 2, 2, false}, values);
  });
  test::expect_error(ErrorCode::kUnsupported, {"'t'", "I8"}, [&] {
    encode_matrix(integers.open(), {"t", 0, 2, 2, false}, values);
  });
}

// Two layers of three neurons with as many KV groups.
ModelDescription with_heads() {
  ModelDescription model = two_layers(3);
  for (LayerDescription& layer : model.layers) layer.attention.kv_groups.width = layer.kv_heads = 3;
  return model;
}

TEST(MaskFile, HoldsKvGroupsAndDroppedLayers) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "m.json",
                    R"({"dropped_layers": [0], "layers": [{"index": 1, "kept_kv_groups": [2, 0]}]})");
  const Mask mask = read_mask(folder / "m.json", with_heads());
  using Lists = std::vector<std::vector<int64_t>>;
  EXPECT_EQ(mask.kept, (Lists{{0, 1, 2}, {0, 1, 2}}));
  EXPECT_EQ(mask.kept_kv_groups, (Lists{{0, 1, 2}, {0, 2}}));
  EXPECT_EQ(mask.dropped_layers, std::vector<int64_t>{0});
  test::write_bytes(folder / "again.json", format_mask(mask));
  const Mask again = read_mask(folder / "again.json", with_heads());
  EXPECT_EQ(again.kept, mask.kept);
  EXPECT_EQ(again.kept_kv_groups, mask.kept_kv_groups);
  EXPECT_EQ(again.dropped_layers, mask.dropped_layers);
  const Mask silent{.kept = {{}, {1}}, .dropped_layers = {0}};  // nothing said of the layer that goes
  test::write_bytes(folder / "silent.json", format_mask(silent));
  EXPECT_EQ(read_mask(folder / "silent.json", with_heads()).kept[1], std::vector<int64_t>{1});
}

TEST(MaskFile, WithoutHeadsAndLayersIsTheOneOfOld) {
  EXPECT_EQ(format_mask(Mask{{{0, 2}, {1}}}),
            "{\"layers\": [\n  {\"index\": 0, \"keep\": [0, 2]},\n  {\"index\": 1, \"keep\": [1]}\n]}\n");
}

TEST(MaskFile, BadKvGroupsAndLayersAreRefused) {
  const test::TemporaryFolder folder;
  const auto refused = [&](const std::string& text, ErrorCode code, const std::vector<std::string>& fragments,
                           const ModelDescription& model) {
    test::write_bytes(folder / "m.json", text);
    test::expect_error(code, fragments, [&] { read_mask(folder / "m.json", model); });
  };
  const ModelDescription model = with_heads();
  refused(R"({"layers": [{"index": 0, "kept_kv_groups": [3]}]})", ErrorCode::kMismatch, {"layer 0", "KV group 3"},
          model);
  refused(R"({"layers": [{"index": 0, "kept_kv_groups": []}]})", ErrorCode::kMismatch, {"no KV group"}, model);
  refused(R"({"layers": [{"index": 0, "kept_kv_groups": 1}]})", ErrorCode::kFormat, {"kept_kv_groups"}, model);
  refused(R"({"layers": [{"index": 0, "kept_kv_groups": ["a"]}]})", ErrorCode::kFormat, {"\"a\""}, model);
  refused(R"({"layers": [], "dropped_layers": [0, 1]})", ErrorCode::kMismatch, {"all 2 layers"}, model);
  refused(R"({"layers": [], "dropped_layers": [2]})", ErrorCode::kMismatch, {"layer 2"}, model);
  refused(R"({"layers": [], "dropped_layers": [0, 0]})", ErrorCode::kMismatch, {"layer 0 twice"}, model);
  refused(R"({"layers": [], "dropped_layers": {}})", ErrorCode::kFormat, {"dropped_layers"}, model);
  ModelDescription fixed = model;
  fixed.family = "opt";
  fixed.keys.heads_fixed = "of a reason";
  fixed.keys.layers_fixed = "of another";
  refused(R"({"layers": [{"index": 0, "kept_kv_groups": [0]}]})", ErrorCode::kUnsupported, {"opt", "of a reason"},
          fixed);
  refused(R"({"layers": [], "dropped_layers": [0]})", ErrorCode::kUnsupported, {"opt", "of another"}, fixed);
}

}  // namespace
}  // namespace prunenet
