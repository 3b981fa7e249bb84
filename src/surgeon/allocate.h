// How much each layer keeps under one budget: an exact knapsack over error curves.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "surgeon/eliminate.h"

namespace prunenet {

/// What a layer loses for each number of units it keeps (unit: a width multiple of neurons, a KV group ...).
struct LayerCurve {
  int64_t min_units = 0;     // first number allowed
  std::vector<double> cost;  // cost[i]: when min_units + i units are kept; any finite number, of any shape
  int64_t unit_price = 1;    // of one kept unit: parameters, bytes or operations

  int64_t max_units() const { return min_units + static_cast<int64_t>(cost.size()) - 1; }
};

struct Allocation {
  std::vector<int64_t> units;  // kept, for each layer
  double cost = 0;             // sum of the layers' costs
  int64_t price = 0;           // of all kept units, at most the budget
  int64_t price_step = 1;  // prices were rounded up to multiples of it where that is more than their common divisor:
  bool exact = true;  // then exact is false, and no allocation that costs less under (budget - layers * step) exists
};

/// The units that minimise the sum of costs with the sum of prices at most `budget`, by dynamic programming over prices
/// in units of their greatest common divisor. Of equal costs, the cheaper in price; then more units for earlier layers.
/// Cost: layers x units x (budget / divisor) steps; memory 2 bytes x layers x (budget / divisor). Where that table
/// would have more than `max_table` entries prices are rounded up to a coarser step; see Allocation::exact. Throws
/// kBadOption (budget below the minimum of all layers: both named; no layer), kNonFinite (a cost: layer named).
Allocation allocate(std::span<const LayerCurve> layers, int64_t budget, int64_t max_table = int64_t{1} << 26);

/// The curve of a layer of `groups` groups whose elimination removed R of them: units of `multiple` groups; kept units
/// from ceil((groups - R) / multiple), at least 1, to floor(groups / multiple); cost = error * scale. Where the
/// multiple does not divide the groups, keeping all is no unit count: leave such a layer out or use a multiple that
/// divides.
LayerCurve error_curve(const Elimination& elimination, int64_t groups, int64_t multiple, double scale,
                       int64_t group_price);

}  // namespace prunenet
