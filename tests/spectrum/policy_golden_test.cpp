// Singular values and KS of the published run (policy_golden), by both routes and in both precisions.
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"
#include "linalg/matrix.h"
#include "spectrum/ks.h"
#include "spectrum/spectrum.h"
#include "support/support.h"

namespace prunenet {
namespace {

// A tensor of the file as numbers of its stored type.
template <typename Number>
std::vector<Number> tensor(const SafetensorsFile& file, const std::string& name) {
  for (const StoredTensor& stored : file.header().tensors) {
    if (stored.spec.name != name) continue;
    const auto bytes = file.bytes(stored);
    std::vector<Number> values(bytes.size() / sizeof(Number));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    EXPECT_EQ(static_cast<size_t>(stored.spec.num_elements()), values.size());
    return values;
  }
  throw std::runtime_error("no tensor " + name);
}

void expect_close(const std::vector<double>& found, const std::vector<double>& expected, double relative,
                  const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], relative * expected[i]) << what << ", value " << i;
}

// `relative`: each value against itself. The matrices have 96 x 32 entries and a condition below 10.
template <typename Real>
void expect_golden(const std::filesystem::path& folder, const std::string& type, double relative) {
  const SafetensorsFile file(folder / (type + ".safetensors"));
  const auto golden = nlohmann::json::parse(test::read_bytes(folder / "golden.json"));
  const auto numbers = [&](const std::string& name) {
    const std::vector<Real> values = tensor<Real>(file, name);
    return std::vector<double>(values.begin(), values.end());
  };
  const std::vector<int64_t> rows = tensor<int64_t>(file, "rows");
  for (int64_t layer = 0; layer < 3; ++layer) {
    const std::vector<Real> weights = tensor<Real>(file, fmt::format("W.{}", layer));
    const Matrix<Real> w = Eigen::Map<const Matrix<Real>>(weights.data(), 96, 32);
    for (SpectrumRoute route : {SpectrumRoute::kGram, SpectrumRoute::kDirect}) {
      const RowSpectrum<Real> spectrum(w, route);
      const std::vector<double> all = spectrum.all().singular_values;
      expect_close(all, numbers(fmt::format("sigma.{}", layer)), relative, "sigma");
      for (int64_t episode = 0; episode < 3; ++episode) {
        const std::span<const int64_t> kept(rows.data() + (episode * 3 + layer) * 72, 72);
        const std::vector<double> values = spectrum.kept(kept).singular_values;
        expect_close(values, numbers(fmt::format("e{}.l{}.sigma", episode, layer)), relative, "kept sigma");
        const double ks = golden[type][static_cast<size_t>(episode)]["ks"][static_cast<size_t>(layer)];
        EXPECT_EQ(ks_statistic(all, values), ks) << "episode " << episode << ", layer " << layer;
      }
    }
  }
}

TEST(PolicyGolden, SingularValuesAndKsAgreeInF64) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  expect_golden<double>(data / "policy_golden", "f64", 1e-9);  // both are good to about 1e-14
}

TEST(PolicyGolden, SingularValuesAndKsAgreeInF32) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  expect_golden<float>(data / "policy_golden", "f32", 1e-4);  // both are good to about 1e-5
}

}  // namespace
}  // namespace prunenet
