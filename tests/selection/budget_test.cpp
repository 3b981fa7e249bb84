// Budgets: from a ratio and a multiple to a number of neurons.
#include "selection/budget.h"

#include <cmath>
#include <limits>

#include "support/support.h"

namespace prunenet {
namespace {

TEST(KeptWidth, IsWhatPaperAndPencilGive) {
  struct Example {
    int64_t width;
    double ratio;
    int64_t multiple, expected;
  };
  const std::vector<Example> examples{
      {172, 0.3, 32, 128},                             // 120 is 3.75 multiples
      {11008, 0.3, 256, 7680},                         // 7705 is 30.1
      {11008, 0.25, 256, 8192},                        // 8256 is 32.25
      {11008, 0.2, 256, 8704},                         // 8806 is 34.4
      {11008, 0.3, 1, 7705},                           // 7705.6
      {14336, 0.5, 256, 7168},                         // exactly 28 multiples
      {172, 0.3, 1, 120},                              // 120.4
      {96, 0.25, 1, 72},        {100, 0.5, 20, 60},    // 50 lies between 40 and 60: the larger
      {100, 0.51, 20, 40},                             // 49 is nearer to 40
      {64, 0.25, 32, 64},                              // 48 lies between 32 and 64
      {64, 0.27, 32, 32},                              // 46
      {7, 0.5, 3, 3},                                  // 3.5 becomes 3, which is a multiple
      {9, 0.5, 2, 4},                                  // 4.5 becomes 4
      {10, 0.5, 3, 6},                                 // 5 is nearer to 6 than to 3
      {100, 0.99, 32, 32},                             // 1, but at least one multiple
      {100, 0.999, 1, 1},                              // 0, but at least one
      {1, 0.5, 1, 1},           {100, 0.01, 64, 100},  // 99 would become 128: at most the width
      {100, 1e-12, 32, 96},                            // 99 is 3.1
      {128, 1e-12, 32, 128},    {5, 0.3, 5, 5},
  };
  for (const Example& example : examples) {
    EXPECT_EQ(kept_width(example.width, example.ratio, example.multiple), example.expected)
        << example.width << " ratio " << example.ratio << " multiple " << example.multiple;
  }
}

// A ratio of 0 keeps all, whether or not the width is a multiple.
TEST(KeptWidth, OfRatioZeroIsTheWidth) {
  for (int64_t width : {1, 31, 172, 11008, 11009}) {
    for (int64_t multiple : {int64_t{1}, width, width / 2 + 1}) {
      EXPECT_EQ(kept_width(width, 0, multiple), width);
      EXPECT_EQ(kept_width(width, -0.0, multiple), width);
    }
  }
}

TEST(KeptWidth, WithMultipleOneIsThePublishedFloor) {
  for (int64_t width = 1; width <= 400; width += 7) {
    for (double ratio : {0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 0.9, 0.99}) {
      const auto published = static_cast<int64_t>((1 - ratio) * static_cast<double>(width));
      EXPECT_EQ(kept_width(width, ratio, 1), std::max<int64_t>(1, published)) << width << ", " << ratio;
    }
  }
}

TEST(KeptWidth, IsAMultipleWithinBoundsNextToTheWantedAndNeverGrowsWithTheRatio) {
  for (int64_t width : {1, 2, 31, 32, 33, 100, 172, 4096, 11008}) {
    for (int64_t multiple : {int64_t{1}, int64_t{2}, int64_t{3}, int64_t{32}, int64_t{256}, width}) {
      if (multiple > width) continue;
      int64_t last = width;
      for (int step = 0; step < 200; ++step) {
        const double ratio = step / 200.0;
        const int64_t kept = kept_width(width, ratio, multiple);
        ASSERT_GE(kept, 1);
        ASSERT_LE(kept, last) << width << ", " << ratio << ", " << multiple;
        ASSERT_TRUE(kept % multiple == 0 || kept == width);
        const double wanted = std::floor((1 - ratio) * static_cast<double>(width));
        if (kept > multiple && kept < width) {
          ASSERT_LE(2 * std::abs(static_cast<double>(kept) - wanted), static_cast<double>(multiple));
        }
        last = kept;
      }
    }
  }
}

TEST(KeptWidth, RefusesRatiosAndMultiplesThatMakeNoSense) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();
  for (double ratio : {-0.1, -1e-300, 1.0, 1.5, kNan, kInfinity, -kInfinity}) {
    test::expect_error(ErrorCode::kBadOption, {"--ratio", fmt::format("{}", ratio)},
                       [&] { kept_width(100, ratio, 1); });
  }
  for (int64_t multiple : {int64_t{0}, int64_t{-32}, std::numeric_limits<int64_t>::min()}) {
    test::expect_error(ErrorCode::kBadOption, {"--width-multiple", fmt::format("{}", multiple)},
                       [&] { kept_width(100, 0.3, multiple); });
  }
  for (double ratio : {0.0, 0.3}) {
    test::expect_error(ErrorCode::kBadOption, {"--width-multiple", "101", "100"}, [&] { kept_width(100, ratio, 101); });
    EXPECT_NO_THROW(kept_width(100, ratio, 100));
  }
}

TEST(DefaultWidthMultiple, Is256ForWideLayersAnd32ForOthersAnd1ForTinyOnes) {
  EXPECT_EQ(default_width_multiple(11008), 256);
  EXPECT_EQ(default_width_multiple(4096), 256);
  EXPECT_EQ(default_width_multiple(4095), 32);
  EXPECT_EQ(default_width_multiple(32), 32);
  EXPECT_EQ(default_width_multiple(31), 1);
  EXPECT_EQ(default_width_multiple(1), 1);
}

TEST(KeptWidths, TakeEachLayersOwnWidthAndDefault) {
  ModelDescription model;
  for (int64_t width : {172, 8, 11008}) {
    model.layers.emplace_back();
    model.layers.back().ffn.neurons.width = width;
  }
  EXPECT_EQ(kept_widths(model, 0.3, 0), (std::vector<int64_t>{128, 5, 7680}));
  EXPECT_EQ(kept_widths(model, 0.3, 1), (std::vector<int64_t>{120, 5, 7705}));
  EXPECT_EQ(kept_widths(model, 0, 0), (std::vector<int64_t>{172, 8, 11008}));
  test::expect_error(ErrorCode::kBadOption, {"--width-multiple"}, [&] { kept_widths(model, 0.3, 32); });  // 8 < 32
  test::expect_error(ErrorCode::kBadOption, {"--ratio"}, [&] { kept_widths(model, 1, 0); });
}

}  // namespace
}  // namespace prunenet
