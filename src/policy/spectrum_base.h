// The spectra of whole layers, computed once, and what the choices of their rows are held against.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>

#include "policy/layer_estimate.h"
#include "spectrum/gram_store.h"
#include "spectrum/ks.h"
#include "spectrum/spectrum.h"
#include "spectrum/spectrum_cache.h"

namespace prunenet {

template <typename Real>
class SpectrumBase {
 public:
  /// `cache`: where the spectra of whole layers wait for the next run.
  SpectrumBase(std::filesystem::path scratch_folder, SpectrumRoute route, SpectrumMethod method = SpectrumMethod::kExact,
               SpectrumCache cache = {});
  /// Singular values of the whole layer. `w` is its matrix, loaded.
  const Spectrum& whole(int64_t layer, const Matrix<Real>& w);
  /// Does what the first `distance` of so many `kept` rows would begin with: the layer's Gram matrix, its spectrum, and
  /// the probes of an estimate.
  void prepare(int64_t layer, const Matrix<Real>& w, int64_t kept);
  /// Layers whose spectrum was found in the cache.
  int64_t num_cached() const { return num_cached_; }
  /// Singular values of the kept rows.
  Spectrum kept(int64_t layer, const Matrix<Real>& w, std::span<const int64_t> rows);
  /// How far the kept rows' spectrum is from the whole layer's. By kEstimate where can_estimate() says so, squares are
  /// within the range, and eigenvalues and quadratures settled.
  SpectrumDistance distance(int64_t layer, const Matrix<Real>& w, std::span<const int64_t> rows);

 private:
  struct Layer {
    Spectrum spectrum;
    LayerEstimate estimate;
  };
  RowSpectrum<Real> rows_of(int64_t layer, const Matrix<Real>& w);
  const Matrix<Real>& gram_of(int64_t layer, const Matrix<Real>& w);
  Layer& known(int64_t layer, const Matrix<Real>& w);
  template <typename Use>
  bool with_estimate(Layer& base, int64_t layer, const Matrix<Real>& w, int64_t kept, const Use& use);

  SpectrumRoute route_;
  SpectrumMethod method_;
  GramStore<Real> grams_;
  SpectrumCache cache_;
  int64_t num_cached_ = 0;
  std::map<int64_t, Layer> layers_;
  std::map<int64_t, Real> scales_;
  Matrix<Real> gram_buffer_;
};

}  // namespace prunenet
