// A few layers of the model, by themselves.
#include "cost/engine_speed.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/system.h"
#include "engine/load.h"
#include "generate/generate.h"
#include "generate/own_text.h"

namespace prunenet {
namespace {

constexpr double kMostWeightBytes = 0.5 * (1 << 30);
constexpr double kProbeFlops = 2e11;  // of a measurement: below a second on two cores
constexpr int64_t kMostTokens = 2048;

class Prober {
 public:
  Prober(const Checkpoint& checkpoint, const ModelDescription& model, const EngineProbe& probe)
      : probe_(probe), shape_(shape_of(checkpoint, model)), part_(model) {
    const double number = probe.engine.compute == ComputeType::kF32 ? 4 : 2;
    double bytes = 0;
    size_t count = 0;
    while (count < shape_.layers.size()) {
      bytes += number * shape_.layers[count].params(shape_.hidden);
      if (count > 0 && bytes > kMostWeightBytes) break;
      ++count;
    }
    is_whole_ = count == shape_.layers.size();
    part_.layers.resize(count);
    shape_.layers.resize(count);
    weight_bytes_ = number * (shape_.layer_params() + shape_.head_params());
    Stopwatch watch;
    require_runtime();
    libraries_s_ = watch.elapsed_s();
    EngineOptions options = probe.engine;
    options.stream = false;
    watch = Stopwatch();
    engine_ = load_engine(checkpoint, part_, options);
    load_s_ = watch.elapsed_s();
    texts_ = random_sequences();
    length_ = static_cast<double>(texts_.front().size());
  }

  double libraries_s() const { return libraries_s_; }
  double load_bytes_per_s() const { return weight_bytes_ / std::max(load_s_, 1e-6); }

  // Without the head: nothing is scored.
  double forward_flops_per_s() {
    std::vector<ScoreRequest> requests;
    for (const auto& ids : texts_) requests.push_back({ids, static_cast<int64_t>(ids.size())});
    const double elapsed_s = shortest_s([&] { engine_->score(requests); });
    return tokens() * forward_flops_per_token(shape_, shape_.layers.size(), length_) / elapsed_s;
  }

  // What a pass takes whatever the text, the matrices of moments above all, is told apart by two tokens of each text:
  // in a run it is spread over many thousands.
  void backward(Speeds& speeds, EngineSpeed& result) {
    const auto pass_s = [this](std::span<const std::vector<TokenId>> texts) {
      const Stopwatch watch;
      engine_->sensitivities(texts, [](int64_t, Site, const Matrix<float>&) {});
      return watch.elapsed_s();
    };
    std::vector<std::vector<TokenId>> few = texts_;
    for (auto& ids : few) ids.resize(2);
    pass_s(few);  // memory and kernels come up
    const double few_s = pass_s(few), all_s = pass_s(texts_);
    const double few_tokens = 2 * static_cast<double>(few.size());
    const double token_s = std::max((all_s - few_s) / (tokens() - few_tokens), 0.02 * all_s / tokens());
    speeds[WorkKind::kBackward] = backward_flops_per_token(shape_, shape_.layers.size(), length_) / token_s;
    result.backward_layer_s = std::max(0.0, few_s - few_tokens * token_s) / static_cast<double>(shape_.layers.size());
  }

  // The last layers of a walk whose first is gone, and the head for both models; what is left is comparing.
  double divergence_logits_per_s(double forward) {
    const double elapsed_s = shortest_s([&] {
      const auto walk = engine_->open_walk(texts_);
      walk->drop(0);
      walk->finish();
    });
    const auto layers = static_cast<double>(shape_.layers.size());
    const double products =
        tokens() * ((2 * layers - 1) / layers * forward_flops_per_token(shape_, shape_.layers.size(), length_) +
                    4 * shape_.head_params());
    const double left_s = std::max(elapsed_s - products / forward, 0.05 * elapsed_s);
    return tokens() * static_cast<double>(shape_.vocab) / left_s;
  }

  // Batches of one token a sequence, drawing apart; and how much longer they take behind many tokens.
  void decode(Speeds& speeds) {
    const int64_t batch = std::max<int64_t>(2, probe_.batch), few = std::max<int64_t>(1, batch / 4);
    Logits logits;
    const double params = shape_.layer_params() + shape_.head_params();
    const double step_s = time_of_step(batch, 1, &logits), step_of_few_s = time_of_step(few, 1, nullptr);
    // The time of a step is a part that every sequence adds to, and one that it takes whatever their number.
    const double each_s = std::max((step_s - step_of_few_s) / static_cast<double>(batch - few),
                                   0.02 * step_s / static_cast<double>(batch));
    speeds[WorkKind::kDecode] = 2 * params / each_s;
    const double whatever_s = std::max(step_s - static_cast<double>(batch) * each_s, 0.02 * step_s);
    speeds[WorkKind::kStep] = params * number_bytes() / whatever_s;

    SamplingOptions sampling;
    sampling.temperature = 1;
    const Stopwatch watch;
    const int64_t rows = std::min<int64_t>(batch, 8);
    for (int64_t i = 0; i < rows; ++i)
      sample_token(logits.row(i), sampling, RandomStream(probe_.seed, RandomStage::kGenerate, 0, 0));
    speeds[WorkKind::kDraw] = static_cast<double>(rows * shape_.vocab) / std::max(watch.elapsed_s(), 1e-9);

    const int64_t some = std::min<int64_t>(batch, 4), past = std::max<int64_t>(2, probe_.length / 2);
    const double behind_s = time_of_step(some, past, nullptr), before_s = time_of_step(some, 1, nullptr);
    double bytes = 0;
    for (const LayerShape& layer : shape_.layers)
      bytes += static_cast<double>(some * (past - 1) * layer.kv_width) * 2 * number_bytes();
    speeds[WorkKind::kCache] = bytes / std::max(behind_s - before_s, 0.01 * before_s);
  }

  // Whole texts of the whole model, where that is quick.
  std::vector<double> own_lengths() {
    const double tokens = static_cast<double>(kTexts * probe_.own_length);
    if (!is_whole_ || tokens * 2 * (shape_.layer_params() + shape_.head_params()) > kProbeFlops / 10) return {};
    OwnTextOptions own;
    own.sequences = kTexts;
    own.tokens = probe_.own_length;
    own.seed = probe_.seed;
    own.first_sequence = 1 << 30;
    SilentProgress silent;
    std::vector<double> lengths;
    for (const auto& text : sample_own_text(*engine_, part_, own, silent))
      lengths.push_back(static_cast<double>(text.size()));
    return lengths;
  }

  static double backward_flops_per_token(const ModelShape& shape, size_t layers, double length) {
    double moments = 0;
    for (size_t l = 0; l < layers; ++l) moments += 2 * static_cast<double>(shape.hidden * shape.hidden);
    return 3 * forward_flops_per_token(shape, layers, length) + 4 * shape.head_params() + moments;
  }

 private:
  static constexpr int64_t kTexts = 32;

  double number_bytes() const { return probe_.engine.compute == ComputeType::kF32 ? 4 : 2; }
  double tokens() const { return static_cast<double>(texts_.size()) * length_; }

  // As long as those of the run where the budget allows, and one for each of two threads at least.
  std::vector<std::vector<TokenId>> random_sequences() const {
    const double flops = forward_flops_per_token(shape_, shape_.layers.size(), 0) + 2 * shape_.head_params();
    const auto tokens =
        static_cast<int64_t>(std::clamp(kProbeFlops / std::max(flops, 1.0), 128.0, static_cast<double>(kMostTokens)));
    const int64_t length = std::clamp<int64_t>(tokens / 2, 2, probe_.length);
    std::vector<std::vector<TokenId>> texts;
    for (int64_t i = 0; i < std::max<int64_t>(2, tokens / length); ++i) {
      RandomStream stream(probe_.seed, RandomStage::kRandomText, static_cast<uint32_t>(i));
      std::vector<TokenId> ids;
      while (static_cast<int64_t>(ids.size()) < length) {
        const auto id = static_cast<int64_t>(stream.next_open() * static_cast<double>(shape_.vocab));
        ids.push_back(static_cast<TokenId>(std::min(id, shape_.vocab - 1)));
      }
      texts.push_back(std::move(ids));
    }
    return texts;
  }

  template <typename Call>
  static double shortest_s(const Call& call) {
    double shortest = 0;
    for (int i = 0; i < 3; ++i) {
      const Stopwatch watch;
      call();
      const double elapsed_s = watch.elapsed_s();
      if (i == 0 || elapsed_s < shortest) shortest = elapsed_s;
      if (elapsed_s > 0.5) break;
    }
    return shortest;
  }

  double time_of_step(int64_t batch, int64_t past, Logits* logits) {
    const auto session = engine_->open_session(batch, past + 4);
    std::vector<std::vector<TokenId>> ids(static_cast<size_t>(batch), std::vector<TokenId>(static_cast<size_t>(past)));
    for (auto& sequence : ids)
      std::copy_n(texts_.front().begin(), std::min(sequence.size(), texts_.front().size()), sequence.begin());
    session->append(ids);
    for (auto& sequence : ids) sequence.resize(1);
    return shortest_s([&] {
      Logits result = session->append(ids);
      if (logits != nullptr) *logits = std::move(result);
    });
  }

  const EngineProbe& probe_;
  ModelShape shape_;  // of the part
  ModelDescription part_;
  bool is_whole_ = false;
  double weight_bytes_ = 0, libraries_s_ = 0, load_s_ = 0, length_ = 0;
  std::unique_ptr<Engine> engine_;
  std::vector<std::vector<TokenId>> texts_;
};

}  // namespace

double forward_flops_per_token(const ModelShape& shape, size_t layers, double length) {
  double flops = 0;
  for (size_t l = 0; l < layers; ++l) {
    const LayerShape& layer = shape.layers[l];
    flops += 2 * layer.params(shape.hidden);
    if (layer.has_attention) flops += 2 * length * static_cast<double>(layer.attention_width);  // half of all pairs
  }
  return flops;
}

double backward_flops_per_token(const ModelShape& shape, double length) {
  return Prober::backward_flops_per_token(shape, shape.layers.size(), length);
}

EngineSpeed measure_engine(const Checkpoint& checkpoint, const ModelDescription& model, const Work& work,
                           const EngineProbe& probe, Speeds& speeds) {
  Prober prober(checkpoint, model, probe);
  EngineSpeed result;
  result.libraries_s = prober.libraries_s();
  if (probe.own_length > 0) result.own_lengths = prober.own_lengths();
  speeds[WorkKind::kLoad] = prober.load_bytes_per_s();
  speeds[WorkKind::kForward] = prober.forward_flops_per_s();
  if (work[WorkKind::kBackward] > 0) prober.backward(speeds, result);
  if (work[WorkKind::kDivergence] > 0)
    speeds[WorkKind::kDivergence] = prober.divergence_logits_per_s(speeds[WorkKind::kForward]);
  if (work[WorkKind::kDecode] > 0) prober.decode(speeds);
  return result;
}

}  // namespace prunenet
