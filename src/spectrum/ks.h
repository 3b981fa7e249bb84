// The two-sample Kolmogorov-Smirnov statistic.
#pragma once

#include <span>

namespace prunenet {

/// How far two spectra are apart.
struct SpectrumDistance {
  double ks = 0;
  double error = 0;       // how far `ks` may be from the exact one: see the estimate's docstring; 0 where it is exact
  bool converged = true;  // both spectra settled
};

/// sup_x |F1(x) - F2(x)| of the empirical distributions of two samples, as scipy's ks_2samp(...).statistic. In any order,
/// of any sizes; equal values are one step. Neither may be empty or hold NaN. Cost: sorting.
double ks_statistic(std::span<const double> first, std::span<const double> second);

}  // namespace prunenet
