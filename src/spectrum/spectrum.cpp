// Spectra by Gram matrices, with the direct route beside it.
#include "spectrum/spectrum.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "linalg/eigenvalues.h"
#include "linalg/gram.h"
#include "spectrum/removed_rows.h"

namespace prunenet {
namespace {

// Eigenvalues of a Gram matrix as singular values: rounding may leave the smallest a little below zero.
template <typename Real>
Spectrum from_gram(Matrix<Real>& gram, Real scale) {
  const Eigenvalues eigen = symmetric_eigenvalues(gram);
  Spectrum spectrum;
  spectrum.converged = eigen.converged;
  for (auto value = eigen.values.rbegin(); value != eigen.values.rend(); ++value) {
    spectrum.singular_values.push_back(std::sqrt(std::max(0.0, *value)) / static_cast<double>(scale));
  }
  return spectrum;
}

template <typename Real>
Spectrum direct(Matrix<Real> w) {
  SingularValues values = singular_values_direct(w);
  return {std::move(values.values), values.converged};
}

template <typename Real>
Matrix<Real> scaled_rows(const Matrix<Real>& w, std::span<const int64_t> rows, Real scale) {
  Matrix<Real> gathered = gather_rows(w, rows);
  if (scale != 1) gathered *= scale;
  return gathered;
}

}  // namespace

// Weights whose squares are far from the ends of the range need no scaling; others get a power of two, which is exact.
template <typename Real>
Real scale_for_squares_up_to(Real largest) {
  if (largest == 0 || (largest > Real(1e-6) && largest < Real(1e6))) return 1;
  int exponent = 0;
  std::frexp(largest, &exponent);
  constexpr int kMost = std::numeric_limits<Real>::max_exponent - 8;  // the scale and its reciprocal are normal numbers
  return std::ldexp(Real{1}, std::clamp(-exponent, -kMost, kMost));
}

template <typename Real>
Real scale_for_squares(const Matrix<Real>& w) {
  PRUNENET_CHECK(w.allFinite());
  return scale_for_squares_up_to<Real>(w.cwiseAbs().maxCoeff());
}

template <typename Real>
RowSpectrum<Real>::RowSpectrum(const Matrix<Real>& w, SpectrumRoute route) : w_(w), route_(route) {
  PRUNENET_CHECK(w.rows() > 0 && w.cols() > 0);
  if (route_ == SpectrumRoute::kDirect) return;
  scale_ = scale_for_squares(w);
  const auto form = [&](const Matrix<Real>& m) { return m.rows() > m.cols() ? gram_of_columns(m) : gram_of_rows(m); };
  gram_ = scale_ == 1 ? form(w) : form(Matrix<Real>(w * scale_));
}

template <typename Real>
RowSpectrum<Real>::RowSpectrum(const Matrix<Real>& w, Matrix<Real> gram)
    : RowSpectrum(w, std::move(gram), scale_for_squares(w)) {}

template <typename Real>
RowSpectrum<Real>::RowSpectrum(const Matrix<Real>& w, Matrix<Real> gram, Real scale)
    : w_(w), route_(SpectrumRoute::kGram), scale_(scale), gram_(std::move(gram)) {
  PRUNENET_CHECK(gram_.rows() == std::min(w.rows(), w.cols()) && gram_.cols() == gram_.rows());
}

template <typename Real>
Spectrum RowSpectrum<Real>::all() const {
  if (route_ == SpectrumRoute::kDirect) return direct(w_);
  Matrix<Real> gram = gram_;
  return from_gram(gram, scale_);
}

template <typename Real>
Spectrum RowSpectrum<Real>::kept(std::span<const int64_t> kept) const {
  PRUNENET_CHECK(!kept.empty() && kept.front() >= 0 && kept.back() < w_.rows());
  const int64_t rows = w_.rows(), cols = w_.cols(), count = static_cast<int64_t>(kept.size());
  if (count == rows) return all();
  if (route_ == SpectrumRoute::kDirect) return direct(gather_rows(w_, kept));

  Matrix<Real> gram;
  if (rows <= cols) {  // the Gram matrix of rows: the choice is a part of it
    gram.resize(count, count);
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t j = i; j < count; ++j) gram(i, j) = gram_(kept[static_cast<size_t>(i)], kept[static_cast<size_t>(j)]);
    }
  } else if (count <= cols) {  // fewer rows than columns are left: their own Gram matrix is the smaller one
    gram = gram_of_rows(scaled_rows(w_, kept, scale_));
  } else {
    if (2 * count > rows) {
      const Matrix<Real> removed = scaled_rows(w_, removed_rows(kept, rows), scale_);
      const double all_weight = gram_.diagonal().template cast<double>().sum();
      if (may_downdate(removed.template cast<double>().squaredNorm(), all_weight)) {
        gram = gram_;
        downdate_gram(removed, gram);
      }
    }
    if (gram.size() == 0) gram = gram_of_columns(scaled_rows(w_, kept, scale_));
  }
  return from_gram(gram, scale_);
}

template <typename Real>
Spectrum singular_values(const Matrix<Real>& w, SpectrumRoute route) {
  return RowSpectrum<Real>(w, route).all();
}

template float scale_for_squares_up_to<float>(float);
template double scale_for_squares_up_to<double>(double);
template float scale_for_squares<float>(const Matrix<float>&);
template double scale_for_squares<double>(const Matrix<double>&);
template class RowSpectrum<float>;
template class RowSpectrum<double>;
template Spectrum singular_values<float>(const Matrix<float>&, SpectrumRoute);
template Spectrum singular_values<double>(const Matrix<double>&, SpectrumRoute);

}  // namespace prunenet
