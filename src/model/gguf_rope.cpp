// Rotary positions of GGUF.
#include "model/gguf_rope.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/rotary.h"

namespace prunenet {
namespace {

using Json = nlohmann::json;

// The factors by which frequencies are divided, one for each pair of numbers; nothing where they are not stored.
std::optional<std::vector<double>> read_factors(const Checkpoint& checkpoint, const std::string& name,
                                                int64_t rotated) {
  const Checkpoint::Entry* entry = checkpoint.find(name);
  if (entry == nullptr) return std::nullopt;
  const TensorSpec& spec = entry->stored.spec;
  if (spec.num_elements() != rotated / 2 || !dtype_is_computable(spec.dtype) || dtype_is_quantised(spec.dtype)) {
    fail(ErrorCode::kMismatch, checkpoint.where(*entry), "is {}, expected {} numbers", to_string(spec), rotated / 2);
  }
  std::vector<double> factors(static_cast<size_t>(rotated / 2));
  widen(checkpoint.bytes(*entry).data(), spec.dtype, factors.size(), factors.data());
  for (double& factor : factors) {
    if (!(factor > 0) || !std::isfinite(factor))
      fail(ErrorCode::kFormat, checkpoint.where(*entry), "holds {}, expected numbers above 0", factor);
    factor = shortest_decimal(factor);
  }
  return factors;
}

// LLaMA 3 stretches its context by a rule that its config names and GGUF stores as factors. The rule of Meta's models,
// if it gives these factors.
std::optional<Json> as_llama3(const std::vector<double>& factors, double theta) {
  const double factor = *std::max_element(factors.begin(), factors.end());
  if (!(factor > 1)) return std::nullopt;
  const Json rule{{"rope_type", "llama3"},
                  {"factor", factor},
                  {"low_freq_factor", 1.0},
                  {"high_freq_factor", 4.0},
                  {"original_max_position_embeddings", 8192}};
  const auto rotated = static_cast<int64_t>(2 * factors.size());
  const Config plain("{}", "rope"), ruled(Json{{"rope_scaling", rule}}.dump(), "rope");
  const std::vector<double> before = describe_rotary(plain, rotated, theta, 0).inv_freq;
  const std::vector<double> after = describe_rotary(ruled, rotated, theta, 0).inv_freq;
  for (size_t i = 0; i < factors.size(); ++i) {
    // The factors are computed and stored in f32, from frequencies in f32.
    if (std::abs(before[i] / after[i] / factors[i] - 1) > 2e-6) return std::nullopt;
  }
  return rule;
}

}  // namespace

double gguf_rope_theta(const GgufReader& reader) {
  if (!reader.has("rope.freq_base")) return 10000;
  const double theta = reader.positive("rope.freq_base");
  if (!(theta > 1))
    fail(ErrorCode::kFormat, reader.where(), "'{}' is {}, expected a number above 1", reader.key("rope.freq_base"),
         theta);
  return theta;
}

Json gguf_rope_scaling(const Checkpoint& checkpoint, const GgufReader& reader, const GgufSizes& sizes) {
  const int64_t turned = sizes.rotated;
  if (turned < 2 || turned % 2 != 0 || turned > sizes.head_dim) {
    fail(ErrorCode::kFormat, reader.where(), "'{}' is {}: of the {} numbers of a head so many cannot turn in pairs",
         reader.key("rope.dimension_count"), turned, sizes.head_dim);
  }
  const std::string type = reader.text("rope.scaling.type").value_or("linear");
  const auto number = [&](std::string_view name, double fallback) {
    return reader.has(name) ? reader.positive(name) : fallback;
  };
  double factor =
      reader.find_number("rope.scaling.factor")
          .value_or(reader.find_number("rope.scale_linear").value_or(0));  // an older name; 0 stands for none
  if (factor < 0) fail(ErrorCode::kFormat, reader.where(), "'{}' is {}", reader.key("rope.scaling.factor"), factor);
  if (factor == 0 || type == "none") factor = 1;
  const double attention = number("rope.scaling.attn_factor", 1);
  const int64_t original = reader.find_size("rope.scaling.original_context_length").value_or(sizes.context);
  if (type != "none" && type != "linear" && type != "yarn" && type != "longrope") {
    fail(ErrorCode::kUnsupported, reader.where(), "'{}' is '{}'; supported are none, linear, yarn, longrope",
         reader.key("rope.scaling.type"), type);
  }

  // Only some architectures look at the stored factors.
  const bool like_llama = reader.architecture() == "llama" || reader.architecture() == "deci",
             phi3 = reader.architecture() == "phi3";
  std::optional<std::vector<double>> freqs, short_factors, long_factors;
  if (like_llama && type != "longrope") freqs = read_factors(checkpoint, "rope_freqs.weight", sizes.rotated);
  if (phi3 || (like_llama && type == "longrope")) {
    short_factors = read_factors(checkpoint, "rope_factors_short.weight", sizes.rotated);
    long_factors = read_factors(checkpoint, "rope_factors_long.weight", sizes.rotated);
    if (short_factors.has_value() != long_factors.has_value()) {
      fail(ErrorCode::kMismatch, reader.where(),
           "of 'rope_factors_short.weight' and 'rope_factors_long.weight' only one "
           "is stored");
    }
  }

  if (type == "yarn") {
    if (freqs || short_factors) {
      fail(ErrorCode::kUnsupported, reader.where(), "'{}' is yarn, and factors of the frequencies are stored too",
           reader.key("rope.scaling.type"));
    }
    for (const auto& [name, expected] :
         {std::pair{"rope.scaling.yarn_ext_factor", 1.0}, std::pair{"rope.scaling.yarn_log_multiplier", 0.0}}) {
      const double value = reader.find_number(name).value_or(expected);
      if (value != expected) {
        fail(ErrorCode::kUnsupported, reader.where(), "'{}' is {}; supported is {}", reader.key(name), value, expected);
      }
    }
    Json scaling{{"rope_type", "yarn"}, {"factor", factor}, {"original_max_position_embeddings", original}};
    // llama.cpp reads yarn_beta_fast, yarn_beta_slow and yarn_attn_factor of none of these architectures.
    if (attention != 1) {
      scaling["attention_factor"] = attention * (0.1 * std::log(std::max(factor, 1.0)) + 1);
    }
    return scaling;
  }
  if (short_factors) {
    if (factor != 1) {
      fail(ErrorCode::kUnsupported, reader.where(), "'{}' is {}, and factors of the frequencies are stored too",
           reader.key("rope.scaling.factor"), factor);
    }
    if (original < 2) {
      fail(ErrorCode::kFormat, reader.where(), "'{}' is {}, expected at least 2",
           reader.key("rope.scaling.original_context_length"), original);
    }
    Json scaling{{"short_factor", *short_factors}, {"long_factor", *long_factors}};
    // Phi-3 has exactly these keys, and the attention factor follows from the two contexts.
    const double stretch = static_cast<double>(sizes.context) / static_cast<double>(original);
    const double usual = stretch > 1 ? std::sqrt(1 + std::log(stretch) / std::log(static_cast<double>(original))) : 1.0;
    if (phi3) scaling["type"] = "longrope";
    if (!phi3) scaling["rope_type"] = "longrope";
    if (!phi3) scaling["original_max_position_embeddings"] = original;
    if (!phi3) scaling["factor"] = std::max(stretch, 1.0);  // transformers multiplies by it
    if (!phi3 || std::abs(attention - usual) > 1e-6) scaling["attention_factor"] = attention;
    return scaling;
  }
  if (attention != 1) {
    fail(ErrorCode::kUnsupported, reader.where(), "'{}' is {} without yarn or longrope",
         reader.key("rope.scaling.attn_factor"), attention);
  }
  if (freqs) {
    for (double& value : *freqs) value *= factor;
    if (std::all_of(freqs->begin(), freqs->end(), [](double value) { return value == 1; })) return nullptr;
    if (auto rule = as_llama3(*freqs, gguf_rope_theta(reader))) return *rule;
    // Any other factors are a longrope that is the same for long and short.
    return {{"rope_type", "longrope"},
            {"short_factor", *freqs},
            {"long_factor", *freqs},
            {"attention_factor", 1.0},
            {"factor", 1.0},
            {"original_max_position_embeddings", std::max<int64_t>(original, 2)}};
  }
  if (factor == 1) return nullptr;
  return {{"type", "linear"}, {"factor", factor}};
}

double gguf_rotary_fraction(const GgufSizes& sizes) {
  const auto dim = static_cast<double>(sizes.head_dim);
  double fraction = shortest_decimal(static_cast<float>(static_cast<double>(sizes.rotated) / dim));
  if (static_cast<int64_t>(fraction * dim) != sizes.rotated) fraction = static_cast<double>(sizes.rotated) / dim;
  if (static_cast<int64_t>(fraction * dim) < sizes.rotated)
    fraction = std::nextafter(fraction, std::numeric_limits<double>::infinity());
  return fraction;
}

}  // namespace prunenet
