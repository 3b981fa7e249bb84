// Problems for the surgeon: tokens drawn on the spot, their exact moments, and answers by the definition in f64.
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <cmath>
#include <vector>

#include "linalg/matrices.h"
#include "moments/moments.h"

namespace prunenet::test {

/// N tokens of F inputs that are mixed with each other and have means; and a map of D outputs.
struct Problem {
  Matrix<double> h;  // [N, F]
  Matrix<float> w;   // [D, F]
  Moments moments;   // of h

  int64_t tokens() const { return h.rows(); }
};

inline Moments moments_of(const Matrix<double>& h) {
  const double n = static_cast<double>(h.rows());
  Moments moments;
  moments.tokens = h.rows();
  moments.second = (h.transpose() * h / n).cast<float>();
  for (int64_t j = 0; j < h.cols(); ++j) moments.mean.push_back(h.col(j).mean());
  return moments;
}

inline TargetMoments target_moments_of(const Matrix<double>& t, const Matrix<double>& h) {
  const double n = static_cast<double>(h.rows());
  TargetMoments target;
  target.cross = (t.transpose() * h / n).cast<float>();
  for (int64_t j = 0; j < t.cols(); ++j) target.mean.push_back(t.col(j).mean());
  target.energy = t.squaredNorm() / n;
  return target;
}

inline Problem random_problem(int64_t tokens, int64_t inputs, int64_t outputs, uint32_t seed) {
  const auto base = random_matrix<double>(tokens, inputs, seed),
             mix = random_matrix<double>(inputs, inputs, seed + 1000);
  Problem problem;
  problem.h = base + 0.5 * base * mix / std::sqrt(static_cast<double>(inputs) / 3);
  for (int64_t j = 0; j < inputs; ++j) problem.h.col(j).array() += 0.3 * mix(j, 0);
  problem.w = random_matrix<float>(outputs, inputs, seed + 2000);
  problem.moments = moments_of(problem.h);
  return problem;
}

/// The second moments as a whole symmetric f64 matrix: exactly the numbers that the surgeon is given.
inline Matrix<double> second_of(const Moments& moments) {
  Matrix<double> c = moments.second.cast<double>();
  for (int64_t i = 0; i < c.rows(); ++i) {
    for (int64_t j = 0; j < i; ++j) c(i, j) = c(j, i);
  }
  return c;
}

/// Those of h / sqrt(C_ii), with damping on the diagonal.
inline Matrix<double> damped_scaled(const Matrix<double>& c, double damping) {
  const Vector<double> inverse = c.diagonal().cwiseSqrt().cwiseInverse();
  Matrix<double> scaled = inverse.asDiagonal() * c * inverse.asDiagonal();
  scaled.diagonal().setConstant(1 + damping);
  return scaled;
}

inline Matrix<double> columns(const Matrix<double>& a, const std::vector<int64_t>& which) {
  Matrix<double> out(a.rows(), static_cast<int64_t>(which.size()));
  for (size_t j = 0; j < which.size(); ++j) out.col(static_cast<int64_t>(j)) = a.col(which[j]);
  return out;
}

inline Matrix<double> square(const Matrix<double>& a, const std::vector<int64_t>& which) {
  return columns(columns(a, which).transpose(), which).transpose();
}

/// min over W' of tr(G (W - W') C (W - W')^T) with W' zero outside `kept`: the exact least squares, any C.
inline double least_error(const Matrix<double>& w, const Matrix<double>& c, const Matrix<double>& g,
                          const std::vector<int64_t>& kept) {
  Matrix<double> left = w;
  if (!kept.empty()) {
    const Matrix<double> wc = columns(w * c, kept), css = square(c, kept);
    const Matrix<double> fitted = css.llt().solve(wc.transpose()).transpose();
    for (size_t j = 0; j < kept.size(); ++j) left.col(kept[j]) -= fitted.col(static_cast<int64_t>(j));
  }
  return (g * left * c * left.transpose()).trace();
}

inline Matrix<double> positive_matrix(int64_t n, uint32_t seed) {
  const auto a = random_matrix<double>(n, n, seed);
  return a * a.transpose() + 0.1 * Matrix<double>::Identity(n, n);
}

}  // namespace prunenet::test
