// Singular values of a weight matrix and of a choice of its rows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "linalg/matrix.h"

namespace prunenet {

/// kGram: square roots of the eigenvalues of the smaller Gram matrix. It squares the condition number: values below
/// sqrt(eps) of the largest are noise (f32: 3e-4 of it, f64: 1.5e-8). kDirect: LAPACK's gesdd, about ten times slower,
/// values down to eps of the largest are good.
enum class SpectrumRoute { kGram, kDirect };

struct Spectrum {
  std::vector<double> singular_values;  // descending, min(rows, cols) of them, none negative
  bool converged = true;
};

/// The power of two that w (not empty, finite) is multiplied with before its squares are formed: 1 unless they would leave
/// the range.
template <typename Real>
Real scale_for_squares(const Matrix<Real>& w);
/// The same for a matrix whose largest absolute value this is (finite).
template <typename Real>
Real scale_for_squares_up_to(Real largest);

/// All singular values of w [F, D] (F, D >= 1, finite). Scaled by a power of two first, so that no square overflows.
/// The same bits for any number of threads.
template <typename Real>
Spectrum singular_values(const Matrix<Real>& w, SpectrumRoute route);

/// The spectra of one matrix w [F, D] under many choices of rows. The Gram matrix of the whole is formed once; a choice
/// costs its removed rows (downdate) or its kept rows, whichever are fewer (the kept rows, too, where the removed ones hold
/// most of the squared weight: a downdate would leave their rounding errors), and the eigenvalues.
/// Holds a reference to w, which must outlive it.
template <typename Real>
class RowSpectrum {
 public:
  explicit RowSpectrum(const Matrix<Real>& w, SpectrumRoute route = SpectrumRoute::kGram);
  /// With the Gram matrix that `gram()` gave for the same w before; with `scale()` of then, w is not looked through again.
  RowSpectrum(const Matrix<Real>& w, Matrix<Real> gram);
  RowSpectrum(const Matrix<Real>& w, Matrix<Real> gram, Real scale);

  Spectrum all() const;
  /// `kept`: ascending row indices, not empty. Returns min(K, D) values.
  Spectrum kept(std::span<const int64_t> kept) const;

  /// The stored Gram matrix (upper triangle): of columns [D, D] when F > D, else of rows [F, F]. Empty for kDirect.
  const Matrix<Real>& gram() const { return gram_; }
  /// scale_for_squares(w).
  Real scale() const { return scale_; }

 private:
  const Matrix<Real>& w_;
  SpectrumRoute route_;
  Real scale_ = 1;  // w_ * scale_ is what the Gram matrix is of
  Matrix<Real> gram_;
};

}  // namespace prunenet
