// Rotary frequencies. The formulas follow the papers named below and transformers' modeling_rope_utils, in f64.
#include "model/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace prunenet {
namespace {

std::vector<double> plain(int64_t rotated, double theta) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < rotated; i += 2)
    frequencies.push_back(std::pow(theta, -static_cast<double>(i) / static_cast<double>(rotated)));
  return frequencies;
}

double positive(const Config& scaling, std::string_view key) {
  const double value = scaling.number(key, 0);
  if (value <= 0) fail(ErrorCode::kFormat, scaling.where(), "lacks a positive '{}'", key);
  return value;
}

// LLaMA 3.1: long waves are slowed by the factor, short ones kept, between them a blend.
std::vector<double> llama3(std::vector<double> frequencies, const Config& scaling) {
  const double factor = positive(scaling, "factor"), low = positive(scaling, "low_freq_factor");
  const double high = positive(scaling, "high_freq_factor"),
               original = positive(scaling, "original_max_position_embeddings");
  if (high <= low)
    fail(ErrorCode::kFormat, scaling.where(), "'high_freq_factor' {} is not above 'low_freq_factor' {}", high, low);
  for (double& frequency : frequencies) {
    const double turns = original * frequency / (2 * std::numbers::pi);  // within the original context
    const double blend = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    frequency *= (1 - blend) / factor + blend;
  }
  return frequencies;
}

// YaRN, Peng et al. 2023 (arXiv 2309.00071), section 3.
RotaryDescription yarn(const Config& scaling, int64_t rotated, double theta, int64_t max_context) {
  const double factor = positive(scaling, "factor");
  const double original = scaling.number("original_max_position_embeddings", static_cast<double>(max_context));
  const double fast = scaling.number("beta_fast", 32), slow = scaling.number("beta_slow", 1);
  if (original <= 0 || fast <= 0 || slow <= 0)
    fail(ErrorCode::kFormat, scaling.where(), "lacks the original context that yarn stretches");
  const double dims = static_cast<double>(rotated);
  // The place in the head whose numbers make `turns` turns within the original context.
  const auto place = [&](double turns) {
    return dims * std::log(original / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double first = place(fast), last = place(slow);
  if (scaling.flag("truncate", true)) first = std::floor(first), last = std::ceil(last);
  first = std::max(first, 0.0);
  last = std::min(last, dims - 1);
  if (first == last) last += 0.001;
  RotaryDescription rotary{
      plain(rotated, theta), {}, 0, scaling.number("attention_factor", 0.1 * std::log(std::max(factor, 1.0)) + 1)};
  for (size_t i = 0; i < rotary.inv_freq.size(); ++i) {
    const double slowed = std::clamp((static_cast<double>(i) - first) / (last - first), 0.0, 1.0);
    rotary.inv_freq[i] *= slowed / factor + (1 - slowed);
  }
  return rotary;
}

// LongRoPE, Ding et al. 2024 (arXiv 2402.13753), as Phi-3 uses it: a factor of its own for every frequency.
RotaryDescription longrope(const Config& config, const Config& scaling, int64_t rotated, double theta,
                           int64_t max_context) {
  const double original =
      scaling.number("original_max_position_embeddings", config.number("original_max_position_embeddings", 0));
  if (original <= 1) fail(ErrorCode::kFormat, scaling.where(), "lacks 'original_max_position_embeddings'");
  const double stretch = scaling.number("factor", static_cast<double>(max_context) / original);
  const double factor = stretch > 1 ? std::sqrt(1 + std::log(stretch) / std::log(original)) : 1.0;
  RotaryDescription rotary{plain(rotated, theta), plain(rotated, theta), static_cast<int64_t>(original),
                           scaling.number("attention_factor", factor)};
  const auto divide = [&](std::vector<double>& frequencies, std::string_view key) {
    const std::vector<double> factors = scaling.numbers(key);
    if (factors.size() != frequencies.size()) {
      fail(ErrorCode::kFormat, scaling.where(), "'{}' has {} numbers, expected {}", key, factors.size(),
           frequencies.size());
    }
    for (size_t i = 0; i < factors.size(); ++i) {
      if (!(factors[i] > 0))
        fail(ErrorCode::kFormat, scaling.where(), "'{}' holds {}, expected numbers above 0", key, factors[i]);
      frequencies[i] /= factors[i];
    }
  };
  divide(rotary.inv_freq, "short_factor");
  divide(rotary.long_inv_freq, "long_factor");
  return rotary;
}

}  // namespace

RotaryDescription describe_rotary(const Config& config, int64_t rotated, double theta, int64_t max_context) {
  std::optional<Config> scaling = config.section("rope_scaling");
  if (!scaling) scaling = config.section("rope_parameters");  // transformers 5 keeps theta there too
  if (scaling) theta = scaling->number("rope_theta", theta);
  if (!(theta > 1)) fail(ErrorCode::kFormat, config.where(), "the rotary base is {}, expected a number above 1", theta);
  RotaryDescription rotary{plain(rotated, theta), {}, 0, 1};
  if (!scaling) return rotary;
  const auto stated = scaling->text("rope_type");
  const std::string kind = stated ? *stated : scaling->text("type").value_or("default");
  if (kind == "default" || kind == "dynamic") return rotary;
  if (kind == "linear") {
    for (double& frequency : rotary.inv_freq) frequency /= positive(*scaling, "factor");
    return rotary;
  }
  if (kind == "llama3") {
    rotary.inv_freq = llama3(rotary.inv_freq, *scaling);
    return rotary;
  }
  if (kind == "yarn") return yarn(*scaling, rotated, theta, max_context);
  if (kind == "longrope" || kind == "su") return longrope(config, *scaling, rotated, theta, max_context);
  fail(ErrorCode::kUnsupported, scaling->where(),
       "rotary scaling of type '{}' is not supported; supported are linear, dynamic, llama3, yarn, longrope", kind);
}

}  // namespace prunenet
