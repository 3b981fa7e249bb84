// Cuts of GGUF files that are refused: masks, numbers that are none, targets.
#include <cstring>

#include "sliced_gguf.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using namespace test;

TEST_F(SliceGguf, MasksThatDoNotFitAreRefused) {
  open(tiny_gguf(Dtype::kQ4_0));
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
      SCOPED_TRACE(std::string(role) + (bits == 0x7e00 ? ": NaN" : ": infinity"));
      TinyGguf made = tiny_gguf(Dtype::kQ5K);
      std::memcpy(made.tensor(blk(1, role)).bytes.data() + 3 * 176, &bits, 2);
      open(made);
      const Edits edits{.mask = {.kept = three(spread(96, 768))}};
      if (bits == 0x7c00 && role == std::string("attn_v")) {  // what is copied may hold infinity
        const Checkpoint cut = write(edits);
        EXPECT_TRUE(bytes_of(cut, blk(1, role)) == made.tensor(blk(1, role)).bytes);
        continue;
      }
      fs::remove(folder / "out.gguf");
      const auto before = folder_contents(folder.path());
      expect_error(ErrorCode::kNonFinite, {blk(1, role), bits == 0x7e00 ? "NaN" : "infinity"}, [&] { write(edits); });
      EXPECT_EQ(folder_contents(folder.path()), before);
    }
  }
}

TEST_F(SliceGguf, TheModelItselfAndForeignFilesAreNoTargets) {
  open(tiny_gguf(Dtype::kQ4_0));
  fs::create_hard_link(folder / "in.gguf", folder / "twin.gguf");
  fs::create_symlink(folder / "in.gguf", folder / "link.gguf");
  write_bytes(folder / "letter.txt", "dear");
  fs::create_directories(folder / "sub");
  const auto before = folder_contents(folder.path());
  SilentProgress progress;
  const auto attempt = [&](const fs::path& target, bool overwrite) {
    SliceOptions options;
    options.overwrite = overwrite;
    require_output_possible(*checkpoint, target, overwrite);
    write_slice(*checkpoint, plan({}), target, options, progress);
  };
  for (const char* name : {"in.gguf", "twin.gguf", "link.gguf", "sub/../in.gguf"}) {
    for (const bool overwrite : {false, true}) {
      expect_error(ErrorCode::kBadOption, {"the model itself"}, [&] { attempt(folder / name, overwrite); });
    }
  }
  for (const char* name : {"letter.txt", "sub"}) {
    for (const bool overwrite : {false, true})
      expect_error(ErrorCode::kExists, {name}, [&] { attempt(folder / name, overwrite); });
  }
  EXPECT_EQ(folder_contents(folder.path()), before);

  attempt(folder / "new" / "deep" / "out.gguf", false);
  expect_error(ErrorCode::kExists, {"out.gguf"}, [&] { attempt(folder / "new/deep/out.gguf", false); });
  attempt(folder / "new" / "deep" / "out.gguf", true);
  EXPECT_TRUE(read_bytes(folder / "new/deep/out.gguf") == read_bytes(folder / "in.gguf"));
}

}  // namespace
}  // namespace prunenet
