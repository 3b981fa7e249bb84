// Cutting GGUF files of every type: rows, whole blocks of columns, and columns that fill no blocks.
#include "sliced_gguf.h"

namespace prunenet {
namespace {

using namespace test;

TEST_F(SliceGguf, NothingToDoKeepsEveryByte) {
  for (const Dtype dtype : kGgufDtypes) {
    open(tiny_gguf(dtype));
    write({});
    EXPECT_TRUE(read_bytes(folder / "out.gguf") == read_bytes(folder / "in.gguf")) << dtype_name(dtype);
    EXPECT_TRUE(plan({}).warnings.empty());
  }
}

TEST_F(SliceGguf, RowsAndWholeBlocksAreCopiedInEveryType) {
  const List kept = joined(range(0, 256), range(512, 768));
  for (const Dtype dtype : kGgufDtypes) {
    SCOPED_TRACE(dtype_name(dtype));
    open(tiny_gguf(dtype));
    const Edits edits{.mask = {.kept = three(kept)}};
    const Checkpoint cut = write(edits);
    EXPECT_TRUE(plan(edits).warnings.empty());
    for (int64_t layer = 0; layer < 3; ++layer) {
      for (const char* role : {"ffn_gate", "ffn_up", "ffn_down"}) {
        const std::string name = blk(layer, role);
        EXPECT_EQ(dtype_of(cut, name), dtype) << name;
        const bool down = name.find("down") != std::string::npos;
        EXPECT_EQ(cut.at(name).stored.spec.shape, down ? (List{256, 512}) : (List{512, 256})) << name;
        EXPECT_TRUE(bytes_of(cut, name) == (down ? columns(name, kept) : rows(name, kept))) << name;
      }
      for (const char* role : {"attn_q", "attn_k", "attn_v", "attn_output", "attn_norm", "ffn_norm"})
        EXPECT_TRUE(bytes_of(cut, blk(layer, role)) == bytes_of(*checkpoint, blk(layer, role))) << role;
    }
    EXPECT_EQ(describe_model(cut).ffn_widths(), (List{512, 512, 512}));
  }
}

TEST_F(SliceGguf, ScatteredColumnsBecomeQ8OrHalfPrecision) {
  for (const Dtype dtype : kGgufDtypes) {
    SCOPED_TRACE(dtype_name(dtype));
    open(tiny_gguf(dtype));
    for (const int64_t count : {96, 100}) {
      const List kept = spread(count, 768);
      const Edits edits{.mask = {.kept = three(kept)}};
      const Checkpoint cut = write(edits);
      const Dtype expected = !dtype_is_quantised(dtype) ? dtype : count == 96 ? Dtype::kQ8_0 : Dtype::kF16;
      for (int64_t layer = 0; layer < 3; ++layer) {
        EXPECT_TRUE(bytes_of(cut, blk(layer, "ffn_up")) == rows(blk(layer, "ffn_up"), kept));
        const std::string down = blk(layer, "ffn_down");
        EXPECT_EQ(dtype_of(cut, down), expected);
        EXPECT_TRUE(bytes_of(cut, down) == recoded(*checkpoint, down, kept, expected)) << down;
      }
      const std::vector<std::string> notes = plan(edits).warnings;
      if (!dtype_is_quantised(dtype)) {
        EXPECT_TRUE(notes.empty());
        continue;
      }
      ASSERT_EQ(notes.size(), 1u);
      const std::string block = std::to_string(dtype_block_elements(dtype));
      const std::string from(dtype_name(dtype)), to(dtype_name(expected));
      EXPECT_EQ(count_notes(notes, {"3 of 3 'ffn_down' tensors are requantised " +
                                        (from == to ? "anew as " + to : "from " + from + " to " + to),
                                    "the kept neurons do not fill blocks of " + block, "kB"}),
                1)
          << notes[0];
      EXPECT_EQ(count_notes(notes, {"no multiple of 32"}), count == 100 ? 1 : 0) << notes[0];
    }
  }
}

TEST_F(SliceGguf, ALayerThatFillsItsBlocksIsCopiedBesideOnesThatDoNot) {
  open(tiny_gguf(Dtype::kQ4K, {{"ffn_down", Dtype::kQ6K}}));
  const Edits edits{.mask = {.kept = {range(256, 512), spread(256, 768), range(1, 257)}}};
  const Checkpoint cut = write(edits);
  EXPECT_EQ(dtype_of(cut, blk(0, "ffn_down")), Dtype::kQ6K);
  EXPECT_TRUE(bytes_of(cut, blk(0, "ffn_down")) == columns(blk(0, "ffn_down"), range(256, 512)));
  for (const int64_t layer : {1, 2}) EXPECT_EQ(dtype_of(cut, blk(layer, "ffn_down")), Dtype::kQ8_0);
  const std::vector<std::string> notes = plan(edits).warnings;
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(count_notes(notes, {"2 of 3 'ffn_down' tensors", "Q6_K to Q8_0"}), 1) << notes[0];
}

TEST_F(SliceGguf, KvGroupsCutRowsOfThreeAndColumnsOfOne) {
  // Two query heads of 64 a group: the columns of a group fill blocks of 32, not of 256.
  for (const Dtype dtype : {Dtype::kF16, Dtype::kQ4_0, Dtype::kQ8_0, Dtype::kQ4K, Dtype::kQ6K}) {
    SCOPED_TRACE(dtype_name(dtype));
    open(tiny_gguf(dtype));
    const Edits edits{.mask = {.kept_kv_groups = {{1}, {1}, {1}}}};
    const Checkpoint cut = write(edits);
    for (int64_t layer = 0; layer < 3; ++layer) {
      EXPECT_TRUE(bytes_of(cut, blk(layer, "attn_q")) == rows(blk(layer, "attn_q"), range(128, 256)));
      EXPECT_TRUE(bytes_of(cut, blk(layer, "attn_k")) == rows(blk(layer, "attn_k"), range(64, 128)));
      EXPECT_TRUE(bytes_of(cut, blk(layer, "attn_v")) == rows(blk(layer, "attn_v"), range(64, 128)));
      const std::string output = blk(layer, "attn_output");
      if (dtype_block_elements(dtype) <= 128) {
        EXPECT_EQ(dtype_of(cut, output), dtype);
        EXPECT_TRUE(bytes_of(cut, output) == columns(output, range(128, 256)));
      } else {
        EXPECT_EQ(dtype_of(cut, output), Dtype::kQ8_0);
        EXPECT_TRUE(bytes_of(cut, output) == recoded(*checkpoint, output, range(128, 256), Dtype::kQ8_0));
      }
    }
    const auto& keys = cut.gguf()->metadata();
    EXPECT_EQ(keys.integer("llama.attention.head_count", ""), 2);
    EXPECT_EQ(keys.integer("llama.attention.head_count_kv", ""), 1);
    for (const char* key : {"llama.attention.key_length", "llama.attention.value_length", "llama.rope.dimension_count"})
      EXPECT_EQ(keys.integer(key, ""), 64) << key;
    EXPECT_TRUE(describe_model(cut).heads_match_config());
    EXPECT_EQ(count_notes(plan(edits).warnings, {"3 of 3 'attn_output'", "the kept heads do not fill blocks of 256"}),
              dtype_block_elements(dtype) > 128 ? 1 : 0);
  }
}

}  // namespace
}  // namespace prunenet
