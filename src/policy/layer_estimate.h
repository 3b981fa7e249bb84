// The estimated distance of a choice of a layer's rows: when it is taken and which rows it looks at. One rule for
// whoever multiplies, the host or a device.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "spectrum/estimate.h"
#include "spectrum/spectrum.h"

namespace prunenet {

/// How the distance of a choice of rows is found: from all their singular values, as published, or from Lanczos
/// quadrature (spectrum/estimate.h), about ten times faster.
enum class SpectrumMethod { kExact, kEstimate };

/// Whether `kept` rows of a layer [rows, cols] are estimated: where that was asked for, is defined, and is less work
/// than the exact spectrum. Gram matrices, at least kEstimateFromOrder columns, more rows kept than columns, but not
/// all.
bool can_estimate(SpectrumMethod method, SpectrumRoute route, int64_t rows, int64_t cols, int64_t kept);

/// One layer's rows, and how they are multiplied.
class LayerProber {
 public:
  virtual ~LayerProber() = default;
  /// Squared norm of every row.
  virtual std::vector<double> row_weights() = 0;
  /// Of all rows but the ascending `removed`, by the Gram matrix of all: cheap where few are removed (or none).
  virtual ProbedSpectrum without(std::span<const int64_t> removed) = 0;
  /// Of the ascending `kept` rows by themselves.
  virtual ProbedSpectrum of(std::span<const int64_t> kept) = 0;
};

/// What is remembered of one layer between its choices.
class LayerEstimate {
 public:
  /// What every distance begins with, unless it is done already: the probes of the whole layer.
  void prepare(LayerProber& prober);
  /// How far the `kept` rows' spectrum is from the layer's, whose singular values are `whole`. The prober is that of
  /// the same layer each time. Not converged: no estimate.
  SpectrumDistance distance(std::span<const double> whole, std::span<const int64_t> kept, LayerProber& prober);

 private:
  std::optional<ProbedSpectrum> probes_;  // of the whole layer
  std::vector<double> row_weights_;
};

}  // namespace prunenet
