// Cutting GGUF files: every type, rows and columns, blocks and scattered columns, padding, new values, dropped layers,
// metadata, refusals, and files that appear whole or not at all.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <functional>
#include <numeric>
#include <optional>

#include "base/system.h"
#include "model/encode.h"
#include "slice/slice.h"
#include "tiny_gguf.h"

namespace prunenet {
namespace {
namespace fs = std::filesystem;
using test::blk;
using test::bytes_of;
using test::dtype_of;

using List = std::vector<int64_t>;

List range(int64_t first, int64_t end) {
  List indices(static_cast<size_t>(end - first));
  std::iota(indices.begin(), indices.end(), first);
  return indices;
}

// `count` of `of`, spread.
List spread(int64_t count, int64_t of) {
  List indices;
  for (int64_t i = 0; i < count; ++i) indices.push_back(i * of / count);
  return indices;
}

List joined(List a, const List& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// The same for every layer.
std::vector<List> three(const List& kept) {
  return {kept, kept, kept};
}

class SliceGguf : public testing::Test {
 protected:
  void open(const test::TinyGguf& made) {
    fs::remove(folder / "in.gguf");
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
    test::expect_error(code, fragments, [&] { plan(edits); });
  }
  // The bytes of some rows, or of some blocks of columns, element by element of what is indivisible.
  std::string rows(const std::string& name, const List& kept) const { return cut_bytes(name, 0, kept); }
  std::string columns(const std::string& name, const List& kept) const { return cut_bytes(name, 1, kept); }

  const test::TemporaryFolder folder;
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
std::string recoded(const Checkpoint& checkpoint, const std::string& name, const List& kept, Dtype dtype) {
  const TensorSpec& spec = checkpoint.at(name).stored.spec;
  const std::vector<float> values = test::numbers_of(checkpoint, name);
  std::vector<float> left;
  for (int64_t i = 0; i < spec.shape[0]; ++i) {
    for (int64_t j : kept) left.push_back(j < 0 ? 0.0f : values[static_cast<size_t>(i * spec.shape[1] + j)]);
  }
  std::string bytes(dtype_bytes(dtype, left.size()), '\0');
  EXPECT_TRUE(narrow(left.data(), left.size(), dtype, reinterpret_cast<std::byte*>(bytes.data())));
  return bytes;
}

// Notes that hold all of these fragments.
int count_notes(const std::vector<std::string>& notes, const std::vector<std::string>& fragments) {
  int count = 0;
  for (const std::string& note : notes) {
    bool all = true;
    for (const std::string& fragment : fragments) all = all && note.find(fragment) != std::string::npos;
    count += all;
  }
  return count;
}

TEST_F(SliceGguf, NothingToDoKeepsEveryByte) {
  for (const Dtype dtype : test::kGgufDtypes) {
    open(test::tiny_gguf(dtype));
    write({});
    EXPECT_TRUE(test::read_bytes(folder / "out.gguf") == test::read_bytes(folder / "in.gguf")) << dtype_name(dtype);
    EXPECT_TRUE(plan({}).notes.empty());
  }
}

TEST_F(SliceGguf, RowsAndWholeBlocksAreCopiedInEveryType) {
  const List kept = joined(range(0, 256), range(512, 768));
  for (const Dtype dtype : test::kGgufDtypes) {
    SCOPED_TRACE(dtype_name(dtype));
    open(test::tiny_gguf(dtype));
    const Edits edits{.mask = {.kept = three(kept)}};
    const Checkpoint cut = write(edits);
    EXPECT_TRUE(plan(edits).notes.empty());
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
  for (const Dtype dtype : test::kGgufDtypes) {
    SCOPED_TRACE(dtype_name(dtype));
    open(test::tiny_gguf(dtype));
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
      const std::vector<std::string> notes = plan(edits).notes;
      if (!dtype_is_quantised(dtype)) {
        EXPECT_TRUE(notes.empty());
        continue;
      }
      ASSERT_EQ(notes.size(), 1u);
      const std::string block = std::to_string(dtype_block_elements(dtype));
      EXPECT_EQ(count_notes(notes, {"3 of 3 'ffn_down' tensors are requantised from " + std::string(dtype_name(dtype)),
                                    " to " + std::string(dtype_name(expected)),
                                    "the kept neurons do not fill blocks of " + block, "KiB"}),
                1)
          << notes[0];
      EXPECT_EQ(count_notes(notes, {"no multiple of 32"}), count == 100 ? 1 : 0) << notes[0];
    }
  }
}

TEST_F(SliceGguf, ALayerThatFillsItsBlocksIsCopiedBesideOnesThatDoNot) {
  open(test::tiny_gguf(Dtype::kQ4K, {{"ffn_down", Dtype::kQ6K}}));
  const Edits edits{.mask = {.kept = {range(256, 512), spread(256, 768), range(1, 257)}}};
  const Checkpoint cut = write(edits);
  EXPECT_EQ(dtype_of(cut, blk(0, "ffn_down")), Dtype::kQ6K);
  EXPECT_TRUE(bytes_of(cut, blk(0, "ffn_down")) == columns(blk(0, "ffn_down"), range(256, 512)));
  for (const int64_t layer : {1, 2}) EXPECT_EQ(dtype_of(cut, blk(layer, "ffn_down")), Dtype::kQ8_0);
  const std::vector<std::string> notes = plan(edits).notes;
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(count_notes(notes, {"2 of 3 'ffn_down' tensors", "Q6_K to Q8_0"}), 1) << notes[0];
}

TEST_F(SliceGguf, KvGroupsCutRowsOfThreeAndColumnsOfOne) {
  // Two query heads of 64 a group: the columns of a group fill blocks of 32, not of 256.
  for (const Dtype dtype : {Dtype::kF16, Dtype::kQ4_0, Dtype::kQ8_0, Dtype::kQ4K, Dtype::kQ6K}) {
    SCOPED_TRACE(dtype_name(dtype));
    open(test::tiny_gguf(dtype));
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
    EXPECT_EQ(count_notes(plan(edits).notes, {"3 of 3 'attn_output'", "the kept heads do not fill blocks of 256"}),
              dtype_block_elements(dtype) > 128 ? 1 : 0);
  }
}

TEST_F(SliceGguf, PaddingIsTheCutFollowedByZeros) {
  for (const Dtype dtype : test::kGgufDtypes) {
    SCOPED_TRACE(dtype_name(dtype));
    open(test::tiny_gguf(dtype));
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
        const std::vector<float> before = test::numbers_of(*checkpoint, down), after = test::numbers_of(cut, down);
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
  open(test::tiny_gguf(Dtype::kQ4_0));
  EXPECT_EQ(describe_model(write(edits)).ffn_widths(), List(3, 96));
  open(test::tiny_gguf(Dtype::kF16));
  EXPECT_EQ(describe_model(write(edits)).ffn_widths(), List(3, 70));
}

TEST_F(SliceGguf, NewValuesGetATypeThatCanBeWritten) {
  for (const Dtype dtype : test::kGgufDtypes) {
    SCOPED_TRACE(dtype_name(dtype));
    open(test::tiny_gguf(dtype));
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
        const auto stored = test::numbers_of(cut, blk(1, "ffn_down"));
        for (size_t i = 0; i < 256; ++i) {
          for (int64_t j = 0; j < width; ++j) {
            const float expected = j < count ? given[i * static_cast<size_t>(count) + static_cast<size_t>(j)] : 0.0f;
            ASSERT_EQ(stored[i * static_cast<size_t>(width) + static_cast<size_t>(j)], expected);
          }
        }
        given_up.resize(static_cast<size_t>(width * 256));
        EXPECT_TRUE(test::numbers_of(cut, blk(1, "ffn_up")) == given_up);
        const bool retyped = dtype != in_columns;
        EXPECT_EQ(count_notes(plan(edits).notes, {"1 of 3 'ffn_down' tensors has new values", "instead of"}), retyped);
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
  open(test::tiny_gguf(Dtype::kQ4K));
  std::vector<float> values(256 * 64, 0.25f);
  const auto down = encode_matrix(*checkpoint, model.layers[0].ffn.down, values);
  Edits edits{.mask = {.kept = three(spread(64, 768))}, .layout = SliceLayout::kPadded, .padded_width = 70};
  edits.replaced[blk(0, "ffn_down")] = down;
  const Checkpoint cut = write(edits);
  EXPECT_EQ(dtype_of(cut, blk(0, "ffn_down")), Dtype::kF16);
  const auto stored = test::numbers_of(cut, blk(0, "ffn_down"));
  ASSERT_EQ(stored.size(), 256u * 70);
  for (size_t i = 0; i < stored.size(); ++i) ASSERT_NEAR(stored[i], i % 70 < 64 ? 0.25 : 0, 1e-4);
}

TEST_F(SliceGguf, AResultThatIsLargerThanItsSourceIsSaidToBe) {
  // Eight bits for four and a half: more, unless nearly half of it goes.
  for (const auto& [count, larger] : {std::pair{700, true}, std::pair{300, false}}) {
    open(test::tiny_gguf(Dtype::kQ4K));
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
    EXPECT_EQ(count_notes(plan(edits).notes, {"more than the", "of the source"}), larger ? 1 : 0);
    EXPECT_EQ(count_notes(plan(edits).notes, {"3 of 3", "have new values", "stored as Q8_0 instead of Q4_K"}), 2);
  }
}

TEST_F(SliceGguf, DroppedLayersLeaveNoGapInNamesAndLists) {
  test::TinyGguf made = test::tiny_gguf(Dtype::kQ5_0);
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
  test::TinyGguf made = test::tiny_gguf(Dtype::kQ4K);
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
  open(test::tiny_gguf(Dtype::kQ4K));
  EXPECT_EQ(write(edits).gguf()->metadata().integer("general.file_type", ""), 15) << "most is Q4_K still: Q4_K_M";
  open(test::tiny_gguf(Dtype::kQ4_0, {{"ffn_gate", Dtype::kQ8_0},
                                      {"ffn_up", Dtype::kQ8_0},
                                      {"ffn_down", Dtype::kQ8_0},
                                      {"attn_output", Dtype::kF16},
                                      {"attn_q", Dtype::kF16}}));
  // Q8_0: 3 matrices of 768; after the cut 2 of 64, which is less than attention.
  EXPECT_EQ(write(Edits{.mask = {.kept = three(spread(33, 768))}}).gguf()->metadata().integer("general.file_type", ""),
            1);
  EXPECT_EQ(write({}).gguf()->metadata().integer("general.file_type", ""), 15) << "nothing changes";
}

TEST_F(SliceGguf, LayersOfTheirOwnWidthsGoUnderDeci) {
  open(test::tiny_gguf(Dtype::kQ4K));
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
  open(test::tiny_gguf(Dtype::kQ8_0));
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
  open(test::tiny_gguf(Dtype::kF16));
  const Checkpoint cut = write({.mask = {.kept = three(range(0, 100))}, .layout = SliceLayout::kDeci});
  EXPECT_EQ(cut.gguf()->metadata().text("general.architecture", ""), "deci");
  EXPECT_EQ(cut.gguf()->metadata().integer("deci.feed_forward_length", ""), 100) << "no multiple of 256 is needed";
}

TEST_F(SliceGguf, OtherArchitecturesKeepOneWidth) {
  test::TinyGguf made = test::tiny_gguf(Dtype::kF16);
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

TEST_F(SliceGguf, MasksThatDoNotFitAreRefused) {
  open(test::tiny_gguf(Dtype::kQ4_0));
  refused({.mask = {.kept = {{0}, {0}}}}, ErrorCode::kMismatch, {"2 layers"});
  refused({.mask = {.kept = {{0}, {768}, {0}}}}, ErrorCode::kMismatch, {"row 768"});
  refused({.mask = {.kept = {{0}, {}, {0}}}}, ErrorCode::kMismatch, {"layer 1 keeps no row"});
  refused({.mask = {.kept_kv_groups = {{0}, {2}, {0}}}}, ErrorCode::kMismatch, {"KV group 2"});
  refused({.mask = {.dropped_layers = {0, 1, 2}}}, ErrorCode::kMismatch, {"all 3 layers"});
  Edits edits;
  const std::vector<std::byte> bytes(4);
  edits.replaced["blk.9.ffn_down.weight"] = bytes;
  refused(edits, ErrorCode::kMismatch, {"blk.9.ffn_down.weight"});
}

TEST_F(SliceGguf, ScalesThatAreNotFiniteAreNamedAndNothingIsLeft) {
  for (const char* role : {"ffn_up", "ffn_down", "attn_v"}) {
    for (const uint16_t bits : {uint16_t{0x7e00}, uint16_t{0x7c00}}) {  // NaN, infinity
      test::TinyGguf made = test::tiny_gguf(Dtype::kQ5K);
      std::memcpy(made.tensor(blk(1, role)).bytes.data() + 3 * 176, &bits, 2);
      open(made);
      const bool is_cut = std::string(role) != "attn_v";
      const auto attempt = [&] { write({.mask = {.kept = three(spread(96, 768))}}); };
      const auto before = test::folder_contents(folder.path());
      if (bits == 0x7c00 && !is_cut) continue;  // what is copied may hold infinity
      test::expect_error(ErrorCode::kNonFinite, {blk(1, role), bits == 0x7e00 ? "NaN" : "infinity"}, attempt);
      EXPECT_EQ(test::folder_contents(folder.path()), before);
    }
  }
}

TEST_F(SliceGguf, TheModelItselfAndForeignFilesAreNoTargets) {
  open(test::tiny_gguf(Dtype::kQ4_0));
  fs::create_hard_link(folder / "in.gguf", folder / "twin.gguf");
  fs::create_symlink(folder / "in.gguf", folder / "link.gguf");
  test::write_bytes(folder / "letter.txt", "dear");
  fs::create_directories(folder / "sub");
  const auto before = test::folder_contents(folder.path());
  SilentProgress progress;
  const auto attempt = [&](const fs::path& target, bool overwrite) {
    SliceOptions options;
    options.overwrite = overwrite;
    require_output_possible(*checkpoint, target, overwrite);
    write_slice(*checkpoint, plan({}), target, options, progress);
  };
  for (const char* name : {"in.gguf", "twin.gguf", "link.gguf", "sub/../in.gguf"}) {
    for (const bool overwrite : {false, true}) {
      test::expect_error(ErrorCode::kBadOption, {"the model itself"}, [&] { attempt(folder / name, overwrite); });
    }
  }
  for (const char* name : {"letter.txt", "sub"}) {
    for (const bool overwrite : {false, true})
      test::expect_error(ErrorCode::kExists, {name}, [&] { attempt(folder / name, overwrite); });
  }
  EXPECT_EQ(test::folder_contents(folder.path()), before);

  attempt(folder / "new" / "deep" / "out.gguf", false);
  test::expect_error(ErrorCode::kExists, {"out.gguf"}, [&] { attempt(folder / "new/deep/out.gguf", false); });
  attempt(folder / "new" / "deep" / "out.gguf", true);
  EXPECT_TRUE(test::read_bytes(folder / "new/deep/out.gguf") == test::read_bytes(folder / "in.gguf"));
}

TEST_F(SliceGguf, AFullDiskLeavesNothing) {
  open(test::tiny_gguf(Dtype::kF32));
  const auto before = test::folder_contents(folder.path());
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1'000'000, former.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(write({.mask = {.kept = three(spread(500, 768))}}), Error);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &former), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(test::folder_contents(folder.path()), before);
}

// What `action` adds to the memory of a process of its own that does nothing else, mapped files included.
int64_t memory_of(const std::function<void()>& action) {
  int ends[2];
  if (::pipe(ends) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    const int64_t before = peak_rss_bytes();
    action();
    const int64_t grown = peak_rss_bytes() - before;
    ::_exit(::write(ends[1], &grown, sizeof grown) == sizeof grown ? 0 : 1);
  }
  int64_t grown = -1;
  const bool whole = ::read(ends[0], &grown, sizeof grown) == sizeof grown;
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  return whole && status == 0 ? grown : -1;
}

TEST_F(SliceGguf, MemoryDoesNotGrowWithTheModel) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own memory hides the program's";
#endif
  // 133 MB of Q4_0, tensors of 4.7 MB: rows, and scattered columns that are encoded anew.
  test::TinyGguf sizes;
  sizes.hidden = 1024, sizes.width = 8192, sizes.layers = 8;
  open(test::tiny_gguf(Dtype::kQ4_0, {}, sizes));
  const List kept = spread(6144, 8192);
  const SlicePlan planned = plan({.mask = {.kept = std::vector<List>(8, kept)}});
  const int64_t grown = memory_of([&] {
    SilentProgress progress;
    write_slice(*checkpoint, planned, folder / "out.gguf", {}, progress);
  });
  // Six buffers of 4 MiB, and the pages of the tensors whose bytes wait in them.
  EXPECT_GT(grown, 0);
  EXPECT_LT(grown, 48 << 20);
  EXPECT_TRUE(bytes_of(Checkpoint(folder / "out.gguf"), blk(7, "ffn_down")) ==
              recoded(*checkpoint, blk(7, "ffn_down"), kept, Dtype::kQ8_0));
}

// Names of GGUF, and theirs in the folder.
std::string folder_name(std::string name) {
  const std::vector<std::pair<std::string, std::string>> parts{{"token_embd", "model.embed_tokens"},
                                                               {"output_norm", "model.norm"},
                                                               {"blk.", "model.layers."},
                                                               {"attn_norm", "input_layernorm"},
                                                               {"ffn_norm", "post_attention_layernorm"},
                                                               {"attn_q", "self_attn.q_proj"},
                                                               {"attn_k", "self_attn.k_proj"},
                                                               {"attn_v", "self_attn.v_proj"},
                                                               {"attn_output", "self_attn.o_proj"},
                                                               {"ffn_gate", "mlp.gate_proj"},
                                                               {"ffn_up", "mlp.up_proj"},
                                                               {"ffn_down", "mlp.down_proj"}};
  for (const auto& [from, to] : parts) {
    const auto at = name.find(from);
    if (at != std::string::npos && (at == 0 || name[at - 1] == '.')) name.replace(at, from.size(), to);
  }
  return name;
}

TEST(SliceGgufStories, TheCutOfTheFileIsTheCutOfTheFolder) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const fs::path source = data / "models" / "stories260K";
  const Checkpoint in_folder(source), in_file(source / "stories260K.gguf");
  const ModelDescription as_folder = describe_model(in_folder), as_file = describe_model(in_file);
  ASSERT_EQ(as_folder.ffn_widths(), as_file.ffn_widths());
  Mask mask;
  for (size_t l = 0; l < as_file.layers.size(); ++l) {
    mask.kept.push_back(spread(100, as_file.layers[l].ffn.neurons.width));
    for (int64_t& row : mask.kept.back()) row += static_cast<int64_t>(l % 2);
    mask.kept_kv_groups.push_back({static_cast<int64_t>(l) % 2, 3});
  }
  mask.dropped_layers = {2};
  const test::TemporaryFolder folder;
  SilentProgress progress;
  write_slice(in_folder, plan_slice(in_folder, as_folder, mask), folder / "out", {}, progress);
  write_slice(in_file, plan_slice(in_file, as_file, mask), folder / "out.gguf", {}, progress);
  const Checkpoint cut_folder(folder / "out"), cut_file(folder / "out.gguf");
  const ModelDescription after = describe_model(cut_file);
  const int64_t dim = after.layers.front().head_dim;
  ASSERT_EQ(dim, 8);
  size_t compared = 0;
  for (const auto& entry : cut_file.tensors()) {
    const std::string name = entry.stored.spec.name;
    const std::string theirs = folder_name(name);
    ASSERT_NE(cut_folder.find(theirs), nullptr) << theirs;
    std::vector<float> values = test::numbers_of(cut_file, name);
    if (name.find("attn_q") != std::string::npos || name.find("attn_k") != std::string::npos) {
      // Row 2 j + half of a head is row half * dim / 2 + j in the folder.
      const auto cols = static_cast<size_t>(entry.stored.spec.shape[1]), head = static_cast<size_t>(dim);
      const std::vector<float> paired = values;
      for (size_t row = 0; row < paired.size() / cols; ++row) {
        const size_t in_head = row % head, to = row - in_head + in_head % 2 * (head / 2) + in_head / 2;
        std::copy_n(paired.begin() + static_cast<long>(row * cols), cols,
                    values.begin() + static_cast<long>(to * cols));
      }
    }
    EXPECT_EQ(cut_folder.at(theirs).stored.spec.shape, entry.stored.spec.shape) << name;
    EXPECT_TRUE(test::numbers_of(cut_folder, theirs) == values) << name;
    ++compared;
  }
  EXPECT_EQ(compared, cut_folder.tensors().size());
  EXPECT_EQ(after.ffn_widths(), List(4, 100));
  EXPECT_EQ(after.layers[0].kv_heads, 2);
  EXPECT_EQ(cut_file.gguf()->metadata().text("general.architecture", ""), "llama");
}

}  // namespace
}  // namespace prunenet
