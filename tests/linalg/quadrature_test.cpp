// Gauss quadrature integrates polynomials as far as theory says, here against the rule of Gauss and Legendre.
#include "linalg/quadrature.h"

#include <cmath>

#include "support/support.h"

namespace prunenet {
namespace {

TEST(Quadrature, OfLegendresTridiagonalMatrixIntegratesPolynomialsExactly) {
  for (int s : {1, 2, 5, 12}) {
    std::vector<double> diagonal(static_cast<size_t>(s), 0.0), off;
    for (int k = 1; k < s; ++k) off.push_back(k / std::sqrt(4.0 * k * k - 1));
    const Quadrature rule = gauss_quadrature(diagonal, off);
    ASSERT_EQ(rule.nodes.size(), static_cast<size_t>(s));
    for (int degree = 0; degree <= 2 * s - 1; ++degree) {  // mean of x^degree over [-1, 1]
      double sum = 0;
      for (size_t i = 0; i < rule.nodes.size(); ++i) sum += rule.weights[i] * std::pow(rule.nodes[i], degree);
      EXPECT_NEAR(sum, degree % 2 == 0 ? 1.0 / (degree + 1) : 0, 1e-13) << s << " nodes, degree " << degree;
    }
  }
}

}  // namespace
}  // namespace prunenet
