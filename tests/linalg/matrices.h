// Matrices for the tests of linear algebra: random ones and ones of known spectrum; and a number of threads for a
// while.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "base/random.h"
#include "linalg/matrix.h"
#include "linalg/parallel.h"

namespace prunenet::test {

/// Entries uniform in [-1, 1); another seed, another matrix.
template <typename Real>
Matrix<Real> random_matrix(int64_t rows, int64_t cols, uint32_t seed) {
  RandomStream stream(seed, RandomStage::kBench);
  Matrix<Real> a(rows, cols);
  for (int64_t i = 0; i < a.size(); ++i) a.data()[i] = static_cast<Real>(stream.next_uniform(-1, 1));
  return a;
}

/// Whole numbers from -3 to 3: as long as sums stay below 2^24, both types compute with them without any error.
template <typename Real>
Matrix<Real> integer_matrix(int64_t rows, int64_t cols, uint32_t seed) {
  RandomStream stream(seed, RandomStage::kBench);
  Matrix<Real> a(rows, cols);
  for (int64_t i = 0; i < a.size(); ++i) a.data()[i] = static_cast<Real>(static_cast<int>(stream.next_u32() % 7) - 3);
  return a;
}

/// The symmetric matrix Q diag(eigenvalues) Q^T, Q a product of three random Householder reflections.
inline Matrix<double> symmetric_with(const std::vector<double>& eigenvalues, uint32_t seed) {
  const auto n = static_cast<int64_t>(eigenvalues.size());
  Matrix<double> a = Matrix<double>::Zero(n, n);
  for (int64_t i = 0; i < n; ++i) a(i, i) = eigenvalues[static_cast<size_t>(i)];
  for (uint32_t k = 0; k < 3; ++k) {
    const Vector<double> u = random_matrix<double>(n, 1, 3 * seed + k).col(0);
    const double c = 2 / u.squaredNorm();
    const Vector<double> au = a * u;
    const double uau = u.dot(au);
    a -= c * (u * au.transpose() + au * u.transpose()) - (c * c * uau) * (u * u.transpose());
  }
  return a;
}

/// The strictly lower triangle becomes `value`.
template <typename Real>
void fill_lower(Matrix<Real>& a, Real value) {
  for (int64_t i = 0; i < a.rows(); ++i) {
    for (int64_t j = 0; j < std::min(i, a.cols()); ++j) a(i, j) = value;
  }
}

/// Equal bit for bit, so that zeros of different sign differ and NaN equals itself.
inline bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

/// While it lives, linear algebra uses that many threads.
class Threads {
 public:
  explicit Threads(int count) { set_num_threads(count); }
  ~Threads() { set_num_threads(0); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
};

}  // namespace prunenet::test
