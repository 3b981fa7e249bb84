// No TF32, whatever the environment says. The variables are what torch and NVIDIA's libraries read, each in a process
// of its own: torch reads its one once.
#include "runtime/full_precision.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "runtime/torch_engine.h"
#include "support/support.h"

namespace prunenet {
namespace {

constexpr const char* kOfTorch = "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE";
constexpr const char* kOfNvidia = "NVIDIA_TF32_OVERRIDE";

// Death tests that begin anew: the child is a process of its own that finds the variable from its start.
class FullPrecisionDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    setenv(kOfTorch, "1", 1);
  }
  void TearDown() override { unsetenv(kOfTorch); }
};

TEST_F(FullPrecisionDeathTest, ADeviceThatIsOpenedTakesTheVariableAway) {
  EXPECT_EXIT(
      {
        torch_device("cpu");
        std::exit(at::globalContext().allowTF32CuBLAS() || std::getenv(kOfTorch) != nullptr ? 1 : 0);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(FullPrecisionDeathTest, TheVariableMeansSomething) {
  EXPECT_EXIT(std::exit(at::globalContext().allowTF32CuBLAS() ? 0 : 1), testing::ExitedWithCode(0), "")
      << "this libtorch does not read it: the tests beside this one show nothing";
}

TEST_F(FullPrecisionDeathTest, AfterTorchHasReadItThereIsNoTf32OrAnError) {
  EXPECT_EXIT(
      {
        static_cast<void>(at::globalContext().allowTF32CuBLAS());
        try {
          forbid_tf32();
        } catch (const Error& error) {
          std::exit(error.code() == ErrorCode::kUnsupported && at::globalContext().allowTF32CuBLAS() ? 0 : 1);
        }
        std::exit(at::globalContext().allowTF32CuBLAS() ? 1 : 0);
      },
      testing::ExitedWithCode(0), "");
}

TEST(FullPrecision, SettingsOfTheProcessAreTakenBack) {
  at::globalContext().setAllowTF32CuBLAS(true);
  forbid_tf32();
  EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
}

TEST(FullPrecision, ADeviceOfNvidiaWantsNoOtherOverrideThanZero) {
  for (const char* value : {"1", "", "00", "no"}) {
    setenv(kOfNvidia, value, 1);
    test::expect_error(ErrorCode::kUnsupported, {kOfNvidia, "expected 0"}, [] { torch_device("cuda"); });
    EXPECT_NO_THROW(torch_device("cpu"));
  }
  setenv(kOfNvidia, "0", 1);
  EXPECT_NO_THROW(require_no_tf32_of_cublas());
  unsetenv(kOfNvidia);
  EXPECT_NO_THROW(require_no_tf32_of_cublas());
}

}  // namespace
}  // namespace prunenet
