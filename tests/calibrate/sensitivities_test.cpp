// What the loss feels, kept until it is needed: scaled, whole, and nothing where nothing is felt.
#include "calibrate/sensitivities.h"

#include "fixtures.h"

namespace prunenet {
namespace {

using test::random_matrix;

Matrix<float> positive(int64_t n, uint32_t seed) {
  const auto a = random_matrix<double>(n, n, seed);
  const Matrix<float> product = (a * a.transpose()).cast<float>();
  return (product + product.transpose()) / 2;
}

TEST(Sensitivities, ComeBackWithTheTraceOfTheIdentity) {
  const test::TemporaryFolder folder;
  ScratchFile scratch(folder.path());
  Sensitivities kept(scratch);
  EXPECT_TRUE(kept.empty());
  for (const float size : {1.0F, 1e-9F, 1e12F}) {
    const Matrix<float> g = size * positive(7, 1);
    kept.put(3, Site::kFfn, g);
    const auto got = kept.get(3, Site::kFfn);
    ASSERT_TRUE(got);
    const double trace = g.diagonal().cast<double>().sum();
    EXPECT_NEAR(got->diagonal().cast<double>().sum(), 7, 1e-5);
    EXPECT_NEAR(kept.trace(3, Site::kFfn), trace, 1e-12 * trace);
    EXPECT_LE((*got - g * static_cast<float>(7 / trace)).cwiseAbs().maxCoeff(), 1e-6F);
    EXPECT_EQ(*got, got->transpose());
  }
  EXPECT_FALSE(kept.empty());
}

TEST(Sensitivities, AreOfTheirLayerAndSiteAlone) {
  const test::TemporaryFolder folder;
  ScratchFile scratch(folder.path());
  Sensitivities kept(scratch);
  kept.put(0, Site::kFfn, positive(4, 1));
  kept.put(0, Site::kAttention, positive(4, 2));
  kept.put(1, Site::kFfn, positive(5, 3));
  EXPECT_NE(*kept.get(0, Site::kFfn), *kept.get(0, Site::kAttention));
  EXPECT_EQ(kept.get(1, Site::kFfn)->rows(), 5);
  EXPECT_FALSE(kept.get(1, Site::kAttention));
  EXPECT_FALSE(kept.get(2, Site::kFfn));
  EXPECT_EQ(kept.trace(2, Site::kFfn), 0);
}

TEST(Sensitivities, OfNoGradientAreNone) {
  const test::TemporaryFolder folder;
  ScratchFile scratch(folder.path());
  Sensitivities kept(scratch);
  kept.put(0, Site::kFfn, Matrix<float>::Zero(4, 4));
  EXPECT_FALSE(kept.get(0, Site::kFfn));
  EXPECT_TRUE(kept.empty());
}

}  // namespace
}  // namespace prunenet
