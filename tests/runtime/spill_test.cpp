// Tensors that wait on the disk: the same numbers, in a file that leaves nothing behind.
#include "runtime/spill.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/support.h"

namespace prunenet {
namespace {

TEST(TensorSpill, KeepsNumbersInMemoryOrOnTheDisk) {
  const test::TemporaryFolder folder;
  const at::NoGradGuard no_grad;
  const at::Tensor values = at::arange(24, at::kFloat).reshape({4, 6});
  for (const int64_t bytes : {int64_t{96}, TensorSpill::kMostBytesInMemory + 1}) {
    TensorSpill spill(bytes, folder / "");
    EXPECT_EQ(spill.on_disk(), bytes > TensorSpill::kMostBytesInMemory);
    const at::Tensor kept = spill.keep(values), columns = spill.keep(values.t());
    EXPECT_EQ(kept.data_ptr() == values.data_ptr(), !spill.on_disk());
    EXPECT_TRUE(at::equal(kept, values));
    EXPECT_TRUE(at::equal(columns, values.t()));
    EXPECT_TRUE(std::filesystem::is_empty(folder / "")) << "the file has no name";
  }
}

TEST(TensorSpill, GoesWhereItIsTold) {
  EXPECT_EQ(scratch_folder("/some/where"), "/some/where");
  EXPECT_FALSE(scratch_folder({}).empty());
}

}  // namespace
}  // namespace prunenet
