// Reading matrices in every layout against the plain formula, norms, and mask files.
#include <cmath>
#include <cstring>
#include <limits>

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
    test::write_bytes(folder_ / "model.safetensors", test::safetensors_bytes({test::f32_tensor("t", std::move(shape), values)}));
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
    for (int64_t j = 0; j < cols; j += 11) EXPECT_EQ(values[static_cast<size_t>(i * cols + j)], static_cast<float>(j * rows + i));
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
  test::write_bytes(folder / "prunenet.json", R"({"version": "0.1.0", "layers": [{"index": 0, "ks": 0.1, "kept_rows": [0, 2]}]})");
  EXPECT_EQ(read_mask(folder / "prunenet.json", two_layers(3)).kept, (std::vector<std::vector<int64_t>>{{0, 2}, {0, 1, 2}}));
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
  refused(R"({"layers": [{"index": 0, "keep": [0]}, {"index": 0, "keep": [0]}]})", ErrorCode::kFormat, {"layer 0 twice"});
  refused(R"({"layers": )" + std::string(100000, '['), ErrorCode::kFormat, {"deeper"});
}

}  // namespace
}  // namespace prunenet
