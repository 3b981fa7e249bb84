// The spectra of whole layers, computed once, and what the choices of their rows are held against.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>

#include "spectrum/gram_store.h"
#include "spectrum/ks.h"
#include "spectrum/spectrum.h"

namespace prunenet {

template <typename Real>
class SpectrumBase {
 public:
  SpectrumBase(std::filesystem::path scratch_folder, SpectrumRoute route);
  /// Singular values of the whole layer. `w` is its matrix, loaded.
  const Spectrum& whole(int64_t layer, const Matrix<Real>& w);
  /// Singular values of the kept rows.
  Spectrum kept(int64_t layer, const Matrix<Real>& w, std::span<const int64_t> rows);
  /// How far the kept rows' spectrum is from the whole layer's.
  SpectrumDistance distance(int64_t layer, const Matrix<Real>& w, std::span<const int64_t> rows);

 private:
  RowSpectrum<Real> rows_of(int64_t layer, const Matrix<Real>& w);

  SpectrumRoute route_;
  GramStore<Real> grams_;
  std::map<int64_t, Spectrum> whole_;
};

}  // namespace prunenet
