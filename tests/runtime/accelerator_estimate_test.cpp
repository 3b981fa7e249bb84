// Estimated distances on a device: the host's within rounding, the exact ones within the error that is stated, exact
// where the host is, and a training that goes on with its own bits.
#include <algorithm>
#include <cmath>
#include <vector>

#include "linalg/matrices.h"
#include "policy/trainer.h"
#include "runtime/device_training.h"
#include "spectrum/heavy_tailed.h"
#include "spectrum/selection_of_rows.h"
#include "strict_device.h"
#include "support/memory_store.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::accelerator;
using test::GivenLayers;

constexpr int64_t kRows = 1400, kCols = kEstimateFromOrder, kKept = 1200;

template <typename Real>
std::unique_ptr<PolicyBackend> device_backend(GivenLayers<Real>& layers, const PolicyBackendOptions& options) {
  return accelerator().policy_backend(layers, PolicyNetwork<Real>::initial(layers.rows(0), layers.cols(), 1), options);
}

PolicyBackendOptions estimating() {
  return {.method = SpectrumMethod::kEstimate};
}

// A layer as training sees it, and two choices of its rows: one beside removed rows that are as the others, and one
// whose removed rows hold most of the squared weight, so that the kept ones are looked at by themselves.
struct Chosen {
  Matrix<float> w;
  std::vector<int64_t> kept;
};
std::vector<Chosen> choices() {
  const auto kept = test::some_rows(kRows, kKept, 10);
  std::vector<Chosen> both{{test::heavy_tailed(kRows, kCols, 0.2, 3), kept},
                           {test::heavy_tailed(kRows, kCols, 0.2, 3), kept}};
  for (const int64_t row : test::all_but(kept, kRows)) both.back().w.row(row) *= 6;
  return both;
}

template <typename Real>
void expect_the_hosts_estimate(double tolerance) {
  for (const Chosen& chosen : choices()) {
    GivenLayers<Real> layers({Matrix<Real>(chosen.w.template cast<Real>())});
    const Matrix<Real> w = layers.load(0);
    SpectrumBase<Real> host(std::filesystem::temp_directory_path(), SpectrumRoute::kGram, SpectrumMethod::kEstimate);
    const SpectrumDistance expected = host.distance(0, w, chosen.kept);
    const auto device = device_backend(layers, estimating());
    const SpectrumDistance found = device->distance(0, chosen.kept), again = device->distance(0, chosen.kept);
    EXPECT_TRUE(found.converged);
    ASSERT_GT(expected.error, 0) << "not estimated: this shows nothing";
    EXPECT_NEAR(found.ks, expected.ks, tolerance);
    EXPECT_NEAR(found.error, expected.error, tolerance);
    EXPECT_EQ(again.ks, found.ks);
    EXPECT_EQ(again.error, found.error);
    SpectrumBase<Real> exact(std::filesystem::temp_directory_path(), SpectrumRoute::kGram);
    EXPECT_LE(std::abs(found.ks - exact.distance(0, w, chosen.kept).ks), found.error);
  }
}

TEST(DeviceEstimate, IsTheHostsInF64) {
  expect_the_hosts_estimate<double>(1e-9);
}
TEST(DeviceEstimate, IsTheHostsInF32WithinRounding) {
  expect_the_hosts_estimate<float>(1e-4);
}

TEST(DeviceEstimate, IsExactWhereTheHostIs) {
  struct Case {
    const char* what;
    int64_t rows, cols, keep;
    float size;
    PolicyBackendOptions options;
  };
  for (const Case& c : {Case{"no estimate asked for", kRows, kCols, kKept, 1, {}},
                        Case{"as many rows as columns kept", kRows, kCols, kCols, 1, estimating()},
                        Case{"a column too few", kRows, kCols - 1, kKept, 1, estimating()},
                        Case{"fewer rows than columns", 600, kCols, 400, 1, estimating()},
                        Case{"squares that leave f32", kRows, kCols, kKept, 1e19F, estimating()}}) {
    SCOPED_TRACE(c.what);
    GivenLayers<float> layers({Matrix<float>(test::random_matrix<float>(c.rows, c.cols, 3) * c.size)});
    const auto kept = test::some_rows(c.rows, c.keep, 4);
    PolicyBackendOptions exact = c.options;
    exact.method = SpectrumMethod::kExact;
    const SpectrumDistance found = device_backend(layers, c.options)->distance(0, kept);
    const SpectrumDistance expected = device_backend(layers, exact)->distance(0, kept);
    EXPECT_EQ(found.error, 0);
    EXPECT_EQ(found.ks, expected.ks);
    EXPECT_GT(found.ks, 0);
    EXPECT_TRUE(found.converged);

    SpectrumBase<float> spectra(std::filesystem::temp_directory_path(), c.options.route, c.options.method);
    HostBackend<float> host(layers, spectra, PolicyNetwork<float>::initial(c.rows, c.cols, 1), {});
    const SpectrumDistance of_host = host.distance(0, kept);
    EXPECT_EQ(of_host.error, 0) << "the host estimates";
    EXPECT_TRUE(of_host.converged);
    EXPECT_NEAR(found.ks, of_host.ks, 2.0 / static_cast<double>(std::min({c.rows, c.cols, c.keep})))
        << "further than two values that pass each other";
  }
}

// Finite weights have not been seen to fail to converge, so the device is made to go wrong.
TEST(StrictDeviceEstimate, IsExactWhereItDoesNotConverge) {
  if (test::test_device() != "privateuseone:0") GTEST_SKIP() << "for PRUNENET_TEST_DEVICE=privateuseone:0";
  const Chosen chosen = choices().front();
  GivenLayers<float> layers({chosen.w});
  const SpectrumDistance exact = device_backend(layers, {})->distance(0, chosen.kept);
  const auto device = device_backend(layers, estimating());
  const int64_t before = test::thin_products;
  test::spoil_thin_products = true;
  const SpectrumDistance found = device->distance(0, chosen.kept);
  test::spoil_thin_products = false;
  EXPECT_GT(test::thin_products, before) << "no estimate was tried: this shows nothing";
  EXPECT_EQ(found.ks, exact.ks);
  EXPECT_EQ(found.error, 0);
  EXPECT_TRUE(found.converged);
  const SpectrumDistance estimated = device_backend(layers, estimating())->distance(0, chosen.kept);
  EXPECT_GT(estimated.error, 0) << "nothing is spoiled any more";
}

TEST(DeviceEstimate, IsTheSameOfLayersThatWerePreparedAndTakesLessThen) {
  const auto kept = test::some_rows(kRows, kKept, 12);
  for (const auto& options : {PolicyBackendOptions{}, estimating()}) {
    GivenLayers<float> layers({test::heavy_tailed(kRows, kCols, 0.2, 9)});
    const SpectrumDistance expected = device_backend(layers, options)->distance(0, kept);
    EXPECT_EQ(layers.loads, 1);
    const auto device = device_backend(layers, options);
    ASSERT_TRUE(device->prepares());
    device->prepare(0, kKept);
    EXPECT_EQ(layers.loads, 2) << "prepared without a look at the layer";
    const SpectrumDistance found = device->distance(0, kept);
    device->prepare(0, kKept);
    EXPECT_EQ(layers.loads, 2);
    EXPECT_EQ(found.ks, expected.ks);
    EXPECT_EQ(found.error, expected.error);
    EXPECT_EQ(found.error > 0, options.method == SpectrumMethod::kEstimate);
  }
}

// Counted on a device that tells: what is prepared is not probed again.
TEST(StrictDeviceEstimate, ProbesAPreparedLayerOnce) {
  if (test::test_device() != "privateuseone:0") GTEST_SKIP() << "for PRUNENET_TEST_DEVICE=privateuseone:0";
  const Chosen chosen = choices().front();
  GivenLayers<float> layers({chosen.w});
  const auto products_of = [](const auto& work) {
    const int64_t before = test::thin_products;
    work();
    return test::thin_products - before;
  };
  const auto plain = device_backend(layers, estimating()), prepared = device_backend(layers, estimating());
  const int64_t first = products_of([&] { plain->distance(0, chosen.kept); });
  const int64_t next = products_of([&] { plain->distance(0, chosen.kept); });
  const int64_t ahead = products_of([&] { prepared->prepare(0, kKept); });
  EXPECT_GT(ahead, 0);
  EXPECT_EQ(products_of([&] { prepared->distance(0, chosen.kept); }), next);
  EXPECT_EQ(ahead + next, first);
  EXPECT_EQ(products_of([&] { prepared->prepare(0, kKept); }), 0);
}

TEST(DeviceEstimate, OfAllRowsAndOfAZeroLayerIsNoDistance) {
  GivenLayers<float> layers({Matrix<float>(Matrix<float>::Zero(kRows, kCols))});
  const auto device = device_backend(layers, estimating());
  EXPECT_EQ(device->distance(0, test::some_rows(kRows, kKept, 7)).ks, 0);
  EXPECT_EQ(device->distance(0, test::some_rows(kRows, kRows, 7)).ks, 0);
}

TEST(DeviceEstimate, IsTheSameForLayersThatFindNoRoom) {
  const auto kept = test::some_rows(kRows, kKept, 5);
  std::vector<SpectrumDistance> found;
  for (const int64_t room : {int64_t{0}, kResidentBytes}) {
    GivenLayers<float> layers({test::heavy_tailed(kRows, kCols, 0.2, 6), test::heavy_tailed(kRows, kCols, 0.2, 7)});
    PolicyBackendOptions options = estimating();
    options.resident_bytes = room;
    const auto device = device_backend(layers, options);
    for (int64_t layer : {0, 1, 0}) found.push_back(device->distance(layer, kept));
    EXPECT_EQ(layers.loads, room == 0 ? 3 : 2);
  }
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(found[i].ks, found[3 + i].ks);
    EXPECT_EQ(found[i].error, found[3 + i].error);
  }
  EXPECT_EQ(found[0].ks, found[2].ks);
  EXPECT_NE(found[0].ks, found[1].ks);
}

// Stopped between two episodes, a training goes on from its state and ends with the bits of an undisturbed one.
TEST(DeviceEstimateTraining, GoesOnFromItsStateWithTheSameBits) {
  GivenLayers<float> layers({test::heavy_tailed(kRows, kCols, 0.2, 8)});
  SilentProgress silent;
  const auto train = [&](test::MemoryStore& store) {
    PolicyBackendOptions options = estimating();
    options.adamw.learning_rate = 0.3;  // so that the draws of an episode show which policy drew them
    return train_prunenet(*device_backend(layers, options), {kKept}, {3, 0.99, false, 5}, store, silent);
  };
  test::MemoryStore undisturbed;
  const TrainResult expected = train(undisturbed);
  EXPECT_GT(expected.episodes[2].avg_ks_error, 0) << "not estimated";
  test::MemoryStore store;
  store.puts_left = undisturbed.puts - 1;
  EXPECT_THROW(train(store), test::MemoryStore::Stopped);
  EXPECT_TRUE(store.find("policy.record")) << "nothing to go on from";
  store.puts_left = -1;
  const TrainResult found = train(store);
  EXPECT_EQ(found.policy.p, expected.policy.p);
  EXPECT_EQ(found.policy.b, expected.policy.b);
  EXPECT_EQ(found.policy.q, expected.policy.q);
  ASSERT_EQ(found.episodes.size(), expected.episodes.size());
  for (size_t e = 0; e < expected.episodes.size(); ++e) {
    EXPECT_EQ(found.episodes[e].avg_ks, expected.episodes[e].avg_ks);
    EXPECT_EQ(found.episodes[e].avg_ks_error, expected.episodes[e].avg_ks_error);
  }
}

}  // namespace
}  // namespace prunenet
