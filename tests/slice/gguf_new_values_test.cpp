// Tensors of GGUF files with new values: the types they are stored in.
#include <cmath>

#include "model/encode.h"
#include "sliced_gguf.h"

namespace prunenet {
namespace {

using namespace test;

TEST_F(SliceGguf, NewValuesGetATypeThatCanBeWritten) {
  for (const Dtype dtype : kGgufDtypes) {
    SCOPED_TRACE(dtype_name(dtype));
    open(tiny_gguf(dtype));
    for (const int64_t count : {64, 65}) {
      std::vector<float> values(static_cast<size_t>(256 * count)), more(values.size());
      for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
      for (size_t i = 0; i < more.size(); ++i) more[i] = std::cos(static_cast<float>(i));
      const Dtype in_rows = dtype_is_quantised(dtype) ? Dtype::kQ8_0 : dtype;  // rows of 256
      const Dtype in_columns = dtype_is_quantised(dtype) && count == 65 ? Dtype::kF16 : in_rows;
      EXPECT_EQ(replacement_dtype(dtype, count), in_columns);
      const auto down = encode_matrix(*checkpoint, model.layers[1].ffn.down, values);
      const auto up = encode_rows(*checkpoint, blk(1, "ffn_up"), more, 256);
      Edits edits{.mask = {.kept = three(spread(count, 768))}};
      edits.replaced = {{blk(1, "ffn_down"), down}, {blk(1, "ffn_up"), up}};
      for (const bool padded : {false, true}) {
        edits.layout = padded ? SliceLayout::kPadded : SliceLayout::kStock;
        edits.padded_width = padded ? 96 : 0;
        const Checkpoint cut = write(edits);
        EXPECT_EQ(dtype_of(cut, blk(1, "ffn_up")), in_rows);
        EXPECT_EQ(dtype_of(cut, blk(1, "ffn_down")), in_columns);
        const int64_t width = padded ? 96 : count;
        std::vector<float> given = values, given_up = more;
        round_to(in_columns, count, given, "");
        round_to(in_rows, 256, given_up, "");
        const auto stored = numbers_of(cut, blk(1, "ffn_down"));
        for (size_t i = 0; i < 256; ++i) {
          for (int64_t j = 0; j < width; ++j) {
            const float expected = j < count ? given[i * static_cast<size_t>(count) + static_cast<size_t>(j)] : 0.0f;
            ASSERT_EQ(stored[i * static_cast<size_t>(width) + static_cast<size_t>(j)], expected);
          }
        }
        given_up.resize(static_cast<size_t>(width * 256));
        EXPECT_TRUE(numbers_of(cut, blk(1, "ffn_up")) == given_up);
        const bool retyped = dtype != in_columns;
        EXPECT_EQ(count_notes(plan(edits).warnings, {"1 of 3 'ffn_down' tensors has new values", "instead of"}), retyped);
      }
    }
    // What has the size of the stored type is refused where that is another.
    const std::vector<std::byte> wrong(dtype_bytes(dtype, 256 * 256));
    Edits edits{.mask = {.kept = three(range(0, 256))}};
    edits.replaced[blk(0, "ffn_down")] = wrong;
    if (dtype == replacement_dtype(dtype, 256)) {
      EXPECT_NO_THROW(plan(edits));
    } else {
      refused(edits, ErrorCode::kMismatch, {blk(0, "ffn_down"), "Q8_0 [256, 256]"});
    }
  }
}

TEST_F(SliceGguf, NewValuesThatPaddingTakesOutOfTheirBlocksAreDecodedAgain) {
  // The width of the new values fills blocks of Q8_0, the padded one does not: they are decoded again.
  open(tiny_gguf(Dtype::kQ4K));
  std::vector<float> values(256 * 64, 0.25f);
  const auto down = encode_matrix(*checkpoint, model.layers[0].ffn.down, values);
  Edits edits{.mask = {.kept = three(spread(64, 768))}, .layout = SliceLayout::kPadded, .padded_width = 70};
  edits.replaced[blk(0, "ffn_down")] = down;
  const Checkpoint cut = write(edits);
  EXPECT_EQ(dtype_of(cut, blk(0, "ffn_down")), Dtype::kF16);
  const auto stored = numbers_of(cut, blk(0, "ffn_down"));
  ASSERT_EQ(stored.size(), 256u * 70);
  for (size_t i = 0; i < stored.size(); ++i) ASSERT_NEAR(stored[i], i % 70 < 64 ? 0.25 : 0, 1e-4);
}

TEST_F(SliceGguf, AResultThatIsLargerThanItsSourceIsSaidToBe) {
  // Eight bits for four and a half: more, unless nearly half of it goes.
  for (const auto& [count, larger] : {std::pair{700, true}, std::pair{300, false}}) {
    open(tiny_gguf(Dtype::kQ4K));
    const std::vector<float> values(static_cast<size_t>(count * 256), 0.5f);
    Edits edits{.mask = {.kept = three(spread(count / 32 * 32, 768))}};
    std::vector<std::vector<std::byte>> kept_alive;
    for (int64_t layer = 0; layer < 3; ++layer) {
      for (const char* role : {"ffn_gate", "ffn_up"}) {
        const auto cut = std::span(values).first(static_cast<size_t>(count / 32 * 32 * 256));
        kept_alive.push_back(encode_rows(*checkpoint, blk(layer, role), cut, 256));
        edits.replaced[blk(layer, role)] = kept_alive.back();
      }
    }
    EXPECT_EQ(count_notes(plan(edits).warnings, {"more than the", "of the source"}), larger ? 1 : 0);
    EXPECT_EQ(count_notes(plan(edits).warnings, {"3 of 3", "have new values", "stored as Q8_0 instead of Q4_K"}), 2);
  }
}

}  // namespace
}  // namespace prunenet
