// Whole spectra, kept and cached; Gram matrices between episodes.
#include "policy/spectrum_base.h"

#include <algorithm>
#include <vector>

#include "linalg/parallel.h"

namespace prunenet {
namespace {

template <typename Real>
class HostProber final : public LayerProber {
 public:
  HostProber(const Matrix<Real>& gram, const Matrix<Real>& w) : gram_(gram), w_(w) {}

  std::vector<double> row_weights() override {
    std::vector<double> norms(static_cast<size_t>(w_.rows()));
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (w_.size() > (1 << 16))
    for (int64_t i = 0; i < w_.rows(); ++i) {
      norms[static_cast<size_t>(i)] = static_cast<double>(w_.row(i).squaredNorm());
    }
    return norms;
  }
  ProbedSpectrum without(std::span<const int64_t> removed) override {
    return probe_without<Real>(block_of(gram_), block_of(w_), removed);
  }
  ProbedSpectrum of(std::span<const int64_t> kept) override {
    return probe_of<Real>(block_of(w_), kept);
  }

 private:
  const Matrix<Real>& gram_;
  const Matrix<Real>& w_;
};

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
    ++num_cached_;
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

// Where `kept` rows are estimated, hands the layer's prober to `use`; else gives false.
template <typename Real>
template <typename Use>
bool SpectrumBase<Real>::with_estimate(Layer& base, int64_t layer, const Matrix<Real>& w, int64_t kept,
                                       const Use& use) {
  if (!base.spectrum.converged || !can_estimate(method_, route_, w.rows(), w.cols(), kept)) return false;
  const Matrix<Real>& gram = gram_of(layer, w);
  if (scales_.at(layer) != 1) return false;
  HostProber<Real> prober(gram, w);
  use(prober);
  return true;
}

template <typename Real>
void SpectrumBase<Real>::prepare(int64_t layer, const Matrix<Real>& w, int64_t kept) {
  Layer& base = known(layer, w);
  if (route_ == SpectrumRoute::kDirect) return;
  if (!with_estimate(base, layer, w, kept, [&](HostProber<Real>& prober) { base.estimate.prepare(prober); }) &&
      !scales_.contains(layer)) {
    gram_of(layer, w);  // the cache knew the spectrum: draws want the matrix
  }
}

template <typename Real>
SpectrumDistance SpectrumBase<Real>::distance(int64_t layer, const Matrix<Real>& w, std::span<const int64_t> rows) {
  Layer& base = known(layer, w);
  SpectrumDistance distance;
  const auto estimate = [&](HostProber<Real>& prober) {
    distance = base.estimate.distance(base.spectrum.singular_values, rows, prober);
  };
  if (with_estimate(base, layer, w, static_cast<int64_t>(rows.size()), estimate) && distance.converged) return distance;
  const Spectrum some = kept(layer, w, rows);
  return {ks_statistic(base.spectrum.singular_values, some.singular_values), 0, base.spectrum.converged && some.converged};
}

template class SpectrumBase<float>;
template class SpectrumBase<double>;

}  // namespace prunenet
