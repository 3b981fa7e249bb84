// Cut GGUF files that are padded to one width.
#include "sliced_gguf.h"

namespace prunenet {
namespace {

using namespace test;

TEST_F(SliceGguf, PaddingIsTheCutFollowedByZeros) {
  for (const Dtype dtype : kGgufDtypes) {
    SCOPED_TRACE(dtype_name(dtype));
    open(tiny_gguf(dtype));
    Edits edits{.mask = {.kept = {range(0, 256), range(256, 768), spread(200, 768)}}, .layout = SliceLayout::kPadded};
    const List widths{256, 512, 200};
    for (const int64_t asked : {0, 768, 1000}) {
      edits.padded_width = asked;
      const int64_t width = asked == 0 ? 512 : asked;
      const Checkpoint cut = write(edits);
      EXPECT_EQ(cut.gguf()->metadata().integer("llama.feed_forward_length", ""), width);
      EXPECT_EQ(describe_model(cut).ffn_widths(), List(3, width));
      for (size_t l = 0; l < 3; ++l) {
        const std::string up = blk(static_cast<int64_t>(l), "ffn_up"), down = blk(static_cast<int64_t>(l), "ffn_down");
        std::string expected = rows(up, edits.mask.kept[l]);
        expected.resize(dtype_bytes(dtype, static_cast<uint64_t>(width * 256)));
        EXPECT_TRUE(bytes_of(cut, up) == expected) << up;
        const List columns = joined(edits.mask.kept[l], List(static_cast<size_t>(width - widths[l]), kZeros));
        const bool copied = !dtype_is_quantised(dtype) || (l < 2 && width % dtype_block_elements(dtype) == 0);
        EXPECT_EQ(dtype_of(cut, down), copied ? dtype : width % 32 == 0 ? Dtype::kQ8_0 : Dtype::kF16) << down;
        if (!copied) {
          EXPECT_TRUE(bytes_of(cut, down) == recoded(*checkpoint, down, columns, dtype_of(cut, down))) << down;
          continue;
        }
        const std::vector<float> before = numbers_of(*checkpoint, down), after = numbers_of(cut, down);
        for (size_t i = 0; i < 256; ++i) {
          for (size_t j = 0; j < static_cast<size_t>(width); ++j) {
            const int64_t from = columns[j];
            ASSERT_EQ(after[i * static_cast<size_t>(width) + j],
                      from < 0 ? 0.0f : before[i * 768 + static_cast<size_t>(from)]);
          }
        }
      }
    }
  }
}

TEST_F(SliceGguf, AWidthThatNobodyAskedForIsFilledUpForQ8) {
  const Edits edits{.mask = {.kept = {spread(70, 768), spread(10, 768), {3}}}, .layout = SliceLayout::kPadded};
  open(tiny_gguf(Dtype::kQ4_0));
  EXPECT_EQ(describe_model(write(edits)).ffn_widths(), List(3, 96));
  open(tiny_gguf(Dtype::kF16));
  EXPECT_EQ(describe_model(write(edits)).ffn_widths(), List(3, 70));
}

}  // namespace
}  // namespace prunenet
