// KS by walking both sorted samples at once.
#include "spectrum/ks.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace prunenet {

double ks_statistic(std::span<const double> first, std::span<const double> second) {
  PRUNENET_CHECK(!first.empty() && !second.empty());
  const auto is_nan = [](double x) { return std::isnan(x); };  // has no place in an order
  PRUNENET_CHECK(std::none_of(first.begin(), first.end(), is_nan) && std::none_of(second.begin(), second.end(), is_nan));
  std::vector<double> a(first.begin(), first.end()), b(second.begin(), second.end());
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  double largest = 0;
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    const double x = std::min(a[i], b[j]);
    while (i < a.size() && a[i] == x) ++i;  // both distributions step at once where values are equal
    while (j < b.size() && b[j] == x) ++j;
    const double f1 = static_cast<double>(i) / static_cast<double>(a.size());
    const double f2 = static_cast<double>(j) / static_cast<double>(b.size());
    largest = std::max(largest, std::abs(f1 - f2));
  }
  return largest;
}

}  // namespace prunenet
