// When a run speaks of the memory that its weights will take, and what it says.
#include "cli/memory_hint.h"

#include <gtest/gtest.h>

namespace prunenet::cli {
namespace {

constexpr int64_t kGB = 1'000'000'000;

TEST(MemoryHint, SpeaksOfMuchMemoryAndOfHalfOfWhatIsFree) {
  EXPECT_FALSE(memory_hint({true, 4 * kGB, 0, 64 * kGB}));
  EXPECT_TRUE(memory_hint({true, 5 * kGB, 0, 64 * kGB}));
  EXPECT_TRUE(memory_hint({true, 5 * kGB, 0, 0})) << "whatever is free";
  EXPECT_FALSE(memory_hint({true, 1 * kGB, 0, 2 * kGB}));
  EXPECT_TRUE(memory_hint({true, 1 * kGB + 1, 0, 2 * kGB}));
  EXPECT_FALSE(memory_hint({true, 0, 0, 0}));
}

TEST(MemoryHint, NamesTheOptionsThatTakeLess) {
  EXPECT_EQ(*memory_hint({true, 27 * kGB, 0, 64 * kGB}),
            "the weights in f32 will take 27.0 GB of memory, and 64.0 GB are free: --dtype bf16 takes none for them, "
            "--stream holds one layer at a time");
  EXPECT_EQ(*memory_hint({true, 27 * kGB, 13 * kGB, 0}),
            "the weights in f32 will take 27.0 GB of memory: --dtype bf16 takes 13.0 GB, --stream holds one layer at a "
            "time");
  EXPECT_EQ(*memory_hint({false, 13 * kGB, 13 * kGB, 20 * kGB}),
            "the weights in bf16 will take 13.0 GB of memory, and 20.0 GB are free: --stream holds one layer at a time");
}

}  // namespace
}  // namespace prunenet::cli
