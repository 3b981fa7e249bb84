// The two-sample Kolmogorov-Smirnov statistic.
#pragma once

#include <span>

namespace prunenet {

/// sup_x |F1(x) - F2(x)| of the empirical distributions of two samples, as scipy's ks_2samp(...).statistic. In any order,
/// of any sizes; equal values are one step. Neither may be empty or hold NaN. Cost: sorting.
double ks_statistic(std::span<const double> first, std::span<const double> second);

}  // namespace prunenet
