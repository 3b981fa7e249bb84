// Spectra by estimate and from the cache, as a user asks for them: --spectrum, spectrum --estimate, --no-cache, and what is
// refused. On one layer that is just large enough to be estimated; refusals on a tiny model.
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "program/refusal.h"
#include "spectrum/estimate.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr TinySizes kSizes{.hidden = kEstimateFromOrder, .width = 1400, .layers = 1, .vocab = 16};

// The environment variable for a while.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* former = std::getenv(name)) former_ = former;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (former_) {
      ::setenv(name_, former_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> former_;
};

class SlowSpectrumOptions : public Refusal {
 protected:
  SlowSpectrumOptions() { tiny_model(1, kSizes).write(model()); }
  fs::path other() const { return root() / "other"; }
  fs::path policy() const { return root() / "policy.safetensors"; }

  // The gate of which `factor` has been multiplied into the first `rows` rows.
  void write_scaled(const fs::path& folder, float factor, int64_t rows = kSizes.width) const {
    TinyModel scaled = tiny_model(1, kSizes);
    std::string& bytes = scaled.tensor(tiny_ffn_tensor(0, "gate")).bytes;
    for (int64_t i = 0; i < rows * kSizes.hidden; ++i) {
      float value = 0;
      std::memcpy(&value, bytes.data() + static_cast<size_t>(i) * sizeof value, sizeof value);
      value *= factor;
      std::memcpy(bytes.data() + static_cast<size_t>(i) * sizeof value, &value, sizeof value);
    }
    scaled.write(folder);
  }
  Json only_layer(std::vector<std::string> more) const {
    std::vector<std::string> arguments{"spectrum", model(), other(), "--precision", "f32"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return prunenet_json(arguments)["layers"][0];
  }
};

TEST_F(SlowSpectrumOptions, EstimatesAreNearExactAndStateTheirError) {
  write_scaled(other(), 1.6f, 500);
  const Json exact = only_layer({}), estimate = only_layer({"--estimate"});
  EXPECT_FALSE(exact.contains("ks_error"));
  EXPECT_FALSE(exact["other_singular_values"].is_null());
  EXPECT_TRUE(estimate["other_singular_values"].is_null());
  EXPECT_GT(estimate["ks_error"], 0);
  EXPECT_NEAR(estimate["ks"], exact["ks"], 0.03 * exact["ks"].get<double>());
  EXPECT_EQ(estimate["singular_values"], exact["singular_values"]);

  const fs::path report = root() / "report.html";
  const RunResult result = run_prunenet({"spectrum", model(), other(), "--precision", "f32", "--estimate", "--report", report, "-q"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find(" +- "), std::string::npos) << result.out;
  EXPECT_NE(read_bytes(report).find("The KS of 1 of 1 layers is estimated"), std::string::npos);
}

TEST_F(SlowSpectrumOptions, WhatCannotBeEstimatedIsExactAndSaysSo) {
  write_scaled(other(), 1e19f);  // its squares are infinite in f32
  const RunResult result = run_prunenet({"spectrum", model(), other(), "--precision", "f32", "--estimate", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.err.find("the KS of layer 0 is exact"), std::string::npos) << result.err;
  const Json layer = Json::parse(result.out)["layers"][0];
  EXPECT_FALSE(layer.contains("ks_error"));
  EXPECT_EQ(layer["ks"], 1);
  EXPECT_NEAR(layer["other_singular_values"][0].get<double>() / layer["singular_values"][0].get<double>() / 1e19, 1, 1e-4);
}

TEST_F(SlowSpectrumOptions, TrainingTellsWhichSpectraItHad) {
  const auto train = [&](const std::string& spectrum) {
    return prunenet_json({"train", model(), "-o", policy(), "--force", "--ratio", "0.1", "--episodes", "1", "--spectrum", spectrum});
  };
  const Json exact = train("auto"), estimate = train("estimate");  // auto is exact at this size
  EXPECT_EQ(exact["spectrum"], "exact");
  EXPECT_FALSE(exact["episodes"][0].contains("avg_ks_error"));
  EXPECT_EQ(estimate["spectrum"], "estimate");
  EXPECT_GT(estimate["episodes"][0]["avg_ks_error"], 0);
  const double difference = estimate["episodes"][0]["avg_ks"].get<double>() - exact["episodes"][0]["avg_ks"].get<double>();
  EXPECT_NE(difference, 0);
  EXPECT_LE(std::abs(difference), estimate["episodes"][0]["max_ks_error"].get<double>());
}

TEST_F(SlowSpectrumOptions, ADeviceEstimatesWhereTheProcessorDoes) {
  const auto draws = [&](const std::string& spectrum, const std::string& device) {
    const Json plan = prunenet_json({"plan", model(), "--method", "prunenet", "--ratio", "0.1", "--width-multiple", "32",
                                     "--spectrum", spectrum, "--device", device});
    for (const Json& phase : plan["phases"]) {
      if (phase["name"] == "spectra of draws") return phase["work"];
    }
    return Json();
  };
  const Json exact = draws("exact", "cuda"), estimate = draws("estimate", "cuda");
  EXPECT_FALSE(exact.is_null());
  EXPECT_NE(estimate, exact);
  EXPECT_EQ(estimate, draws("estimate", "cpu"));
  EXPECT_EQ(draws("auto", "cuda"), draws("auto", "cpu"));
}

TEST_F(SlowSpectrumOptions, TheCacheIsLeftAloneWithNoCacheAndElseGivesTheSameNumbers) {
  const fs::path cache = root() / "cache";
  const Variable variable("PRUNENET_CACHE", cache);
  const Json without = prunenet_json({"spectrum", model(), "--no-cache"});
  EXPECT_FALSE(fs::exists(cache));
  const Json fills = prunenet_json({"spectrum", model()});
  ASSERT_EQ(folder_contents(cache).size(), 1u);
  const auto written = fs::last_write_time(fs::directory_iterator(cache)->path());
  const Json reads = prunenet_json({"spectrum", model()});
  EXPECT_EQ(fs::last_write_time(fs::directory_iterator(cache)->path()), written) << "computed again";
  EXPECT_EQ(fills, without);
  EXPECT_EQ(reads, without);
}

class SpectrumRefusal : public Refusal {
 protected:
  SpectrumRefusal() { tiny_model().write(model()); }
};

TEST_F(SpectrumRefusal, OptionsThatContradictEachOtherAreWrongUsage) {
  const std::vector<std::string> train{"train", model(), "-o", root() / "policy", "--ratio", "0.25", "--spectrum"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), train.begin(), train.end());
    return more;
  };
  expect_refused(with({"often"}), {"--spectrum", "often"}, 2);
  expect_refused(with({"estimate", "--route", "direct"}), {"--spectrum", "--route direct"}, 2);
  expect_refused(with({"estimate", "--device", "cuda", "--route", "direct"}), {"--spectrum", "--route direct"}, 2);
  expect_refused({"plan", model(), "--ratio", "0.25", "--method", "prunenet", "--spectrum", "estimate", "--route", "direct"},
                 {"--spectrum", "--route direct"}, 2);
  const RunResult on_device = run_prunenet(with({"estimate", "--device", "cuda:77"}));
  EXPECT_NE(on_device.status, 0) << "a seventy-eighth GPU?";
  EXPECT_NE(on_device.status, 2) << on_device.err;
  EXPECT_EQ(on_device.err.find("--spectrum"), std::string::npos) << on_device.err;
  expect_refused(prune({"--spectrum", "exact"}), {"--spectrum", "no policy is trained"}, 2);
  expect_refused(prune({"--no-cache"}), {"--no-cache", "no spectrum"}, 2);
  expect_refused({"spectrum", model(), "--estimate"}, {"--estimate", "second model"}, 2);
  expect_refused({"spectrum", model(), model(), "--estimate", "--route", "direct"}, {"--estimate", "--route direct"}, 2);
}

}  // namespace
}  // namespace prunenet::test
