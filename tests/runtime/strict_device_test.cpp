// The strict device is strict: else the tests that run on it would prove nothing.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "test_device.h"

namespace prunenet {
namespace {

class StrictDevice : public testing::Test {
 protected:
  void SetUp() override {
    if (test::test_device() != "privateuseone:0") GTEST_SKIP() << "for PRUNENET_TEST_DEVICE=privateuseone:0";
  }
};

TEST_F(StrictDevice, ComputesAsTheProcessorDoes) {
  const at::Tensor a = at::arange(12, at::TensorOptions(at::kFloat)).view({3, 4}), b = a.t().contiguous();
  const at::Tensor there = at::mm(a.to(at::Device("privateuseone:0")), b.to(at::Device("privateuseone:0")));
  EXPECT_FALSE(there.is_cpu());
  EXPECT_TRUE(at::equal(there.cpu(), at::mm(a, b)));
  EXPECT_TRUE(at::equal(there.narrow(0, 1, 1).t().cpu(), at::mm(a, b).narrow(0, 1, 1).t()));
}

TEST_F(StrictDevice, RefusesTensorsOfTwoDevices) {
  const at::Tensor a = at::ones({3, 3});
  EXPECT_THROW(at::mm(a.to(at::Device("privateuseone:0")), a), c10::Error);
  EXPECT_THROW(a + a.to(at::Device("privateuseone:0")), c10::Error);
  EXPECT_NO_THROW(a.to(at::Device("privateuseone:0")) * at::ones({}));  // a single number, as on a GPU
}

using StrictDeviceDeathTest = StrictDevice;

TEST_F(StrictDeviceDeathTest, ItsMemoryCannotBeReadFromTheHost) {
  const at::Tensor there = at::ones({4}).to(at::Device("privateuseone:0"));
  EXPECT_DEATH(
      {
        volatile float value = there.data_ptr<float>()[2];
        static_cast<void>(value);
      },
      "");
}

}  // namespace
}  // namespace prunenet
