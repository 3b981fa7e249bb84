// Scaled coordinates: every input divided by its root mean square (by its deviation, when centred), so that moments
// have a unit diagonal and nothing depends on how a neuron's matrices are scaled against each other.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "linalg/block.h"
#include "moments/moments.h"

namespace prunenet {

/// A variance of at most this part of the square is rounding: the input is constant.
inline constexpr double kConstantInput = 0x1p-17;

struct Scaling {
  std::vector<double> scale;  // of each input; 0: dead, no energy (constant, when centred)
  std::vector<double> mean;   // what is taken off each input: 0 unless centred
};

/// Throws kNonFinite, naming `where` and the input.
Scaling scaling_of(const Moments& moments, bool centred, const std::string& where);

/// Upper triangle of the scaled (centred) moments of the inputs in `order`, which may be any but must be live. In f64,
/// then rounded to Real. Throws kNonFinite.
template <typename Real>
void fill_scaled_moments(const Moments& moments, const Scaling& scaling, std::span<const int64_t> order,
                         Block<Real> out, const std::string& where);

/// Columns `order` of w [D, F] times their scales, [D, order]. Throws kNonFinite.
template <typename Real>
Matrix<Real> scaled_columns(const Matrix<float>& w, const Scaling& scaling, std::span<const int64_t> order,
                            const std::string& where);

template <typename Real>
void add_to_diagonal(Real value, Block<Real> a) {
  for (int64_t i = 0; i < a.rows; ++i) a.row(i)[i] += value;
}

}  // namespace prunenet
