// The knapsack.
#include "surgeon/allocate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"

namespace prunenet {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// The budget beyond the least units of all layers, in steps; prices of a unit in the same steps, rounded up.
struct Grid {
  int64_t room = 0, step = 1;
  std::vector<int64_t> price;
  bool exact = true;
};

Grid make_grid(std::span<const LayerCurve> layers, int64_t room, int64_t max_table) {
  Grid grid;
  int64_t most = 0;
  for (const LayerCurve& layer : layers) {
    grid.step = grid.price.empty() ? layer.unit_price : std::gcd(grid.step, layer.unit_price);
    grid.price.push_back(layer.unit_price);
    most += (layer.max_units() - layer.min_units) * layer.unit_price;
  }
  room = std::min(room, most);
  const int64_t rows = static_cast<int64_t>(layers.size());
  const int64_t most_columns = std::max<int64_t>(1, max_table / rows - 1);
  if (room / grid.step > most_columns) {
    grid.step = (room + most_columns - 1) / most_columns;
    grid.exact = false;
  }
  grid.room = room / grid.step;
  return grid;
}

void require_sense(std::span<const LayerCurve> layers) {
  if (layers.empty()) fail(ErrorCode::kBadOption, "allocation", "there is no layer to allocate to");
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerCurve& layer = layers[i];
    PRUNENET_CHECK(!layer.cost.empty() && layer.min_units >= 0 && layer.unit_price > 0);
    PRUNENET_CHECK(layer.cost.size() <= std::numeric_limits<uint16_t>::max());
    for (const double cost : layer.cost) {
      if (!std::isfinite(cost))
        fail(ErrorCode::kNonFinite, fmt::format("layer {}", i), "its error curve is not finite");
    }
  }
}

}  // namespace

Allocation allocate(std::span<const LayerCurve> layers, int64_t budget, int64_t max_table) {
  require_sense(layers);
  int64_t least = 0;
  for (const LayerCurve& layer : layers) least += layer.min_units * layer.unit_price;
  if (budget < least) {
    fail(ErrorCode::kBadOption, "allocation", "the budget is {}, and what every layer must keep is {}", budget, least);
  }
  const Grid grid = make_grid(layers, budget - least, max_table);
  const auto columns = static_cast<size_t>(grid.room + 1);

  // best[b]: least cost of the layers so far with at most b steps; taken[layer][b]: units beyond the least that it
  // takes.
  std::vector<double> best(columns, 0), next(columns);
  std::vector<std::vector<uint16_t>> taken;
  for (size_t i = 0; i < layers.size(); ++i) {
    taken.emplace_back(columns);
    std::fill(next.begin(), next.end(), kNever);
    for (size_t u = 0; u < layers[i].cost.size(); ++u) {
      // Rounded up for all units together, so that coarse steps waste less.
      const int64_t price = (static_cast<int64_t>(u) * grid.price[i] + grid.step - 1) / grid.step;
      if (price > grid.room) break;
      const double cost = layers[i].cost[u];
      for (auto b = static_cast<size_t>(price); b < columns; ++b) {
        const double total = best[b - static_cast<size_t>(price)] + cost;
        if (total < next[b]) {
          next[b] = total;
          taken[i][b] = static_cast<uint16_t>(u);
        }
      }
    }
    std::swap(best, next);
  }

  Allocation result;
  result.exact = grid.exact;
  result.price_step = grid.step;
  result.units.resize(layers.size());
  // The cheapest of the best: best[b] never rises with b.
  auto b =
      static_cast<int64_t>(std::lower_bound(best.begin(), best.end(), best.back(), std::greater<>()) - best.begin());
  for (size_t i = layers.size(); i-- > 0;) {
    const int64_t u = taken[i][static_cast<size_t>(b)];
    result.units[i] = layers[i].min_units + u;
    b -= (u * grid.price[i] + grid.step - 1) / grid.step;
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    result.cost += layers[i].cost[static_cast<size_t>(result.units[i] - layers[i].min_units)];
    result.price += result.units[i] * layers[i].unit_price;
  }
  return result;
}

LayerCurve error_curve(const Elimination& elimination, int64_t groups, int64_t multiple, double scale,
                       int64_t group_price) {
  PRUNENET_CHECK(multiple >= 1 && multiple <= groups);
  const auto removed = static_cast<int64_t>(elimination.removed.size());
  LayerCurve curve;
  curve.min_units = std::max<int64_t>(1, (groups - removed + multiple - 1) / multiple);
  curve.unit_price = multiple * group_price;
  for (int64_t units = curve.min_units; units * multiple <= groups; ++units) {
    const int64_t gone = groups - units * multiple;
    curve.cost.push_back(gone == 0 ? 0 : scale * elimination.error[static_cast<size_t>(gone - 1)]);
  }
  return curve;
}

}  // namespace prunenet
