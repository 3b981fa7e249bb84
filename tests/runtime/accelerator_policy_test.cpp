// Training the published policy on a device: the golden trajectory, the host's backend on every shape of a layer, and a
// state that either backend goes on from.
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "base/scratch_file.h"
#include "linalg/matrices.h"
#include "policy/policy_golden.h"
#include "policy/reward.h"
#include "policy/sampler.h"
#include "policy/trainer.h"
#include "runtime/device_training.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::accelerator;
using test::GivenLayers;
using test::restore;
using test::state_of;

template <typename Real>
Vector<double> numbers(const std::vector<std::byte>& bytes) {
  Vector<Real> values(static_cast<int64_t>(bytes.size() / sizeof(Real)));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values.template cast<double>();
}

// Largest difference, of the largest number.
double relative_difference(const Vector<double>& found, const Vector<double>& expected) {
  EXPECT_EQ(found.size(), expected.size());
  const double size = expected.cwiseAbs().maxCoeff();
  return (found - expected).cwiseAbs().maxCoeff() / (size > 0 ? size : 1);
}

// Parameters and first moments; of the second, squares of gradients, twice the error.
template <typename Real>
void expect_same_state(const PolicyBackend& found, const PolicyBackend& expected, double tolerance) {
  const auto a = state_of(found), b = state_of(expected);
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, bytes] : b) {
    ASSERT_TRUE(a.contains(name)) << name;
    if (name == "steps") {
      EXPECT_EQ(a.at(name), bytes);
    } else {
      EXPECT_LT(relative_difference(numbers<Real>(a.at(name)), numbers<Real>(bytes)), 2 * tolerance) << name;
    }
  }
}

// ---- the golden ----

template <typename Real>
void follow_the_trajectory(const std::string& name, double tolerance) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const test::PolicyGolden<Real> golden(data / "policy_golden", name);
  GivenLayers<Real> layers({golden.matrix("W.0"), golden.matrix("W.1"), golden.matrix("W.2")});
  const PolicyNetwork<Real> initial{golden.matrix("P0"), golden.vector("b0"), golden.vector("r0")};
  const auto backend = accelerator().policy_backend(layers, initial, {});
  for (int64_t e = 0; e < 3; ++e) {
    std::vector<double> rewards;
    for (int64_t l = 0; l < 3; ++l) {
      const double ks = backend->distance(l, golden.rows(e, l)).ks;
      EXPECT_EQ(ks, golden.scalar(e, "ks", l)) << "episode " << e << ", layer " << l;  // a quotient of whole numbers
      rewards.push_back(discounted_reward(spectrum_reward(ks), l, 0.99));
    }
    for (int64_t l = 0; l < 3; ++l) {
      SCOPED_TRACE(fmt::format("update of episode {}, layer {}", e, l));
      const LogitGradient loss = logit_gradient<double>(backend->logits(l), golden.noise(e, l, 1), golden.rows(e, l),
                                                        rewards[static_cast<size_t>(l)], false);
      EXPECT_NEAR(loss.loss / golden.scalar(e, "losses", l), 1, tolerance);
      backend->update(l, loss.values);
      const auto state = state_of(*backend);
      const std::string at = fmt::format("e{}.l{}.", e, l);
      const auto expect = [&](const char* part, const std::string& tensor) {
        EXPECT_LT(relative_difference(numbers<Real>(state.at(part)),
                                      golden.matrix(tensor).reshaped().template cast<double>()),
                  tolerance)
            << part;
      };
      EXPECT_LT(
          relative_difference(
              numbers<Real>(state.at("network.p")),
              Vector<double>(golden.matrix(at + "P").template reshaped<Eigen::RowMajor>().template cast<double>())),
          tolerance);
      expect("network.b", at + "b");
      expect("network.q", at + "r");
    }
  }
}

TEST(DevicePolicyGolden, TheTrajectoryInF64Within1e9) {
  follow_the_trajectory<double>("f64", 1e-9);
}
TEST(DevicePolicyGolden, TheTrajectoryInF32Within1e4) {
  follow_the_trajectory<float>("f32", 1e-4);
}

// ---- against the host's backend ----

struct Shape {
  int64_t rows, cols, keep;
  SpectrumRoute route;
  double size;
};

class DevicePolicy : public testing::TestWithParam<Shape> {};

// More rows than columns and fewer, few kept and many, weights whose squares would leave f32.
TEST_P(DevicePolicy, LogitsDistancesAndUpdatesAreTheHosts) {
  const Shape& shape = GetParam();
  const auto check = [&]<typename Real>(double tolerance) {
    std::vector<Matrix<Real>> w;
    for (uint32_t l = 0; l < 2; ++l) {
      w.push_back(test::random_matrix<Real>(shape.rows, shape.cols, 50 + l) * static_cast<Real>(shape.size));
      w.back().topRows(shape.rows / 3) *= 4;  // rows that hold most of the weight
    }
    GivenLayers<Real> layers(w);
    const auto initial = PolicyNetwork<Real>::initial(shape.rows, shape.cols, 3);
    SpectrumBase<Real> spectra(std::filesystem::temp_directory_path(), shape.route);
    HostBackend<Real> host(layers, spectra, initial, {});
    const auto device = accelerator().policy_backend(layers, initial, {.route = shape.route});
    for (uint32_t step = 0; step < 3; ++step) {
      for (int64_t l = 0; l < 2; ++l) {
        const Vector<double> logits = host.logits(l);
        EXPECT_LT(relative_difference(device->logits(l), logits), tolerance);
        // The first third in one step, the last rows in another: what is removed is then most of the weight.
        std::vector<int64_t> kept;
        const int64_t first = step == 0 ? 0 : shape.rows - shape.keep;
        for (int64_t i = 0; i < shape.keep; ++i) kept.push_back(first + i);
        const double ks = host.distance(l, kept).ks, of_device = device->distance(l, kept).ks;
        // A KS moves in steps of one value in one of the spectra, and values that are closer than rounding may pass
        // each other.
        const double values = static_cast<double>(std::min({shape.rows, shape.cols, shape.keep}));
        const double step_of_ks = std::is_same<Real, double>::value ? 0 : 2 / values;
        EXPECT_NEAR(of_device, ks, step_of_ks + 1e-12);
        const auto gradient =
            logit_gradient<double>(logits, std::vector<double>(static_cast<size_t>(shape.rows), 0.1), kept, 2, true);
        host.update(l, gradient.values);
        device->update(l, gradient.values);
      }
    }
    expect_same_state<Real>(*device, host, tolerance);
    const PolicyNetwork<float> found = device->network(), expected = host.network();
    EXPECT_LE((found.p - expected.p).cwiseAbs().maxCoeff(), 1e-5);
    EXPECT_LE((found.b - expected.b).cwiseAbs().maxCoeff(), 1e-5);
    EXPECT_LE((found.q - expected.q).cwiseAbs().maxCoeff(), 1e-5);
    EXPECT_EQ(device
                  ->distance(0,
                             [&] {
                               std::vector<int64_t> all(static_cast<size_t>(shape.rows));
                               for (int64_t i = 0; i < shape.rows; ++i) all[static_cast<size_t>(i)] = i;
                               return all;
                             }())
                  .ks,
              0);
  };
  check.template operator()<double>(1e-9);
  check.template operator()<float>(1e-3);
}

INSTANTIATE_TEST_SUITE_P(Shapes, DevicePolicy,
                         testing::Values(Shape{90, 30, 60, SpectrumRoute::kGram, 1},
                                         Shape{90, 30, 20, SpectrumRoute::kGram, 1},
                                         Shape{30, 60, 20, SpectrumRoute::kGram, 1},
                                         Shape{90, 30, 50, SpectrumRoute::kDirect, 1},
                                         Shape{60, 30, 40, SpectrumRoute::kGram, 1e-12}));

// Training as a whole; the draws are the loop's, so that they are the same.
TEST(DevicePolicyTraining, DrawsAndRewardsAreTheHosts) {
  std::vector<Matrix<double>> w;
  for (uint32_t l = 0; l < 3; ++l) w.push_back(test::random_matrix<double>(72, 24, 80 + l));
  GivenLayers<double> layers(w);
  const auto initial = PolicyNetwork<double>::initial(72, 24, 42);
  SpectrumBase<double> spectra(std::filesystem::temp_directory_path(), SpectrumRoute::kGram);
  HostBackend<double> host(layers, spectra, initial, {});
  const auto device = accelerator().policy_backend(layers, initial, {});
  const auto train = [&](PolicyBackend& backend) {
    const test::TemporaryFolder folder;
    ScratchFile store(folder.path());
    SilentProgress silent;
    TrainOptions options;
    options.episodes = 4;
    return train_prunenet(backend, {50, 50, 50}, options, store, silent);
  };
  const TrainResult expected = train(host), found = train(*device);
  EXPECT_EQ(found.best_episode, expected.best_episode);
  for (size_t e = 0; e < 4; ++e) EXPECT_NEAR(found.episodes[e].avg_ks, expected.episodes[e].avg_ks, 1e-12);
  expect_same_state<double>(*device, host, 1e-9);
}

TEST(DevicePolicyTraining, EitherBackendGoesOnFromTheOthersState) {
  GivenLayers<float> layers({test::random_matrix<float>(40, 16, 90)});
  const auto initial = PolicyNetwork<float>::initial(40, 16, 1), other = PolicyNetwork<float>::initial(40, 16, 2);
  SpectrumBase<float> spectra(std::filesystem::temp_directory_path(), SpectrumRoute::kGram);
  const std::vector<double> gradient(40, 0.25);
  HostBackend<float> host(layers, spectra, initial, {});
  for (int i = 0; i < 3; ++i) host.update(0, gradient);
  const auto device = accelerator().policy_backend(layers, other, {});
  ASSERT_TRUE(restore(*device, state_of(host)));
  EXPECT_EQ(state_of(*device), state_of(host));
  host.update(0, gradient);
  device->update(0, gradient);
  expect_same_state<float>(*device, host, 1e-5);
  HostBackend<float> again(layers, spectra, other, {});
  ASSERT_TRUE(restore(again, state_of(*device)));
  EXPECT_EQ(state_of(again), state_of(*device));

  // What is not whole changes nothing.
  host.update(0, gradient);
  const auto before = state_of(*device);
  ASSERT_NE(state_of(host), before);
  const auto refused = [&](const std::function<void(std::map<std::string, std::vector<std::byte>>&)>& spoil) {
    auto state = state_of(host);
    spoil(state);
    EXPECT_FALSE(restore(*device, state));
    EXPECT_EQ(state_of(*device), before);
  };
  refused([](auto& state) { state.erase("second.q"); });
  refused([](auto& state) { state["first.p"].pop_back(); });
  refused([](auto& state) { state.erase("steps"); });
  refused([](auto& state) { state["steps"].pop_back(); });
}

TEST(DevicePolicyMemory, LayersThatFindNoRoomAreLoadedAgainAndGiveTheSame) {
  std::vector<Matrix<float>> w;
  for (uint32_t l = 0; l < 3; ++l) w.push_back(test::random_matrix<float>(50, 20, 60 + l));
  const auto initial = PolicyNetwork<float>::initial(50, 20, 1);
  const std::vector<int64_t> kept{0,  1,  2,  3,  4,  9,  12, 13, 14, 15, 16, 20,
                                  21, 30, 31, 32, 33, 34, 40, 41, 44, 45, 46, 48};
  const int64_t one = (50 * 20 + 20 * 20) * 4;
  std::vector<double> results;
  for (const int64_t room : {int64_t{0}, one, 3 * one}) {
    GivenLayers<float> layers(w);
    const auto backend = accelerator().policy_backend(layers, initial, {.resident_bytes = room});
    double sum = 0;
    for (int pass = 0; pass < 4; ++pass) {
      for (int64_t l = 0; l < 3; ++l) sum += backend->distance(l, kept).ks + backend->logits(l).sum();
    }
    results.push_back(sum);
    EXPECT_EQ(layers.loads, room == 0 ? 12 : room == one ? 1 + 8 : 3);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(DevicePolicyInput, RefusesWeightsThatAreNotFinite) {
  Matrix<float> w = test::random_matrix<float>(20, 8, 1);
  w(3, 4) = std::numeric_limits<float>::quiet_NaN();
  GivenLayers<float> layers({w});
  const auto backend =
      accelerator().policy_backend(layers, PolicyNetwork<float>::initial(20, 8, 1), {.resident_bytes = 0});
  test::expect_error(ErrorCode::kNonFinite, {"weights"}, [&] { backend->logits(0); });
}

}  // namespace
}  // namespace prunenet
