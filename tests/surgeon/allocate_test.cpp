// Allocation: against all combinations on small cases; budgets at their ends; coarse steps; what must be refused.
#include "surgeon/allocate.h"

#include <cmath>
#include <limits>

#include "base/random.h"
#include "support/support.h"

namespace prunenet {
namespace {

// Curves of any shape, not only falling or convex ones.
std::vector<LayerCurve> random_layers(RandomStream& stream, int64_t most_price) {
  std::vector<LayerCurve> layers(1 + stream.next_u32() % 4);
  for (LayerCurve& layer : layers) {
    layer.min_units = stream.next_u32() % 3;
    layer.unit_price = 1 + stream.next_u32() % static_cast<uint32_t>(most_price);
    layer.cost.resize(1 + stream.next_u32() % 6);
    for (double& cost : layer.cost) cost = stream.next_uniform(-1, 3);
  }
  return layers;
}

// Least cost of all combinations under the budget; infinity where none fits.
double best_by_trying(const std::vector<LayerCurve>& layers, size_t layer, int64_t budget) {
  if (budget < 0) return std::numeric_limits<double>::infinity();
  if (layer == layers.size()) return 0;
  double best = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < layers[layer].cost.size(); ++i) {
    const int64_t price = (layers[layer].min_units + static_cast<int64_t>(i)) * layers[layer].unit_price;
    best = std::min(best, layers[layer].cost[i] + best_by_trying(layers, layer + 1, budget - price));
  }
  return best;
}

void expect_consistent(const std::vector<LayerCurve>& layers, int64_t budget, const Allocation& found) {
  double cost = 0;
  int64_t price = 0;
  ASSERT_EQ(found.units.size(), layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    ASSERT_GE(found.units[i], layers[i].min_units);
    ASSERT_LE(found.units[i], layers[i].max_units());
    cost += layers[i].cost[static_cast<size_t>(found.units[i] - layers[i].min_units)];
    price += found.units[i] * layers[i].unit_price;
  }
  EXPECT_EQ(found.price, price);
  EXPECT_LE(price, budget);
  EXPECT_NEAR(found.cost, cost, 1e-12);
}

TEST(Allocate, FindsTheBestOfAllCombinations) {
  RandomStream stream(1, RandomStage::kBench);
  for (int round = 0; round < 400; ++round) {
    const auto layers = random_layers(stream, round % 2 == 0 ? 3 : 1000);
    int64_t least = 0, most = 0;
    for (const LayerCurve& layer : layers) {
      least += layer.min_units * layer.unit_price;
      most += layer.max_units() * layer.unit_price;
    }
    const int64_t budget = least + static_cast<int64_t>(stream.next_open() * static_cast<double>(most - least + 2));
    const Allocation found = allocate(layers, budget);
    expect_consistent(layers, budget, found);
    EXPECT_TRUE(found.exact);
    EXPECT_NEAR(found.cost, best_by_trying(layers, 0, budget), 1e-12);
  }
}

TEST(Allocate, CoarseStepsStayUnderTheBudgetAndWithinTheirStatedLoss) {
  RandomStream stream(2, RandomStage::kBench);
  int coarse = 0;
  for (int round = 0; round < 200; ++round) {
    const auto layers = random_layers(stream, 100000);
    int64_t most = 0, least = 0;
    for (const LayerCurve& layer : layers) {
      most += layer.max_units() * layer.unit_price;
      least += layer.min_units * layer.unit_price;
    }
    const int64_t budget = least + (most - least) * 2 / 3;
    const Allocation found = allocate(layers, budget, 200);
    expect_consistent(layers, budget, found);
    if (found.exact) continue;
    ++coarse;
    EXPECT_LE(found.cost,
              best_by_trying(layers, 0, budget - static_cast<int64_t>(layers.size()) * found.price_step) + 1e-12);
  }
  EXPECT_GT(coarse, 100);
}

TEST(Allocate, AtTheEndsOfTheBudgetTakesTheLeastOrTheBest) {
  const std::vector<LayerCurve> layers{{1, {3, 2, 0}, 10}, {2, {5, 1}, 7}};
  EXPECT_EQ(allocate(layers, 24).units, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(allocate(layers, 1000000000000).units, (std::vector<int64_t>{3, 3}));
  EXPECT_EQ(allocate(layers, 31).units, (std::vector<int64_t>{1, 3}));
}

TEST(Allocate, OfEqualCostsTakesTheCheaper) {
  const std::vector<LayerCurve> layers{{0, {1, 1, 1}, 5}, {0, {2, 0, 0}, 5}};
  const Allocation found = allocate(layers, 1000);
  EXPECT_EQ(found.units, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(found.price, 5);
}

TEST(Allocate, OfEqualCostsAndPricesGivesToEarlierLayers) {
  const std::vector<LayerCurve> layers{{0, {1, 0}, 1}, {0, {1, 0}, 1}, {0, {1, 0}, 1}};
  EXPECT_EQ(allocate(layers, 1).units, (std::vector<int64_t>{1, 0, 0}));
}

TEST(Allocate, CurvesOfEliminationsCountInMultiples) {
  Elimination elimination;
  for (int i = 0; i < 7; ++i) {
    elimination.removed.push_back(i);
    elimination.error.push_back(1 + i);
  }
  const LayerCurve curve = error_curve(elimination, 10, 2, 0.5, 3);
  EXPECT_EQ(curve.min_units, 2);
  EXPECT_EQ(curve.unit_price, 6);
  EXPECT_EQ(curve.cost, (std::vector<double>{3, 2, 1, 0}));  // 6, 4, 2, 0 groups gone
  EXPECT_EQ(error_curve(elimination, 7, 2, 1, 1).min_units, 1);
  EXPECT_EQ(error_curve(elimination, 7, 2, 1, 1).cost.back(), 1);  // 6 of 7 kept
}

TEST(Allocate, RefusesWhatCannotBe) {
  const std::vector<LayerCurve> layers{{2, {1, 0}, 10}};
  test::expect_error(ErrorCode::kBadOption, {"19", "20"}, [&] { allocate(layers, 19); });
  test::expect_error(ErrorCode::kBadOption, {"no layer"}, [&] { allocate({}, 19); });
  const std::vector<LayerCurve> nan{{0, {0, 1}, 1}, {0, {0, NAN}, 1}};
  test::expect_error(ErrorCode::kNonFinite, {"layer 1"}, [&] { allocate(nan, 5); });
}

}  // namespace
}  // namespace prunenet
