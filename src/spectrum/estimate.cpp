// Probes, and the kept distribution as a moved whole one.
#include "spectrum/estimate.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace prunenet {
namespace {

constexpr size_t kQuantiles = 512;  // of the whole spectrum at which distributions are compared, here and where kept rows have theirs

// Random signs over sqrt(n). Part of the method, not of a run's draws: from a key of their own, so that a spectrum that was
// probed once serves every seed.
template <typename Real>
Matrix<Real> probes(int64_t n, int64_t block) {
  Matrix<Real> x(n, kThinVectors);
  const auto size = static_cast<Real>(1 / std::sqrt(static_cast<double>(n)));
  for (int64_t i = 0; i < n; ++i) {
    const auto bits = philox4x32({static_cast<uint32_t>(i), static_cast<uint32_t>(block), 0, 0}, {0x70726f62u, 0x6573u})[0];
    for (int64_t v = 0; v < kThinVectors; ++v) x(i, v) = (bits >> v & 1) != 0 ? size : -size;
  }
  return x;
}

// Piecewise linear through (x[i], y[i]), x ascending, constant beyond the ends. For queries in any order.
double interpolate(std::span<const double> x, std::span<const double> y, double at) {
  const auto above = static_cast<size_t>(std::upper_bound(x.begin(), x.end(), at) - x.begin());
  if (above == 0) return y.front();
  if (above == x.size()) return y.back();
  const double width = x[above] - x[above - 1];
  const double t = width > 0 ? (at - x[above - 1]) / width : 0;
  return y[above - 1] + t * (y[above] - y[above - 1]);
}

// The distribution of n eigenvalues as a line through its steps' middles.
class WholeDistribution {
 public:
  explicit WholeDistribution(std::span<const double> singular_values) {
    for (double s : singular_values) eigenvalues_.push_back(s * s);
    std::sort(eigenvalues_.begin(), eigenvalues_.end());
    for (size_t i = 0; i < eigenvalues_.size(); ++i)
      places_.push_back((static_cast<double>(i) + 0.5) / static_cast<double>(eigenvalues_.size()));
  }
  double operator()(double x) const {
    if (x < eigenvalues_.front()) return 0;
    if (x > eigenvalues_.back()) return 1;
    return interpolate(eigenvalues_, places_, x);
  }
  double quantile(double place) const { return interpolate(places_, eigenvalues_, place); }
  size_t count() const { return eigenvalues_.size(); }
  double largest() const { return eigenvalues_.back(); }

 private:
  std::vector<double> eigenvalues_, places_;
};

// The map of one probe: from an eigenvalue of the kept rows to that of the whole layer which stands at the same place, and
// how much their places differ.
class Correspondence {
 public:
  Correspondence(const Quadrature& whole, const Quadrature& kept, double smallest) {
    const size_t count = std::min(whole.nodes.size(), kept.nodes.size());
    // From the top: where one run ended early, its missing nodes are those that weigh nothing.
    double below_whole = 1, below_kept = 1;
    for (size_t i = 1; i <= count; ++i) {
      const size_t w = whole.nodes.size() - i, k = kept.nodes.size() - i;
      const double node_whole = std::max(whole.nodes[w], smallest), node_kept = std::max(kept.nodes[k], smallest);
      logs_.push_back(std::log(node_kept));
      log_ratios_.push_back(std::log(node_whole / node_kept));
      shifts_.push_back((below_kept - kept.weights[k] / 2) - (below_whole - whole.weights[w] / 2));
      below_whole -= whole.weights[w];
      below_kept -= kept.weights[k];
    }
    std::reverse(logs_.begin(), logs_.end());
    std::reverse(log_ratios_.begin(), log_ratios_.end());
    std::reverse(shifts_.begin(), shifts_.end());
  }
  double kept_distribution(const WholeDistribution& whole, double x, double log_x) const {
    return whole(x * std::exp(interpolate(logs_, log_ratios_, log_x))) + interpolate(logs_, shifts_, log_x);
  }

 private:
  std::vector<double> logs_, log_ratios_, shifts_;
};

double mean_of(const Quadrature& quadrature) {
  double sum = 0;
  for (size_t i = 0; i < quadrature.nodes.size(); ++i) sum += quadrature.nodes[i] * quadrature.weights[i];
  return sum;
}

// F_kept - F_whole for each probe at each point: a row a probe.
Matrix<double> differences(const WholeDistribution& distribution, const ProbedSpectrum& whole, const ProbedSpectrum& kept,
                           Quadrature ProbedSpectrum::Probe::*which, const std::vector<double>& points) {
  const double smallest = distribution.largest() * 1e-12;
  Matrix<double> result(static_cast<int64_t>(whole.probes.size()), static_cast<int64_t>(points.size()));
  for (size_t v = 0; v < whole.probes.size(); ++v) {
    const Correspondence map(whole.probes[v].*which, kept.probes[v].*which, smallest);
    for (size_t i = 0; i < points.size(); ++i) {
      result(static_cast<int64_t>(v), static_cast<int64_t>(i)) =
          map.kept_distribution(distribution, points[i], std::log(std::max(points[i], smallest))) - distribution(points[i]);
    }
  }
  return result;
}

}  // namespace

int64_t num_probes(int64_t order) { return kThinVectors * std::clamp<int64_t>(4096 / order, 1, 4); }

template <typename Real>
ProbedSpectrum probe_by(int64_t n, const ThinProduct<Real>& multiply) {
  ProbedSpectrum result;
  for (int64_t block = 0; block < num_probes(n) / kThinVectors; ++block) {
    const LanczosRuns runs = lanczos<Real>(multiply, probes<Real>(n, block), kEstimateSteps);
    for (int64_t v = 0; v < kThinVectors; ++v) {
      const Vector<double> diagonal = runs.diagonal.col(v), off = runs.off_diagonal.col(v);
      const auto of_steps = [&](int64_t steps) {
        const auto count = static_cast<size_t>(std::min(steps, runs.lengths[static_cast<size_t>(v)]));
        return gauss_quadrature({diagonal.data(), count}, {off.data(), count});
      };
      result.probes.push_back({of_steps(kEstimateSteps), of_steps(kEstimateShortSteps)});
      const ProbedSpectrum::Probe& last = result.probes.back();
      result.converged = result.converged && !last.fine.nodes.empty() && !last.coarse.nodes.empty();
    }
  }
  return result;
}

template <typename Real>
ProbedSpectrum probe_without(Block<const Real> gram, Block<const Real> w, std::span<const int64_t> removed) {
  PRUNENET_CHECK(gram.rows == w.cols && gram.cols == w.cols);
  return probe_by<Real>(w.cols, [&](const Matrix<Real>& x, Matrix<Real>& y) {
    multiply_symmetric_thin(gram, x, y);
    add_gram_product_thin(w, removed, Real{-1}, x, y);
  });
}

template <typename Real>
ProbedSpectrum probe_of(Block<const Real> w, std::span<const int64_t> kept) {
  return probe_by<Real>(w.cols, [&](const Matrix<Real>& x, Matrix<Real>& y) {
    y.setZero();
    add_gram_product_thin(w, kept, Real{1}, x, y);
  });
}

SpectrumDistance estimated_distance(std::span<const double> whole_singular_values, const ProbedSpectrum& whole,
                                    const ProbedSpectrum& kept) {
  PRUNENET_CHECK(!whole_singular_values.empty() && whole.probes.size() == kept.probes.size());
  SpectrumDistance distance;
  distance.converged = whole.converged && kept.converged;
  const WholeDistribution distribution(whole_singular_values);
  if (!distance.converged) return {1, 1, false};
  if (distribution.largest() == 0) return distance;  // zeros, and so are the kept ones
  double mean_whole = 0, mean_kept = 0;
  for (size_t v = 0; v < whole.probes.size(); ++v) {
    mean_whole += mean_of(whole.probes[v].fine);
    mean_kept += mean_of(kept.probes[v].fine);
  }
  std::vector<double> points;
  for (size_t i = 0; i < kQuantiles; ++i) {
    points.push_back(distribution.quantile((static_cast<double>(i) + 0.5) / kQuantiles));
    points.push_back(points.back() * mean_kept / mean_whole);
  }
  const auto ks_of = [](const auto& mean) { return mean.cwiseAbs().maxCoeff(); };
  const Matrix<double> fine = differences(distribution, whole, kept, &ProbedSpectrum::Probe::fine, points);
  const Matrix<double> coarse = differences(distribution, whole, kept, &ProbedSpectrum::Probe::coarse, points);
  const auto count = static_cast<double>(fine.rows());
  const Vector<double> sum = fine.colwise().sum().transpose();
  distance.ks = ks_of(sum / count);
  Vector<double> without(fine.rows());
  for (int64_t v = 0; v < fine.rows(); ++v) without[v] = ks_of((sum - fine.row(v).transpose()) / (count - 1));
  const double spread = (without.array() - without.mean()).square().sum() * (count - 1) / count;
  const auto resolution = ks_of(sum / count - coarse.colwise().mean().transpose());
  distance.error = 2 * std::sqrt(spread) + resolution + 1 / static_cast<double>(distribution.count());
  distance.ks = std::clamp(distance.ks, 1 / static_cast<double>(distribution.count()), 1.0);
  return distance;
}

template ProbedSpectrum probe_by<float>(int64_t, const ThinProduct<float>&);
template ProbedSpectrum probe_by<double>(int64_t, const ThinProduct<double>&);
template ProbedSpectrum probe_without<float>(Block<const float>, Block<const float>, std::span<const int64_t>);
template ProbedSpectrum probe_without<double>(Block<const double>, Block<const double>, std::span<const int64_t>);
template ProbedSpectrum probe_of<float>(Block<const float>, std::span<const int64_t>);
template ProbedSpectrum probe_of<double>(Block<const double>, std::span<const int64_t>);

}  // namespace prunenet
