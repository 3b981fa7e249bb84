// Walks, probes and sensitivities against what they stand for: folders that were really cut, finite differences, and
// each other.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "base/progress.h"
#include "evaluate/divergence.h"
#include "golden_model.h"
#include "model/weights.h"
#include "runtime/layer_weights.h"
#include "slice/slice.h"
#include "test_device.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

// Three sequences of uneven length out of the golden ids.
std::vector<std::vector<TokenId>> texts_of(const Golden& golden) {
  const auto& ids = golden.ids;
  std::vector<std::vector<TokenId>> texts{ids, ids, std::vector<TokenId>(ids.begin(), ids.end() - 1)};
  std::reverse(texts[1].begin(), texts[1].end());
  return texts;
}

Matrix<float> dense_matrix(const RunningModel& running, size_t layer, Site site) {
  const LayerDescription& description = running.model.layers[layer];
  const MatrixRef& ref = site == Site::kFfn ? description.ffn.down : description.attention.output;
  Matrix<float> weight(ref.rows, ref.cols);
  read_matrix<float>(running.checkpoint, ref, {weight.data(), static_cast<size_t>(weight.size())});
  return weight;
}

// Every third input goes, and nothing is refitted.
SiteChange plain_cut(const Matrix<float>& weight, int64_t offset) {
  SiteChange change;
  for (int64_t i = 0; i < weight.cols(); ++i) {
    if ((i + offset) % 3 != 0) change.kept.push_back(i);
  }
  change.weight = weight(Eigen::all, change.kept);
  return change;
}

double largest(const Matrix<float>& m) {
  return static_cast<double>(m.cwiseAbs().maxCoeff());
}

Matrix<float> symmetric(Matrix<float> upper) {
  upper.triangularView<Eigen::StrictlyLower>() = upper.transpose();
  return upper;
}

class Walk : public testing::TestWithParam<std::string> {};

TEST_P(Walk, CutNeuronsAreTheFolderThatWasCut) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / GetParam();
  RunningModel whole(folder, on_test_device());
  const auto texts = texts_of(read_golden(folder));
  Mask mask = whole_mask(whole.model);
  const auto walk = whole.engine.open_walk(texts);
  std::vector<ProbeChange> changes;
  for (size_t l = 0; l < whole.model.layers.size(); ++l) {
    const SiteChange change = plain_cut(dense_matrix(whole, l, Site::kFfn), static_cast<int64_t>(l));
    mask.kept[l] = change.kept;
    walk->change(static_cast<int64_t>(l), Site::kFfn, change);
    changes.push_back({static_cast<int64_t>(l), Site::kFfn, change});
  }
  const double by_walk = walk->finish(), by_probe = whole.engine.open_probe(texts)->mean_kl(changes);
  const TemporaryFolder temporary;
  SilentProgress silent;
  write_slice(whole.checkpoint, plan_slice(whole.checkpoint, whole.model, mask), temporary / "cut", {}, silent);
  RunningModel cut(temporary / "cut", on_test_device());
  const double expected = measure_divergence(whole.engine, cut.engine, texts, silent).kl_nats;
  EXPECT_GT(expected, 1e-6);
  EXPECT_NEAR(by_walk, expected, 1e-6 + 1e-4 * expected);
  EXPECT_NEAR(by_probe, expected, 1e-6 + 1e-4 * expected);
}

TEST_P(Walk, UnchangedModelsWantWhatTheirMatricesGive) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / GetParam();
  RunningModel whole(folder, on_test_device());
  const auto texts = texts_of(read_golden(folder));
  const auto walk = whole.engine.open_walk(texts);
  for (size_t l = 0; l < whole.model.layers.size(); ++l) {
    for (const Site site : {Site::kAttention, Site::kFfn}) {
      const SiteMoments moments = walk->measure(static_cast<int64_t>(l), site, TargetOptions{0.5});
      ASSERT_TRUE(moments.target);
      EXPECT_EQ(moments.inputs.tokens, walk->num_tokens());
      const Matrix<float> weight = dense_matrix(whole, l, site);
      // E[t h^T] = W E[h h^T] + b E[h]^T, and b = E[t] - W E[h].
      const Eigen::VectorXf mean =
          Eigen::Map<const Eigen::VectorXd>(moments.inputs.mean.data(), weight.cols()).cast<float>();
      const Eigen::VectorXf target_mean =
          Eigen::Map<const Eigen::VectorXd>(moments.target->mean.data(), weight.rows()).cast<float>();
      const Eigen::VectorXf bias = target_mean - weight * mean;
      const Matrix<float> expected = weight * symmetric(moments.inputs.second) + bias * mean.transpose();
      EXPECT_LE(largest(moments.target->cross - expected), 2e-5 * std::max(1.0, largest(expected)));
      if (GetParam().starts_with("llama") || GetParam() == "mistral" || GetParam() == "gemma") {
        EXPECT_LE(bias.cwiseAbs().maxCoeff(), 1e-4F) << "these have no biases";
      }
    }
  }
  EXPECT_EQ(walk->finish(), 0.0);
}

TEST_P(Walk, FeedbackAsksForWhatTheChangeBeforeTook) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / GetParam();
  RunningModel whole(folder, on_test_device());
  const auto texts = texts_of(read_golden(folder));
  const auto means = [](const std::vector<double>& values) {
    return Eigen::VectorXd(Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<int64_t>(values.size())));
  };
  const auto dense = whole.engine.open_walk(texts);
  const SiteMoments mixed = dense->measure(0, Site::kAttention, std::nullopt);
  EXPECT_FALSE(mixed.target);
  const SiteMoments inner = dense->measure(0, Site::kFfn, TargetOptions{0});
  const Matrix<float> weight = dense_matrix(whole, 0, Site::kAttention);
  const SiteChange change = plain_cut(weight, 1);
  const auto target_mean = [&](double feedback) {
    const auto walk = whole.engine.open_walk(texts);
    walk->change(0, Site::kAttention, change);
    return means(walk->measure(0, Site::kFfn, TargetOptions{feedback}).target->mean);
  };
  // Full feedback: what the FFN of the dense model adds, and what attention no longer does. (Post-norm blocks have a
  // norm between the two; no golden is one.)
  Matrix<float> cut = Matrix<float>::Zero(weight.rows(), weight.cols());
  for (size_t k = 0; k < change.kept.size(); ++k) cut.col(change.kept[k]) = change.weight.col(static_cast<int64_t>(k));
  const Eigen::VectorXd lost = (weight - cut).cast<double>() * means(mixed.inputs.mean);
  const Eigen::VectorXd expected = means(inner.target->mean) + lost;
  const double scale = std::max(1.0, expected.cwiseAbs().maxCoeff());
  EXPECT_LE((target_mean(1) - expected).cwiseAbs().maxCoeff(), 2e-5 * scale);
  EXPECT_GT(lost.cwiseAbs().maxCoeff(), 1e-4 * scale);
  EXPECT_LE((target_mean(0.25) - 0.75 * target_mean(0) - 0.25 * target_mean(1)).cwiseAbs().maxCoeff(), 2e-5 * scale);
}

TEST_P(Walk, ADroppedLayerCostsWhatTheProbeSays) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / GetParam();
  RunningModel whole(folder, on_test_device());
  const auto texts = texts_of(read_golden(folder));
  const auto probe = whole.engine.open_probe(texts);
  EXPECT_EQ(probe->mean_kl({}), 0.0);
  for (int64_t layer = 0; layer < static_cast<int64_t>(whole.model.layers.size()); ++layer) {
    const auto walk = whole.engine.open_walk(texts);
    walk->drop(layer);
    const double expected = walk->finish();
    const std::vector<ProbeChange> changes{{layer, std::nullopt, {}}};
    EXPECT_NEAR(probe->mean_kl(changes), expected, 1e-7 + 1e-5 * expected);
    EXPECT_GT(expected, 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, Walk, testing::ValuesIn(kGoldenModels));

// One bias, moved by a step: the derivative of the loss with respect to what the site adds.
class ShiftedBias final : public WeightSource {
 public:
  ShiftedBias(const Checkpoint& checkpoint, std::string name, int64_t place, float step)
      : weights_(checkpoint, at::kCPU), name_(std::move(name)), place_(place), step_(step) {}
  at::Tensor get(const std::string& name, at::ScalarType type) override {
    at::Tensor tensor = weights_.get(name, type);
    if (name != name_) return tensor;
    tensor = tensor.clone();
    tensor[place_] += step_;
    return tensor;
  }
  at::Tensor rows(const std::string& name, const at::Tensor& ids) override { return weights_.rows(name, ids); }
  void release(const std::string&) override {}

 private:
  CheckpointWeights weights_;
  std::string name_;
  int64_t place_;
  float step_;
};

class Sensitivity : public testing::TestWithParam<std::string> {};

TEST_P(Sensitivity, IsTheFiniteDifferenceOfTheLoss) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / GetParam();
  RunningModel whole(folder);
  const Golden golden = read_golden(folder);
  // Of two tokens only the first predicts anything: E[g g^T] is half the square of one gradient.
  const std::vector<std::vector<TokenId>> texts{{golden.ids[1], golden.ids[2]}};
  const TransformerDescription description = describe_transformer(whole.checkpoint, whole.model);
  const auto loss = [&](const std::string& bias, int64_t place, float step) {
    ShiftedBias weights(whole.checkpoint, bias, place, step);
    Transformer transformer(description, weights, at::kCPU, {});
    const at::NoGradGuard no_grad;
    const Chunk chunk{at::tensor({texts[0][0], texts[0][1]}, at::kInt).to(at::kLong), {{1, 2, nullptr}}};
    const at::Tensor logits = transformer.logits(transformer.hidden({chunk}).front()).to(at::kDouble);
    return -at::log_softmax(logits[0], 0)[texts[0][1]].item<double>();
  };
  size_t checked = 0;
  whole.engine.sensitivities(texts, [&](int64_t layer, Site site, const Matrix<float>& sensitivity) {
    const BlockDescription& block = description.blocks[static_cast<size_t>(layer)];
    const LinearDescription& linear = site == Site::kFfn ? block.down : block.attention.output;
    ASSERT_TRUE(linear.bias);
    const double largest_gradient = std::sqrt(2.0 * static_cast<double>(sensitivity.diagonal().maxCoeff()));
    for (int64_t place = 0; place < sensitivity.rows(); place += 7) {
      const float step = GetParam() == "opt" ? 5e-4F : 2e-3F;  // relu has kinks; f32 logits round by about 1e-6
      const double slope = (loss(*linear.bias, place, step) - loss(*linear.bias, place, -step)) / (2 * step);
      const double gradient = std::sqrt(2.0 * static_cast<double>(sensitivity(place, place)));
      EXPECT_NEAR(std::abs(slope), gradient, 0.01 * largest_gradient) << layer << site_name(site) << place;
      ++checked;
    }
    EXPECT_EQ(sensitivity, sensitivity.transpose());
  });
  EXPECT_GT(checked, 8u);
}

// Families with biases at both sites, sequential and parallel blocks.
INSTANTIATE_TEST_SUITE_P(WithBiases, Sensitivity, testing::Values("opt", "phi", "gpt_neox", "gpt2", "falcon_rw_alibi"));

TEST(WalkThreads, ChangeNoBit) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "models" / "stories260K";
  std::vector<std::vector<TokenId>> texts;
  for (TokenId s = 0; s < 9; ++s) {
    texts.emplace_back();
    for (TokenId t = 0; t < 150 + 20 * s; ++t) texts.back().push_back((t * 37 + s * 11 + t * t % 101) % 512);
  }
  const auto run = [&](int threads, ComputeType type) {
    EngineOptions options;
    options.threads = threads;
    options.compute = type;
    RunningModel model(folder, options);
    std::vector<float> numbers;
    const auto add = [&](const Matrix<float>& m) {
      for (int64_t r = 0; r < m.rows(); ++r) {
        for (int64_t c = r; c < m.cols(); ++c) numbers.push_back(m(r, c));
      }
    };
    model.engine.sensitivities(texts, [&](int64_t, Site, const Matrix<float>& g) { add(g); });
    const auto walk = model.engine.open_walk(texts);
    walk->change(1, Site::kFfn, plain_cut(dense_matrix(model, 1, Site::kFfn), 0));
    const SiteMoments moments = walk->measure(3, Site::kFfn, TargetOptions{0.5});
    add(moments.inputs.second);
    numbers.insert(numbers.end(), moments.target->cross.data(),
                   moments.target->cross.data() + moments.target->cross.size());
    NeuronRefitOptions refit;
    refit.steps = 1;
    refit.iterations = 3;
    refit.metric = Matrix<float>::Identity(64, 64);
    const NeuronRefit refitted = walk->refit_neurons(3, plain_cut(dense_matrix(model, 3, Site::kFfn), 1), refit);
    EXPECT_EQ(refitted.steps, 1);
    EXPECT_LT(refitted.error_after, refitted.error_before);
    add(refitted.change.weight.leftCols(64));
    add(refitted.change.rows->gate);
    numbers.push_back(static_cast<float>(walk->finish()));
    return numbers;
  };
  for (const ComputeType type : {ComputeType::kF32, ComputeType::kBf16}) {
    const std::vector<float> one = run(1, type);
    EXPECT_EQ(one, run(2, type));
    EXPECT_EQ(one, run(3, type));
  }
}

// A run that goes on after it was stopped replays the changes that it knows, and measures nothing on the way.
TEST(WalkReplay, WithoutMeasuringIsTheSameToTheBit) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const ComputeType type : {ComputeType::kF32, ComputeType::kBf16}) {
    EngineOptions options;
    options.compute = type;
    RunningModel model(data / "models" / "stories260K", options);
    std::vector<std::vector<TokenId>> texts;
    for (TokenId s = 0; s < 12; ++s) {
      texts.emplace_back();
      for (TokenId t = 0; t < 120 + 9 * s; ++t) texts.back().push_back((t * 29 + s * 17 + t * t % 89) % 512);
    }
    const auto numbers_after = [&](bool measures) {
      const auto walk = model.engine.open_walk(texts);
      const int64_t last = static_cast<int64_t>(model.model.layers.size()) - 1;
      for (int64_t l = 0; l < last; ++l) {
        if (l == 1) {
          walk->drop(l);
          continue;
        }
        for (const Site site : {Site::kAttention, Site::kFfn}) {
          if (l == 2 && site == Site::kAttention) continue;  // a site that is left alone
          SiteChange change = plain_cut(dense_matrix(model, static_cast<size_t>(l), site), l);
          if (site == Site::kAttention) {
            change.kept.clear();
            for (int64_t i = 0; i < dense_matrix(model, 0, site).cols(); ++i) change.kept.push_back(i);
            change.weight = dense_matrix(model, static_cast<size_t>(l), site) * 0.9F;
          }
          if (measures) walk->measure(l, site, TargetOptions{0.5});
          if (site == Site::kFfn) {
            FfnRows rows;
            const auto part = [&](const MatrixRef& ref) {
              Matrix<float> whole(ref.rows, ref.cols);
              read_matrix<float>(model.checkpoint, ref, {whole.data(), static_cast<size_t>(whole.size())});
              return Matrix<float>(whole(change.kept, Eigen::all) * 1.1F);
            };
            const FfnDescription& ffn = model.model.layers[static_cast<size_t>(l)].ffn;
            rows.gate = part(*ffn.gate);
            rows.up = part(ffn.up);
            if (measures) {
              NeuronRefitOptions refit;
              refit.steps = 1;
              refit.iterations = 2;
              refit.metric = Matrix<float>::Identity(change.weight.rows(), change.weight.rows());
              walk->refit_neurons(l, change, refit);
            }
            change.rows = std::move(rows);
          }
          walk->change(l, site, change);
        }
      }
      const SiteMoments moments = walk->measure(last, Site::kFfn, TargetOptions{0.5});
      std::vector<double> numbers(moments.inputs.mean);
      const Matrix<float> second = symmetric(moments.inputs.second);
      numbers.insert(numbers.end(), second.data(), second.data() + second.size());
      numbers.insert(numbers.end(), moments.target->cross.data(),
                     moments.target->cross.data() + moments.target->cross.size());
      numbers.push_back(walk->finish());
      return numbers;
    };
    const std::vector<double> measured = numbers_after(true);
    EXPECT_GT(measured.back(), 0);
    EXPECT_EQ(measured, numbers_after(false));
  }
}

// Only what the engine is given tells it to stop: its module has a flag of its own that nobody sets.
TEST(WalkRefit, CountsWhatItDidAndStopsBetweenIterations) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  static int64_t asked = 0, allowed = 0;
  asked = 0, allowed = int64_t{1} << 40;
  EngineOptions options;
  options.throw_if_cancelled = [] {
    if (++asked > allowed) fail(ErrorCode::kCancelled, "test", "interrupted");
  };
  const auto folder = data / "golden" / "llama";
  RunningModel whole(folder, options);
  const auto texts = texts_of(read_golden(folder));
  const auto walk = whole.engine.open_walk(texts);
  walk->measure(1, Site::kFfn, std::nullopt);
  const SiteChange start = plain_cut(dense_matrix(whole, 1, Site::kFfn), 0);
  NeuronRefitOptions refit;
  refit.steps = 2;
  refit.iterations = 4;
  refit.tolerance = 1e-20;
  refit.metric = Matrix<float>::Identity(start.weight.rows(), start.weight.rows());
  asked = 0;
  const auto done = walk->refit_neurons(1, start, refit);
  EXPECT_EQ(done.tokens, walk->num_tokens());
  EXPECT_EQ(done.steps, 2);
  EXPECT_EQ(done.linearisations, 2);
  EXPECT_EQ(done.iterations, 8);
  EXPECT_EQ(asked, 2 + 8);
  asked = 0, allowed = 4;
  expect_error(ErrorCode::kCancelled, {"interrupted"}, [&] { walk->refit_neurons(1, start, refit); });
  EXPECT_EQ(asked, 5);
}

TEST(WalkBadInput, NamesTheLayerThatOverflows) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / "llama";
  RunningModel whole(folder);
  const auto texts = texts_of(read_golden(folder));
  SiteChange change = plain_cut(dense_matrix(whole, 0, Site::kFfn), 0);
  change.weight.setConstant(3e38F);
  const auto walk = whole.engine.open_walk(texts);
  walk->change(0, Site::kFfn, change);
  expect_error(ErrorCode::kNonFinite, {"layer 1"}, [&] { walk->measure(1, Site::kFfn, std::nullopt); });
  expect_error(ErrorCode::kBadOption, {"sequence 0", "empty"}, [&] {
    const std::vector<std::vector<TokenId>> none{{}};
    whole.engine.open_walk(none);
  });
}

}  // namespace
