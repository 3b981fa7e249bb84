// KS between the spectrum of a whole layer and that of some of its rows, without the eigenvalues of the latter: Lanczos
// quadrature from common probes (Golub and Meurant 2010; Ubaru, Chen and Saad 2017), used as a change of variable.
//
// For one probe vector, s steps of Lanczos give the nodes and weights of the Gauss quadrature of its spectral measure. As
// a distribution those s steps are far too coarse for KS. But the whole layer and its kept rows give two quadratures of
// the same probe and the same number of nodes, which belong to each other one by one; and the whole layer's eigenvalues
// are known exactly. So the kept rows' distribution is read off the whole one: node i of the kept quadrature stands where
// node i of the whole one stands, moved by what their cumulated weights differ; between nodes the ratio of the two is
// interpolated. What is the same in both, the grain of the quadrature and most of the probe's noise, drops out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "linalg/block.h"
#include "linalg/quadrature.h"
#include "spectrum/ks.h"
#include "spectrum/lanczos.h"

namespace prunenet {

/// Steps of Lanczos; of the shorter quadrature (a part of the same run) that shows how far the steps matter.
inline constexpr int64_t kEstimateSteps = 18, kEstimateShortSteps = 14;
/// Below this order eigenvalues cost no more than the estimate.
inline constexpr int64_t kEstimateFromOrder = 1024;
/// Probes, in sixteens: 16 from order 4096 on, 64 at order 1024. Their noise goes with the root of order times probes.
int64_t num_probes(int64_t order);

/// The spectral measures of a Gram matrix [n, n] of columns as seen by fixed probe vectors of random signs.
struct ProbedSpectrum {
  struct Probe {
    Quadrature fine, coarse;  // of kEstimateSteps and kEstimateShortSteps
  };
  std::vector<Probe> probes;
  bool converged = true;
};

/// Of the matrix [n, n] that `multiply` stands for, symmetric and without negative eigenvalues. The probes are the same
/// for every matrix of this n. `multiply` is called kEstimateSteps times for sixteen probes.
template <typename Real>
ProbedSpectrum probe_by(int64_t n, const ThinProduct<Real>& multiply);
/// Of G - R^T R, R the `removed` rows of w [F, n]; G = w^T w with its upper triangle stored. Cost: 18
/// (n^2 + 2 |removed| n) multiply-adds a probe, and for sixteen probes 18 readings of G / 2 and R.
template <typename Real>
ProbedSpectrum probe_without(Block<const Real> gram, Block<const Real> w, std::span<const int64_t> removed);
/// Of the `kept` rows by themselves. Cost: 36 |kept| n multiply-adds a probe.
template <typename Real>
ProbedSpectrum probe_of(Block<const Real> w, std::span<const int64_t> kept);

/// KS of the whole spectrum (all n singular values, in any order) and of the kept rows' (also n values).
/// `error`: twice the standard error by the jackknife over the probes, plus the most that the last four steps moved the
/// difference of the two distributions anywhere, plus one step of them, 1 / n. It is an estimate of the error, not a bound:
/// no proof covers a spectrum whose kept rows look unlike the whole. A KS below 1 / n, which no two different spectra of n
/// values have, is given as 1 / n.
SpectrumDistance estimated_distance(std::span<const double> whole_singular_values, const ProbedSpectrum& whole,
                                    const ProbedSpectrum& kept);

}  // namespace prunenet
