// Layers of their own sizes: the architecture deci, and what the others cannot have.
#include "sliced_gguf.h"

namespace prunenet {
namespace {

using namespace test;

TEST_F(SliceGguf, LayersOfTheirOwnWidthsGoUnderDeci) {
  open(tiny_gguf(Dtype::kQ4K));
  const Edits edits{.mask = {.kept = {range(0, 256), range(0, 768), spread(40, 768)}}};
  const Checkpoint cut = write(edits);
  const GgufMetadata& keys = cut.gguf()->metadata();
  EXPECT_EQ(keys.text("general.architecture", ""), "deci");
  EXPECT_EQ(*keys.find("deci.feed_forward_length"), GgufValue::of_i32s({256, 768, 40}));
  EXPECT_EQ(keys.integer("deci.attention.head_count", ""), 4);
  // Every other key of the architecture has the new name, in its place.
  const auto before = checkpoint->gguf()->metadata().items(), after = keys.items();
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    const std::string& key = before[i].key;
    EXPECT_EQ(after[i].key, key.starts_with("llama.") ? "deci." + key.substr(6) : key);
    if (key != "general.architecture" && key != "llama.feed_forward_length" && key != "general.size_label") {
      EXPECT_EQ(after[i].value, before[i].value) << key;
    }
  }
  EXPECT_EQ(describe_model(cut).ffn_widths(), (List{256, 768, 40}));
  EXPECT_TRUE(describe_model(cut).width_is_uniform()) << "as the file states";
  EXPECT_TRUE(plan(edits).uniform);
  EXPECT_EQ(count_notes(plan(edits).notes, {"'deci'"}), 1);

  // A deci is cut like any other, back to one width too.
  const ModelDescription described = describe_model(cut);
  Edits again{.mask = {.kept = {range(0, 32), range(32, 64), range(0, 32)}}};
  again.mask.dropped_layers = {0};
  SilentProgress progress;
  write_slice(cut, plan_slice(cut, described, again), folder / "again.gguf", {}, progress);
  const Checkpoint last(folder / "again.gguf");
  EXPECT_EQ(last.gguf()->metadata().text("general.architecture", ""), "deci");
  EXPECT_EQ(*last.gguf()->metadata().find("deci.feed_forward_length"), GgufValue::of_u32(32));
  EXPECT_EQ(describe_model(last).ffn_widths(), (List{32, 32}));
}

TEST_F(SliceGguf, LayersOfTheirOwnHeadsGoUnderDeci) {
  open(tiny_gguf(Dtype::kQ8_0));
  Edits edits{.mask = {.kept_kv_groups = {{1}, {0, 1}, {0}}}};
  const Checkpoint cut = write(edits);
  const GgufMetadata& keys = cut.gguf()->metadata();
  EXPECT_EQ(keys.text("general.architecture", ""), "deci");
  EXPECT_EQ(*keys.find("deci.attention.head_count"), GgufValue::of_i32s({2, 4, 2}));
  EXPECT_EQ(*keys.find("deci.attention.head_count_kv"), GgufValue::of_i32s({1, 2, 1}));
  EXPECT_EQ(keys.integer("deci.feed_forward_length", ""), 768);
  for (const char* key : {"deci.attention.key_length", "deci.attention.value_length", "deci.rope.dimension_count"})
    EXPECT_EQ(*keys.find(key), GgufValue::of_u32(64)) << key;
  const ModelDescription after = describe_model(cut);
  EXPECT_TRUE(after.heads_match_config());
  EXPECT_EQ(after.layers[0].kv_heads, 1);
  EXPECT_EQ(after.layers[1].heads, 4);
  EXPECT_TRUE(bytes_of(cut, blk(2, "attn_output")) == columns(blk(2, "attn_output"), range(0, 128)));
}

TEST_F(SliceGguf, DeciIsWrittenWhereItIsAskedFor) {
  open(tiny_gguf(Dtype::kF16));
  const Checkpoint cut = write({.mask = {.kept = three(range(0, 100))}, .layout = SliceLayout::kDeci});
  EXPECT_EQ(cut.gguf()->metadata().text("general.architecture", ""), "deci");
  EXPECT_EQ(cut.gguf()->metadata().integer("deci.feed_forward_length", ""), 100) << "no multiple of 256 is needed";
}

TEST_F(SliceGguf, OtherArchitecturesKeepOneWidth) {
  TinyGguf made = tiny_gguf(Dtype::kF16);
  GgufMetadata keys;
  for (auto [key, value] : made.metadata.items()) {
    if (key == "general.architecture") value = GgufValue::of_text("qwen2");
    keys.set(key.starts_with("llama.") ? "qwen2." + key.substr(6) : key, value);
  }
  made.metadata = keys;
  open(made);
  Edits edits{.mask = {.kept = {range(0, 100), range(0, 100), range(0, 101)}}};
  refused(edits, ErrorCode::kUnsupported, {"layer 0 keeps 100 neurons and layer 2 keeps 101", "qwen2", "--pad"});
  refused({.mask = {.kept = three(range(0, 100))}, .layout = SliceLayout::kDeci}, ErrorCode::kUnsupported, {"qwen2"});
  refused({.mask = {.kept_kv_groups = {{0}, {0}, {0}}}}, ErrorCode::kUnsupported, {"heads", "qwen2"});
  edits.layout = SliceLayout::kPadded;
  EXPECT_EQ(describe_model(write(edits)).ffn_widths(), List(3, 101));
  EXPECT_EQ(describe_model(write({.mask = {.kept = three(range(0, 100))}})).ffn_widths(), List(3, 100));
}

}  // namespace
}  // namespace prunenet
