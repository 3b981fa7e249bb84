// What the metadata of a cut GGUF file say: sizes, the order of keys, the type of the file.
#include "sliced_gguf.h"

namespace prunenet {
namespace {

using namespace test;

TEST_F(SliceGguf, DroppedLayersLeaveNoGapInNamesAndLists) {
  TinyGguf made = tiny_gguf(Dtype::kQ5_0);
  made.metadata.set("llama.attention.head_count_kv", GgufValue::of_i32s({2, 2, 2}));
  made.metadata.set("llama.of_three", GgufValue::of_i32s({1, 2, 3}));  // not known to be one of layers
  open(made);
  Edits edits;
  edits.mask.dropped_layers = {1};
  const Checkpoint cut = write(edits);
  std::vector<std::string> expected, found;
  for (const auto& entry : checkpoint->tensors()) {
    std::string name = entry.stored.spec.name;
    if (name.starts_with("blk.1.")) continue;
    const std::string before = bytes_of(*checkpoint, name);
    if (name.starts_with("blk.2.")) name[4] = '1';
    expected.push_back(name);
    EXPECT_TRUE(bytes_of(cut, name) == before) << name;
  }
  for (const auto& entry : cut.tensors()) found.push_back(entry.stored.spec.name);
  EXPECT_EQ(found, expected);
  const GgufMetadata& keys = cut.gguf()->metadata();
  EXPECT_EQ(keys.integer("llama.block_count", ""), 2);
  EXPECT_EQ(keys.integers("llama.attention.head_count_kv", ""), (List{2, 2}));
  EXPECT_EQ(keys.integers("llama.of_three", ""), (List{1, 2, 3}));
  EXPECT_EQ(describe_model(cut).layers.size(), 2u);
}

TEST_F(SliceGguf, EveryKeyStaysInItsOrderWithItsTypeAndOnlySizesChange) {
  TinyGguf made = tiny_gguf(Dtype::kQ4K);
  made.metadata.set("general.parameter_count", GgufValue::of_u64(7));
  open(made);
  SliceOptions options;
  options.extra_files = {{"prunenet.json", "{\"seed\": 3}"}, {"mask.json", "{}"}};
  const Edits edits{.mask = {.kept = three(spread(96, 768))}};
  const Checkpoint cut = write(edits, options);
  // Embedding and norms; in each layer two matrices of attention of 256 x 256, two of half of it, three of 96 x 256.
  constexpr uint64_t kParams = 12 * 256 + 7 * 256 + 3 * (3 * 65536 + 3 * 96 * 256);
  static_assert(kParams == 815872);
  std::vector<GgufMetadata::Item> expected = checkpoint->gguf()->metadata().items();
  for (auto& [key, value] : expected) {
    if (key == "llama.feed_forward_length") value = GgufValue::of_u32(96);
    if (key == "general.size_label") value = GgufValue::of_text("816K");
    if (key == "general.parameter_count") value = GgufValue::of_u64(kParams);
  }
  expected.push_back({"prunenet.mask", GgufValue::of_text("{}")});
  expected.push_back({"prunenet.json", GgufValue::of_text("{\"seed\": 3}")});
  const auto& items = cut.gguf()->metadata().items();
  ASSERT_EQ(items.size(), expected.size());
  for (size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(items[i].key, expected[i].key);
    EXPECT_EQ(items[i].value, expected[i].value) << items[i].key;
  }
  // Cut again, the facts of the later cut count.
  SliceOptions later;
  later.extra_files = {{"prunenet.json", "{}"}};
  SilentProgress progress;
  write_slice(cut, plan_slice(cut, describe_model(cut), Edits{}), folder / "again.gguf", later, progress);
  EXPECT_EQ(Checkpoint(folder / "again.gguf").gguf()->metadata().text("prunenet.json", ""), "{}");
}

TEST_F(SliceGguf, TheFileTypeIsWhatMostTensorsAre) {
  const Edits edits{.mask = {.kept = three(spread(700, 768))}};  // no multiple of 32: half precision
  open(tiny_gguf(Dtype::kQ4K));
  EXPECT_EQ(write(edits).gguf()->metadata().integer("general.file_type", ""), 15) << "most is Q4_K still: Q4_K_M";
  open(tiny_gguf(Dtype::kQ4_0, {{"ffn_gate", Dtype::kQ8_0},
                                {"ffn_up", Dtype::kQ8_0},
                                {"ffn_down", Dtype::kQ8_0},
                                {"attn_output", Dtype::kF16},
                                {"attn_q", Dtype::kF16}}));
  // Q8_0: 3 matrices of 768; after the cut 2 of 64, which is less than attention.
  EXPECT_EQ(write(Edits{.mask = {.kept = three(spread(33, 768))}}).gguf()->metadata().integer("general.file_type", ""),
            1);
  EXPECT_EQ(write({}).gguf()->metadata().integer("general.file_type", ""), 15) << "nothing changes";
}

}  // namespace
}  // namespace prunenet
