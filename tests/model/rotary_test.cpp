// Rotary frequencies: the plain ones, and what each kind of scaling promises.
#include "model/rotary.h"

#include <cmath>
#include <numbers>

#include "support/support.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

RotaryDescription rotary(const std::string& scaling, int64_t rotated = 128, double theta = 10000,
                         int64_t context = 4096) {
  return describe_rotary(Config("{\"rope_scaling\": " + scaling + "}", "config.json"), rotated, theta, context);
}

TEST(Rotary, PlainFrequenciesFallFromOneToTheBase) {
  const RotaryDescription plain = rotary("null");
  ASSERT_EQ(plain.inv_freq.size(), 64U);
  EXPECT_DOUBLE_EQ(plain.inv_freq[0], 1);
  EXPECT_DOUBLE_EQ(plain.inv_freq[32], 0.01);
  EXPECT_NEAR(plain.inv_freq[63] * std::pow(10000.0, 126.0 / 128.0), 1, 1e-12);
  EXPECT_EQ(plain.attention_factor, 1);
}

TEST(Rotary, LinearDividesAll) {
  const auto scaled = rotary(R"({"type": "linear", "factor": 4.0})"), plain = rotary("null");
  for (size_t i = 0; i < 64; ++i) EXPECT_DOUBLE_EQ(scaled.inv_freq[i], plain.inv_freq[i] / 4);
}

TEST(Rotary, DynamicChangesNothingWithinTheContext) {
  EXPECT_EQ(rotary(R"({"type": "dynamic", "factor": 2.0})").inv_freq, rotary("null").inv_freq);
}

TEST(Rotary, Llama3KeepsShortWavesAndSlowsLongOnes) {
  const std::string kind = R"({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                               "original_max_position_embeddings": 8192})";
  const auto scaled = rotary(kind, 128, 500000, 131072), plain = rotary("null", 128, 500000, 131072);
  int kept = 0, slowed = 0;
  for (size_t i = 0; i < 64; ++i) {
    const double wavelength = 2 * std::numbers::pi / plain.inv_freq[i];
    if (wavelength < 8192.0 / 4) {
      EXPECT_DOUBLE_EQ(scaled.inv_freq[i], plain.inv_freq[i]);
      ++kept;
    } else if (wavelength > 8192.0) {
      EXPECT_DOUBLE_EQ(scaled.inv_freq[i], plain.inv_freq[i] / 8);
      ++slowed;
    } else {  // between them, as transformers writes it
      const double smooth = (8192 / wavelength - 1) / 3;
      EXPECT_NEAR(scaled.inv_freq[i], (1 - smooth) * plain.inv_freq[i] / 8 + smooth * plain.inv_freq[i], 1e-15);
    }
  }
  EXPECT_GT(kept, 20);
  EXPECT_GT(slowed, 10);
}

TEST(Rotary, YarnKeepsFastTurnsAndDividesSlowOnes) {
  const auto scaled =
      rotary(R"({"rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 4096})", 128, 10000, 65536);
  const auto plain = rotary("null");
  // 32 turns within 4096: wavelength 128, place 64 ln(4096 / (32 * 2 pi)) / ln(10000) = 20.9: kept up to 20.
  for (size_t i = 0; i <= 20; ++i) EXPECT_DOUBLE_EQ(scaled.inv_freq[i], plain.inv_freq[i]);
  // One turn: place 45.03: divided from 46 on.
  for (size_t i = 46; i < 64; ++i) EXPECT_DOUBLE_EQ(scaled.inv_freq[i], plain.inv_freq[i] / 16);
  EXPECT_LT(scaled.inv_freq[33], plain.inv_freq[33]);
  EXPECT_GT(scaled.inv_freq[33], plain.inv_freq[33] / 16);
  EXPECT_NEAR(scaled.attention_factor, 0.1 * std::log(16) + 1, 1e-12);
}

TEST(Rotary, LongropeHasFactorsOfItsOwn) {
  const Config config(
      R"({"original_max_position_embeddings": 4096, "rope_scaling": {"type": "su", "short_factor": [1, 2], "long_factor": [3, 4]}})",
      "config.json");
  const auto scaled = describe_rotary(config, 4, 10000, 131072);
  EXPECT_DOUBLE_EQ(scaled.inv_freq[1], 0.01 / 2);
  EXPECT_DOUBLE_EQ(scaled.long_inv_freq[0], 1.0 / 3);
  EXPECT_EQ(scaled.long_from, 4096);
  EXPECT_NEAR(scaled.attention_factor, std::sqrt(1 + std::log(32) / std::log(4096)), 1e-12);
}

TEST(Rotary, TransformersFiveKeepsThetaWithTheScaling) {
  const Config config(R"({"rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}})", "config.json");
  EXPECT_NEAR(describe_rotary(config, 128, 10000, 4096).inv_freq[32], 1e-3, 1e-15);
}

TEST(Rotary, WhatMakesNoSenseIsRefused) {
  expect_error(ErrorCode::kUnsupported, {"'spiral'", "yarn"}, [] { rotary(R"({"type": "spiral"})"); });
  expect_error(ErrorCode::kFormat, {"'factor'"}, [] { rotary(R"({"type": "linear"})"); });
  expect_error(ErrorCode::kFormat, {"'factor'"}, [] { rotary(R"({"type": "linear", "factor": -2})"); });
  expect_error(ErrorCode::kFormat, {"short_factor", "2 numbers, expected 64"}, [] {
    rotary(
        R"({"type": "longrope", "original_max_position_embeddings": 4096, "short_factor": [1, 1], "long_factor": [1, 1]})");
  });
}

}  // namespace
