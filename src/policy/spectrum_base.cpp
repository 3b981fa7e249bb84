// Whole spectra, kept; Gram matrices between episodes.
#include "policy/spectrum_base.h"

namespace prunenet {

template <typename Real>
SpectrumBase<Real>::SpectrumBase(std::filesystem::path scratch_folder, SpectrumRoute route)
    : route_(route), grams_(std::move(scratch_folder)) {}

template <typename Real>
RowSpectrum<Real> SpectrumBase<Real>::rows_of(int64_t layer, const Matrix<Real>& w) {
  if (route_ == SpectrumRoute::kDirect) return RowSpectrum<Real>(w, route_);
  Matrix<Real> gram;
  if (grams_.get(layer, gram)) return RowSpectrum<Real>(w, std::move(gram));
  RowSpectrum<Real> rows(w, route_);
  grams_.put(layer, rows.gram());
  return rows;
}

template <typename Real>
const Spectrum& SpectrumBase<Real>::whole(int64_t layer, const Matrix<Real>& w) {
  const auto found = whole_.find(layer);
  if (found != whole_.end()) return found->second;
  return whole_.emplace(layer, rows_of(layer, w).all()).first->second;
}

template <typename Real>
Spectrum SpectrumBase<Real>::kept(int64_t layer, const Matrix<Real>& w, std::span<const int64_t> rows) {
  return rows_of(layer, w).kept(rows);
}

template <typename Real>
SpectrumDistance SpectrumBase<Real>::distance(int64_t layer, const Matrix<Real>& w, std::span<const int64_t> rows) {
  const Spectrum& all = whole(layer, w);
  const Spectrum some = kept(layer, w, rows);
  return {ks_statistic(all.singular_values, some.singular_values), 0, all.converged && some.converged};
}

template class SpectrumBase<float>;
template class SpectrumBase<double>;

}  // namespace prunenet
