// AdamW over the parameters of a StoryModel.
#include "story_trainer.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace prunenet {
namespace {

constexpr double kMeanDecay = 0.9, kSquareDecay = 0.95, kEpsilon = 1e-8;
}  // namespace

StoryTrainer::StoryTrainer(StoryModel& model, BpeEncoder& encoder, const StoryTraining& options)
    : model_(model), encoder_(encoder), options_(options) {
  if (options.steps < 1 || options.rows < 1 || options.steps * options.rows > (int64_t{1} << 28)) {
    fail(ErrorCode::kBadOption, "training",
         "steps and rows must be at least 1 and their product at most 2^28, not {} and {}", options.steps,
         options.rows);
  }
  for (const auto& [name, parameter] : model.parameters()) {
    means_.push_back(at::zeros_like(parameter));
    squares_.push_back(at::zeros_like(parameter));
  }
}

at::Tensor StoryTrainer::next_rows() {
  const int64_t length = model_.shape().positions + 1;
  at::Tensor ids = at::empty({options_.rows, length}, at::kLong);
  for (int64_t i = 0; i < options_.rows; ++i) {
    const auto row = training_row(encoder_, options_.seed, static_cast<uint32_t>(step_ * options_.rows + i), length);
    std::copy(row.begin(), row.end(), ids.data_ptr<int64_t>() + i * length);
  }
  return ids;
}

double StoryTrainer::step() {
  const int64_t length = model_.shape().positions, warmup = options_.warmup_steps;
  const at::Tensor ids = next_rows();
  const at::Tensor logits = model_.logits(ids.narrow(1, 0, length));
  const at::Tensor loss =
      at::cross_entropy_loss(logits.reshape({options_.rows * length, -1}), ids.narrow(1, 1, length).reshape({-1}));
  loss.backward();

  const at::NoGradGuard no_grad;
  const double value = loss.item<double>(), gradient = clip_gradients();
  if (!std::isfinite(value) || !std::isfinite(gradient)) {
    fail(ErrorCode::kNonFinite, "training", "the loss of step {} is {} with a gradient of norm {}", step_ + 1, value,
         gradient);
  }
  const double done =
      static_cast<double>(step_ - warmup) / static_cast<double>(std::max<int64_t>(1, options_.steps - warmup));
  const double share = step_ < warmup ? static_cast<double>(step_ + 1) / static_cast<double>(warmup)
                                      : 0.5 * (1.0 + std::cos(std::numbers::pi * std::min(1.0, done)));
  ++step_;
  update(options_.peak_rate * share);
  return value;
}

// Gives the norm before.
double StoryTrainer::clip_gradients() {
  double squares = 0;
  for (const auto& [name, parameter] : model_.parameters()) squares += parameter.grad().square().sum().item<double>();
  const double norm = std::sqrt(squares);
  if (norm > options_.largest_gradient) {
    for (const auto& [name, parameter] : model_.parameters()) parameter.grad().mul_(options_.largest_gradient / norm);
  }
  return norm;
}

void StoryTrainer::update(double rate) {
  const double mean_share = 1.0 - std::pow(kMeanDecay, step_), square_share = 1.0 - std::pow(kSquareDecay, step_);
  for (size_t i = 0; i < means_.size(); ++i) {
    at::Tensor parameter = model_.parameters()[i].second;
    at::Tensor gradient = parameter.grad();
    means_[i].mul_(kMeanDecay).add_(gradient, 1.0 - kMeanDecay);
    squares_[i].mul_(kSquareDecay).addcmul_(gradient, gradient, 1.0 - kSquareDecay);
    if (parameter.dim() == 2) parameter.mul_(1.0 - rate * options_.weight_decay);
    const at::Tensor scale = (squares_[i] / square_share).sqrt_().add_(kEpsilon);
    parameter.addcdiv_(means_[i], scale, -rate / mean_share);
    gradient.zero_();
  }
}

}  // namespace prunenet
