// Tensors that wait on the disk: the same numbers, in a file that leaves nothing behind.
#include "runtime/spill.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "support/support.h"
#include "test_device.h"

namespace prunenet {
namespace {

TEST(TensorSpill, KeepsNumbersInMemoryOrOnTheDisk) {
  const test::TemporaryFolder folder;
  const at::NoGradGuard no_grad;
  const at::Tensor values = at::arange(24, at::kFloat).reshape({4, 6});
  for (const int64_t bytes : {int64_t{96}, TensorSpill::kMostBytesInMemory + 1}) {
    TensorSpill spill(bytes, at::kCPU, folder / "");
    EXPECT_EQ(spill.on_disk(), bytes > TensorSpill::kMostBytesInMemory);
    const at::Tensor kept = spill.keep(values), columns = spill.keep(values.t());
    EXPECT_EQ(kept.data_ptr() == values.data_ptr(), !spill.on_disk());
    EXPECT_TRUE(at::equal(kept, values));
    EXPECT_EQ(spill.of(kept).data_ptr(), kept.data_ptr()) << "nothing is copied where it lies already";
    EXPECT_TRUE(at::equal(columns, values.t()));
    EXPECT_TRUE(std::filesystem::is_empty(folder / "")) << "the file has no name";
  }
}

// On a GPU, too, what is too much does not stay there.
TEST(DeviceSpill, WhatWaitsInTheFileLeavesTheDeviceAndComesBack) {
  const test::TemporaryFolder folder;
  const at::NoGradGuard no_grad;
  const at::Device device(test::test_device());
  const at::Tensor values = at::arange(24, at::kFloat).reshape({4, 6}), there = values.to(device);
  for (const int64_t bytes : {int64_t{96}, TensorSpill::kMostBytesInMemory + 1}) {
    TensorSpill spill(bytes, device, folder / "");
    const at::Tensor kept = spill.keep(there), columns = spill.keep(there.t());
    EXPECT_EQ(kept.device(), spill.on_disk() ? at::Device(at::kCPU) : there.device());
    EXPECT_EQ(spill.of(kept).device(), there.device());
    EXPECT_TRUE(at::equal(spill.of(kept).cpu(), values));
    EXPECT_TRUE(at::equal(spill.of(columns).cpu(), values.t()));
  }
}

TEST(TensorSpill, GoesWhereItIsTold) {
  EXPECT_EQ(scratch_folder("/some/where"), "/some/where");
  EXPECT_FALSE(scratch_folder({}).empty());
}

}  // namespace
}  // namespace prunenet
