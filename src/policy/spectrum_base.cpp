// Whole spectra, kept and cached; Gram matrices between episodes.
#include "policy/spectrum_base.h"

#include <algorithm>

#include "linalg/parallel.h"
#include "spectrum/removed_rows.h"

namespace prunenet {
namespace {

template <typename Real>
std::vector<double> squared_norms(const Matrix<Real>& w) {
  std::vector<double> norms(static_cast<size_t>(w.rows()));
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (w.size() > (1 << 16))
  for (int64_t i = 0; i < w.rows(); ++i) {
    norms[static_cast<size_t>(i)] = static_cast<double>(w.row(i).squaredNorm());
  }
  return norms;
}

}  // namespace

template <typename Real>
SpectrumBase<Real>::SpectrumBase(std::filesystem::path scratch_folder, SpectrumRoute route, SpectrumMethod method,
                                 SpectrumCache cache)
    : route_(route), method_(method), grams_(std::move(scratch_folder)), cache_(std::move(cache)) {}

template <typename Real>
RowSpectrum<Real> SpectrumBase<Real>::rows_of(int64_t layer, const Matrix<Real>& w) {
  if (route_ == SpectrumRoute::kDirect) return RowSpectrum<Real>(w, route_);
  const auto scale = scales_.find(layer);
  Matrix<Real> gram;
  if (scale != scales_.end() && grams_.get(layer, gram)) return RowSpectrum<Real>(w, std::move(gram), scale->second);
  RowSpectrum<Real> rows(w, route_);
  grams_.put(layer, rows.gram());
  scales_[layer] = rows.scale();
  return rows;
}

template <typename Real>
const Matrix<Real>& SpectrumBase<Real>::gram_of(int64_t layer, const Matrix<Real>& w) {
  if (scales_.contains(layer)) {
    if (const Matrix<Real>* found = grams_.find(layer, gram_buffer_)) return *found;
  }
  const RowSpectrum<Real> rows(w, route_);
  grams_.put(layer, rows.gram());
  scales_[layer] = rows.scale();
  return gram_buffer_ = rows.gram();
}

template <typename Real>
typename SpectrumBase<Real>::Layer& SpectrumBase<Real>::known(int64_t layer, const Matrix<Real>& w) {
  const auto found = layers_.find(layer);
  if (found != layers_.end()) return found->second;
  const auto key = cache_.key(w, route_ == SpectrumRoute::kDirect ? "direct" : "gram");
  Layer known;
  if (auto cached = cache_.find(key, std::min(w.rows(), w.cols()))) {
    known.spectrum = std::move(*cached);
  } else {
    known.spectrum = rows_of(layer, w).all();
    cache_.put(key, known.spectrum);
  }
  return layers_.emplace(layer, std::move(known)).first->second;
}

template <typename Real>
const Spectrum& SpectrumBase<Real>::whole(int64_t layer, const Matrix<Real>& w) {
  return known(layer, w).spectrum;
}

template <typename Real>
Spectrum SpectrumBase<Real>::kept(int64_t layer, const Matrix<Real>& w, std::span<const int64_t> rows) {
  return rows_of(layer, w).kept(rows);
}

template <typename Real>
bool SpectrumBase<Real>::can_estimate(const Matrix<Real>& w, std::span<const int64_t> rows) const {
  return method_ == SpectrumMethod::kEstimate && route_ == SpectrumRoute::kGram && w.cols() >= kEstimateFromOrder &&
         static_cast<int64_t>(rows.size()) > w.cols() && static_cast<int64_t>(rows.size()) < w.rows();
}

template <typename Real>
SpectrumDistance SpectrumBase<Real>::distance(int64_t layer, const Matrix<Real>& w, std::span<const int64_t> rows) {
  Layer& base = known(layer, w);
  if (base.spectrum.converged && can_estimate(w, rows)) {
    const Matrix<Real>& gram = gram_of(layer, w);
    if (scales_.at(layer) == 1) {
      if (!base.probes) {
        base.probes = probe_without<Real>(block_of(gram), block_of(w), {});
        base.row_weights = squared_norms(w);
      }
      const std::vector<int64_t> removed = removed_rows(rows, w.rows());
      double all_weight = 0, removed_weight = 0;
      for (double weight : base.row_weights) all_weight += weight;
      for (int64_t row : removed) removed_weight += base.row_weights[static_cast<size_t>(row)];
      const ProbedSpectrum some = may_downdate(removed_weight, all_weight)
                                      ? probe_without<Real>(block_of(gram), block_of(w), removed)
                                      : probe_of<Real>(block_of(w), rows);
      const SpectrumDistance distance = estimated_distance(base.spectrum.singular_values, *base.probes, some);
      if (distance.converged) return distance;
    }
  }
  const Spectrum some = kept(layer, w, rows);
  return {ks_statistic(base.spectrum.singular_values, some.singular_values), 0, base.spectrum.converged && some.converged};
}

template class SpectrumBase<float>;
template class SpectrumBase<double>;

}  // namespace prunenet
