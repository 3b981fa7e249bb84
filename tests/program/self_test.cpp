// prune --method self from end to end: every family, what it says of itself against compare, moments that are used
// again, heads, layers, budgets, calibration on anything, and what it refuses.
#include <signal.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

#include "program/checkpoints.h"
#include "program/demo_model.h"
#include "program/refusal.h"
#include "program/runtime.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

using Words = std::vector<std::string>;

Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A little text, one step: seconds become tenths.
const Words kLittle{"--own-text", "8", "--tokens", "32", "--neuron-steps", "1", "--neuron-iterations", "4"};
const Words kThird{"--ratio", "0.3"};

class Self : public Refusal {
 protected:
  // `made`: two layers of width 64, hidden 16, two heads; with a token to begin texts with.
  Self() {
    made.config["bos_token_id"] = 1;
    made.write(model());
  }

  Words command(const fs::path& model, const fs::path& out, const Words& options) const {
    return Words{"prune", model, "-o", out, "--quiet"} + options;
  }
  Json prune_to(const std::string& name, const Words& options) const {
    return prune_of(model(), name, options + Words{"--threads", "1"});
  }
  Json prune_of(const fs::path& model, const std::string& name, const Words& options) const {
    return prunenet_json(command(model, root() / name, options));
  }
  /// The same where no module can be found.
  RunResult without_modules(const std::string& name, const Words& options) const {
    return run_program(Words{"/usr/bin/env", "PRUNENET_MODULES=" + (root() / "none").string(), PRUNENET_PROGRAM} +
                       command(model(), root() / name, options));
  }
  std::string weights(const std::string& name) const { return read_bytes(root() / name / "model.safetensors"); }
  void expect_same(const std::string& a, const std::string& b) const {
    const auto first = folder_contents(root() / a), second = folder_contents(root() / b);
    EXPECT_EQ(first.size(), second.size());
    for (const auto& [name, bytes] : first) EXPECT_TRUE(second.contains(name) && second.at(name) == bytes) << name;
  }
  void refuse(const Words& options, const Words& fragments, int status = 1) const {
    expect_refused(command(model(), out(), options), fragments, status);
  }

  TinyModel made = tiny_model(1, {.hidden = 16, .width = 64, .layers = 2, .vocab = 64});
};

TEST_F(Self, EveryFamilyEndToEnd) {
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const std::string name : {"llama", "llama_sharded", "llama_bf16", "mistral", "qwen2", "gemma", "phi", "phi3",
                                 "opt", "gpt_neox", "gpt2", "falcon7b_mqa", "falcon_rw_alibi"}) {
    SCOPED_TRACE(name);
    const fs::path dense = data / "golden" / name;
    const Json json = prune_of(dense, name, kThird + kLittle + Words{"--check", "3", "--threads", "1"});
    EXPECT_EQ(json["method"], "self");
    const Json after = prunenet_json({"inspect", root() / name});
    EXPECT_EQ(after["ffn_widths"], json["kept_widths"]);
    EXPECT_EQ(after["params"], json["params_after"]);
    EXPECT_TRUE(after["width_matches_config"]);
    EXPECT_TRUE(json["loads_in_stock_programs"]);
    ASSERT_TRUE(json["kl_nats"].is_number());
    if (name == "phi3" || name == "gpt2" || name == "llama_bf16") {
      // What it measured of itself is what compare says with the same seed and sizes. Sums of f32 in another order.
      const double kl =
          prunenet_json(small_run({"compare", dense, root() / name, "--own-text", "3"}))["kl_nats"];
      EXPECT_NEAR(json["kl_nats"].get<double>(), kl, 1e-7 + 1e-5 * kl);
    }
  }
}

TEST_F(Self, TheDemoModelByDefaultOptionsOfTheMethod) {
  PRUNENET_REQUIRE_RUNTIME();
  const Words text{"--own-text", "24", "--tokens", "256", "--neuron-steps", "1", "--neuron-iterations", "2", "--check", "4"};
  const Json json = prune_of(kDemo, "one", kThird + text + Words{"--threads", "1"});
  prune_of(kDemo, "two", kThird + text + Words{"--threads", "2"});
  expect_same("one", "two");
  EXPECT_FALSE(fs::exists(root() / "one" / "mask.json"));
  const double kl =
      prunenet_json(small_run({"compare", kDemo, root() / "one", "--own-text", "4"}))["kl_nats"];
  EXPECT_NEAR(json["kl_nats"].get<double>(), kl, 1e-7 + 1e-5 * kl);
  // The same neurons, cut by a random choice of as many, cost far more.
  prune_of(kDemo, "random", kThird + Words{"--method", "random"});
  const double random =
      prunenet_json(small_run({"compare", kDemo, root() / "random", "--own-text", "4"}))["kl_nats"];
  EXPECT_LT(3 * kl, random);
  // Its artefact is a mask: neurons that were refitted are then cut from the dense model.
  prune_of(kDemo, "by-mask", {"--mask", root() / "one" / "prunenet.json"});
  EXPECT_EQ(kept_rows_of(root() / "by-mask"), kept_rows_of(root() / "one"));
}

TEST_F(Self, IsTheDefault) {
  PRUNENET_REQUIRE_RUNTIME();
  EXPECT_EQ(prune_to("out", Words{"--ratio", "0.5", "--own-text", "4", "--tokens", "16", "--check", "0"})["method"],
            "self");
  const RunResult without = without_modules("none", kThird);
  EXPECT_EQ(without.status, 1);
  EXPECT_NE(without.err.find("prunenet-runtime.so"), std::string::npos) << without.err;
  EXPECT_FALSE(fs::exists(root() / "none"));
}

TEST_F(Self, SaysWhatItDidInJsonAndArtefact) {
  PRUNENET_REQUIRE_RUNTIME();
  const Json json = prune_to("out", Words{"--ratio", "0.5"} + kLittle + Words{"--check", "2", "--seed", "7"});
  ASSERT_EQ(json["sites"].size(), 3U);  // the FFN of both layers, and attention of the second
  for (const Json& site : json["sites"]) {
    EXPECT_LE(site["error_refitted"].get<double>(), site["error_before"].get<double>() * (1 + 1e-9));
    EXPECT_GT(site["damping"].get<double>() + site["refit_damping"].get<double>(), 0);
    EXPECT_EQ(site["tokens"], json["sites"][0]["tokens"]);
  }
  const Json artefact = Json::parse(read_bytes(out() / "prunenet.json"));
  const Json& options = artefact["options"];
  EXPECT_EQ(options["calibration"], "own-text");
  EXPECT_EQ(options["own_text"], 8);
  EXPECT_EQ(options["neuron_steps"], 1);
  EXPECT_EQ(options["refit"], "sequential");
  EXPECT_EQ(artefact["calibration"]["kl_nats_on_fresh_text"], json["kl_nats"]);
  EXPECT_NE(artefact["calibration"]["text"].get<std::string>().find("seed 7"), std::string::npos);
  EXPECT_EQ(artefact["layers"][1]["sites"].size(), 2U);
}

TEST_F(Self, ReportShowsWhatEachLayerCosts) {
  PRUNENET_REQUIRE_RUNTIME();
  const Json json =
      prune_to("out", Words{"--ratio", "0.5"} + kLittle + Words{"--check", "2", "--report", root() / "r.html"});
  EXPECT_EQ(json["layer_kl_nats"].size(), 2U);
  for (const Json& kl : json["layer_kl_nats"]) EXPECT_GT(kl, 0);
  EXPECT_NE(read_bytes(root() / "r.html").find("fresh sequences"), std::string::npos);
  prune_to("plain", Words{"--ratio", "0.5"} + kLittle + Words{"--check", "2"});
  EXPECT_EQ(weights("out"), weights("plain"));
}

TEST_F(Self, MomentsAreMeasuredOnceAndServeEveryRatio) {
  PRUNENET_REQUIRE_RUNTIME();
  const fs::path moments = root() / "moments";
  prune_to("direct", Words{"--ratio", "0.5", "--own-text", "8", "--tokens", "32", "--check", "0", "--refit", "one-shot",
                           "--neuron-steps", "0"});
  prune_to("first", Words{"--ratio", "0.5", "--own-text", "8", "--tokens", "32", "--moments", moments, "--check", "0"});
  EXPECT_EQ(weights("first"), weights("direct"));
  const auto before = folder_contents(moments);
  const RunResult same = without_modules("same", {"--ratio", "0.5", "--moments", moments});
  ASSERT_EQ(same.status, 0) << same.err;
  EXPECT_EQ(weights("same"), weights("first"));
  const RunResult other =
      without_modules("other", {"--ratio", "0.25", "--width-multiple", "8", "--moments", moments, "--heads", "0.5"});
  ASSERT_EQ(other.status, 0) << other.err;
  EXPECT_EQ(prunenet_json({"inspect", root() / "other"})["ffn_widths"], Json({48, 48}));
  EXPECT_EQ(prunenet_json({"inspect", root() / "other"})["kv_heads"], Json({1, 1}));
  EXPECT_EQ(folder_contents(moments), before);
  const Json artefact = Json::parse(read_bytes(root() / "same" / "prunenet.json"));
  EXPECT_EQ(artefact["options"]["calibration"], "moments");
  EXPECT_FALSE(artefact["options"].contains("own_text"));
  EXPECT_NE(artefact["calibration"]["text"].get<std::string>().find("8 sequences"), std::string::npos);
  // The text is in the folder, so that a sequential refit can follow it.
  EXPECT_TRUE(prune_to("sequential", Words{"--ratio", "0.5", "--moments", moments, "--refit", "sequential", "--check",
                                           "0"})["calibration"]["kl_nats_on_it"]
                  .is_number());
}

// A run that fills the folder and one that finds it are equal commands.
TEST_F(Self, FillingMomentsAndFindingThemGiveTheSameBytes) {
  PRUNENET_REQUIRE_RUNTIME();
  const Words options = kThird + Words{"--own-text", "8", "--tokens", "32", "--moments", root() / "m"};
  prune_to("a", options);
  prune_to("b", options);
  expect_same("a", "b");
  refuse(kThird + Words{"--own-text", "9", "--tokens", "32", "--moments", root() / "m"},
         {"/m", "8 sequences", "9 sequences"});
  refuse(kThird + Words{"--calibration", "gaussian", "--moments", root() / "m"}, {"/m", "Gaussian"});
}

TEST_F(Self, MomentsWithoutATextMeasureNoCurves) {
  PRUNENET_REQUIRE_RUNTIME();
  prune_to("a", kThird + Words{"--calibration", "gaussian", "--moments", root() / "m"});
  refuse(kThird + Words{"--moments", root() / "m", "--allocate", "adaptive", "--pad"}, {"no text", "KL"});
  prune_to("b", kThird + Words{"--moments", root() / "m", "--allocate", "adaptive", "--curves", "error", "--pad"});
}

// Where even the narrowest FFN is too much, heads make room.
TEST_F(Self, MixesThatNeedHeadsAreFound) {
  PRUNENET_REQUIRE_RUNTIME();
  const Json json = prune_of(kDemo, "mix", Words{"--ratio-total", "0.65", "--width-multiple", "64", "--check", "1"} + kLittle);
  EXPECT_GE(json["total_ratio_reached"].get<double>(), 0.65);
  bool with_both = false;
  for (const Json& mix : json["calibration"]["mixes"])
    with_both = with_both || (mix["layers"] == 1 && mix["kv_groups"] == 1);
  EXPECT_TRUE(with_both) << json["calibration"]["mixes"];
}

TEST_F(Self, PlanCountsWhatPruneRemoves) {
  PRUNENET_REQUIRE_RUNTIME();
  const Words cut{"--ratio", "0.3", "--heads", "0.5", "--layers", "2"};
  const Json planned = prunenet_json(Words{"plan", kDemo, "--quiet"} + cut);
  const Json pruned = prune_of(kDemo, "cut", cut + kLittle + Words{"--check", "0"});
  const Json by_mask = prunenet_json({"plan", kDemo, "--quiet", "--mask", root() / "cut" / "prunenet.json"});
  for (const char* key : {"params_after", "bytes_after", "flops_per_token_after", "kept_widths"})
    EXPECT_EQ(planned[key], pruned[key]) << key;
  EXPECT_EQ(by_mask["params_after"], pruned["params_after"]);
  EXPECT_EQ(pruned["kept_widths"].size(), 3u) << "of the layers that stay";
  const Json artefact = Json::parse(read_bytes(root() / "cut" / "prunenet.json"));
  EXPECT_EQ(artefact["options"]["dtype"], "f32");
}

TEST_F(Self, MomentsOfAnotherModelAreRefused) {
  const fs::path moments = root() / "moments";
  prune_to("first", {"--ratio", "0.5", "--calibration", "gaussian", "--moments", moments});
  const auto refused = [&](TinyModel other, const std::string& name, const Words& fragments) {
    other.config["bos_token_id"] = 1;
    other.write(root() / name);
    expect_refused(command(root() / name, out(), {"--ratio", "0.5", "--moments", moments}), Words{moments} + fragments);
  };
  refused(tiny_model(2, {.hidden = 16, .width = 64, .layers = 2, .vocab = 64}), "of-the-same-shape", {"another model"});
  refused(tiny_model(1, {.hidden = 16, .width = 96, .layers = 2, .vocab = 64}), "wider", {"16 x 64", "16 x 96"});
  refused(tiny_model(1, {.hidden = 16, .width = 64, .layers = 3, .vocab = 64}), "deeper", {"2 layers", "3"});
  refuse({"--ratio", "0.5", "--heads", "0.5", "--moments", moments}, {moments, "'output'"});
  write_bytes(moments / "moments.json", "{}");
  refuse({"--ratio", "0.5", "--moments", moments}, {moments / "moments.json"});
  write_bytes(root() / "file", "x");
  refuse({"--ratio", "0.5", "--moments", root() / "file"}, {root() / "file"});
}

TEST_F(Self, MomentsBesideOrInsideTheFoldersOfModels) {
  refuse({"--ratio", "0.5", "--moments", out()}, {"--moments", "output"});
  refuse({"--ratio", "0.5", "--moments", out() / "moments"}, {"--moments", "output"});
  refuse({"--ratio", "0.5", "--moments", model() / "moments"}, {"--moments", "model's own folder"});
}

TEST_F(Self, HeadsGoWhereTheFamilyCan) {
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const Json json = prune_of(data / "golden" / "llama", "out", Words{"--heads", "0.5", "--check", "2"} + kLittle);
  const Json after = prunenet_json({"inspect", out()});
  EXPECT_EQ(after["kv_heads"], Json({1, 1, 1}));
  EXPECT_EQ(after["heads"], Json({2, 2, 2}));
  EXPECT_EQ(after["ffn_widths"], Json({192, 192, 192})) << "without --ratio no neuron goes";
  const double kl = prunenet_json(
      small_run({"compare", data / "golden" / "llama", out(), "--own-text", "2"}))["kl_nats"];
  EXPECT_NEAR(json["kl_nats"].get<double>(), kl, 1e-7 + 1e-5 * kl);
}

TEST_F(Self, WhatAModelCannotLoseIsRefusedBeforeAnyWork) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const std::string name : {"gpt2", "opt", "phi", "gpt_neox", "falcon_rw_alibi", "gemma"}) {
    expect_refused(command(data / "golden" / name, out(), {"--heads", "0.5", "--moments", root() / "moments"}),
                   {"--heads"});
  }
  expect_refused(command(data / "golden" / "llama", out(), {"--heads", "0.4"}),
                 {"--heads", "0.4 of 2 KV groups", "0.5"});
  refuse({"--layers", "2"}, {"--layers", "at least one must stay"});
  refuse({"--ratio", "1.5", "--moments", root() / "moments"}, {"--ratio"});
}

TEST_F(Self, LayersGoByWhatTheyCost) {
  PRUNENET_REQUIRE_RUNTIME();
  made = tiny_model(1, {.hidden = 16, .width = 64, .layers = 4, .vocab = 64});
  made.config["bos_token_id"] = 1;
  // Layer 2 adds nothing at all.
  for (const std::string name : {"self_attn.o_proj", "mlp.down_proj"}) {
    TestTensor& tensor = made.tensor("model.layers.2." + name + ".weight");
    tensor.bytes.assign(tensor.bytes.size(), '\0');
  }
  made.write(model());
  const Json json = prune_to("out", Words{"--layers", "1", "--check", "2"} + kLittle);
  EXPECT_EQ(json["dropped_layers"], Json({2}));
  EXPECT_NEAR(json["kl_nats"].get<double>(), 0, 1e-9);
  EXPECT_NEAR(json["calibration"]["dropped"][0]["kl_nats"].get<double>(), 0, 1e-9);
  EXPECT_EQ(prunenet_json({"inspect", out()})["layers"], 3);
  const Json both = prune_to("both", Words{"--layers", "2", "--ratio", "0.5", "--check", "2"} + kLittle);
  EXPECT_EQ(both["dropped_layers"].size(), 2U);
  EXPECT_EQ(prunenet_json({"inspect", root() / "both"})["ffn_widths"], Json({32, 32}));
}

TEST_F(Self, TheRatioOfAllParametersIsReached) {
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  for (const std::string name : {"llama", "gpt2"}) {
    SCOPED_TRACE(name);
    const fs::path dense = data / "golden" / name;
    const Json json = prune_of(dense, name, Words{"--ratio-total", "0.25", "--check", "2", "--threads", "1"} + kLittle);
    EXPECT_GE(json["total_ratio_reached"].get<double>(), 0.25);
    const Json after = prunenet_json({"inspect", root() / name});
    EXPECT_EQ(after["params"], json["params_after"]);
    const Json& mixes = json["calibration"]["mixes"];
    ASSERT_GE(mixes.size(), 2U);
    for (const Json& mix : mixes) {
      EXPECT_GE(mix["total_ratio"].get<double>(), 0.25);
      if (mix["kl_nats"].is_number()) {
        EXPECT_GE(mix["kl_nats"].get<double>(), mixes[0]["kl_nats"].get<double>());
      }
    }
    EXPECT_NEAR(mixes[0]["total_ratio"].get<double>(), json["total_ratio_reached"].get<double>(), 1e-12);
    EXPECT_NE(mixes[0]["kl_nats"], json["kl_nats"]) << "what it was chosen by is not what it is reported on";
  }
  refuse(Words{"--ratio-total", "0.999"} + kLittle, {"--ratio-total", "no mix"});
  refuse(Words{"--ratio-total", "0"} + kLittle, {"--ratio-total"});
}

TEST_F(Self, AdaptiveWidthsArePaddedOrTheirOwn) {
  PRUNENET_REQUIRE_RUNTIME();
  const Words adaptive =
      Words{"--ratio", "0.5", "--allocate", "adaptive", "--width-multiple", "8", "--check", "2"} + kLittle;
  const Json padded = prune_to("padded", adaptive + Words{"--pad"});
  EXPECT_TRUE(padded["loads_in_stock_programs"]);
  const Json after = prunenet_json({"inspect", root() / "padded"});
  EXPECT_TRUE(after["width_matches_config"]);
  const Json mask = Json::parse(read_bytes(root() / "padded" / "mask.json"));
  int64_t kept = 0, widest = 0;
  for (const Json& layer : mask["layers"]) {
    kept += static_cast<int64_t>(layer["keep"].size());
    widest = std::max(widest, static_cast<int64_t>(layer["keep"].size()));
  }
  EXPECT_LE(kept, 64);
  EXPECT_EQ(after["ffn_widths"], Json({widest, widest}));
  const double kl =
      prunenet_json(small_run({"compare", model(), root() / "padded", "--own-text", "2"}))["kl_nats"];
  EXPECT_NEAR(padded["kl_nats"].get<double>(), kl, 1e-7 + 1e-5 * kl);
  refuse(adaptive, {"--allocate", "DeciLM", "256", "--pad"});
  // Curves of error need no forward pass of their own, and budgets may be of bytes or operations.
  for (const std::string budget : {"params", "bytes", "flops"}) {
    prune_to("by-" + budget, {"--ratio", "0.5", "--allocate", "adaptive", "--width-multiple", "8", "--calibration",
                              "gaussian", "--pad", "--curves", "error", "--budget", budget});
  }
}

TEST_F(Self, AdaptiveWidthsOfALlamaAreWrittenAsDeciLM) {
  made = tiny_model(1, {.hidden = 16, .width = 1024, .layers = 3, .vocab = 64});
  // Of layer 1 most neurons are silent.
  TestTensor& up = made.tensor(tiny_ffn_tensor(1, "up"));
  std::fill(up.bytes.begin() + 200 * 16 * 4, up.bytes.end(), '\0');
  made.write(model());
  const Json json = prune_to("out", {"--ratio", "0.5", "--calibration", "gaussian", "--allocate", "adaptive",
                                     "--curves", "error", "--width-multiple", "256"});
  EXPECT_EQ(json["kept_widths"][1], 256);
  EXPECT_NE(json["kept_widths"][0], json["kept_widths"][1]);
  const Json config = Json::parse(read_bytes(out() / "config.json"));
  EXPECT_EQ(config["model_type"], "nemotron-nas");
  EXPECT_EQ(prunenet_json({"inspect", out()})["ffn_widths"], json["kept_widths"]);
  EXPECT_TRUE(fs::exists(out() / "mask.json"));
}

TEST_F(Self, AdaptiveWidthsOfOtherFamiliesNeedPadding) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const Words adaptive = kThird + Words{"--calibration", "gaussian", "--allocate", "adaptive", "--curves", "error"};
  expect_refused(command(data / "golden" / "opt", out(), adaptive), {"--allocate", "opt", "--pad"});
  const Json json = prune_of(data / "golden" / "opt", "padded", adaptive + Words{"--pad"});
  EXPECT_TRUE(json["loads_in_stock_programs"]);
  EXPECT_TRUE(prunenet_json({"inspect", root() / "padded"})["width_matches_config"]);
}

TEST_F(Self, CalibratesOnAnything) {
  PRUNENET_REQUIRE_RUNTIME();
  std::map<std::string, std::string> results;
  const Words sizes{"--own-text", "8", "--tokens", "32"}, quick{"--check", "0", "--neuron-steps", "0"};
  prune_of(kDemo, "own", kThird + sizes + quick);
  prune_of(kDemo, "random", kThird + sizes + quick + Words{"--calibration", "random-tokens"});
  prune_of(kDemo, "gaussian", kThird + Words{"--calibration", "gaussian"});
  std::string text;
  for (int i = 0; i < 20; ++i) text += "Lily saw a big dog in the park. The dog was happy. ";
  write_bytes(root() / "text.txt", text);
  const Json by_text =
      prune_of(kDemo, "text", kThird + quick + Words{"--tokens", "32", "--calibration", root() / "text.txt"});
  EXPECT_NE(by_text["calibration"]["text"].get<std::string>().find("of a given text"), std::string::npos);
  EXPECT_TRUE(by_text["kl_nats"].is_null()) << "nothing was to be checked";
  for (const std::string name : {"own", "random", "gaussian", "text"}) results[weights(name)] = name;
  EXPECT_EQ(results.size(), 4U) << "two calibrations gave the same";
  const std::string artefact = read_bytes(root() / "text" / "prunenet.json");
  EXPECT_EQ(artefact.find(root().string()), std::string::npos) << "a path of this machine is in the artefact";
  EXPECT_EQ(Json::parse(artefact)["options"]["calibration"], "text.txt");
}

TEST_F(Self, TextsThatSayNothing) {
  write_bytes(root() / "empty.txt", "");
  write_bytes(root() / "bad.txt", "a\xff");
  const auto refused = [&](const std::string& file, const std::string& why) {
    expect_refused(command(kDemo, out(), kThird + Words{"--calibration", root() / file}), {root() / file, why});
  };
  refused("empty.txt", "is empty");
  refused("none.txt", "no such file");
  refused("bad.txt", "UTF-8");
  fs::remove(model() / "tokenizer.json");
  write_bytes(root() / "good.txt", "some text");
  refuse(kThird + Words{"--calibration", root() / "good.txt"},
         {"holds no tokenizer", "--calibration own-text works without one"});
}

TEST_F(Self, GaussianInputsNeedNoModule) {
  const RunResult result = without_modules("out", kThird + Words{"--calibration", "gaussian", "--threads", "1"});
  ASSERT_EQ(result.status, 0) << result.err;
  const RunResult two = without_modules("two", kThird + Words{"--calibration", "gaussian", "--threads", "2"});
  ASSERT_EQ(two.status, 0) << two.err;
  expect_same("out", "two");
  prune_to("seed", kThird + Words{"--calibration", "gaussian", "--seed", "43"});
  EXPECT_NE(weights("seed"), weights("out"));
  // The rule without a refit is another method.
  prune_to("rule", kThird + Words{"--method", "gaussian"});
  EXPECT_NE(weights("rule"), weights("out"));
}

TEST_F(Self, WithoutARefitTheKeptBytesAreTheDenseModels) {
  prune_to("out", kThird + Words{"--calibration", "gaussian", "--no-refit"});
  prune_to("same", kThird + Words{"--calibration", "gaussian", "--refit", "none"});
  EXPECT_EQ(weights("out"), weights("same"));
  auto expected = tensors_of(model());
  const Rows rows = kept_rows_of(out());
  for (size_t layer = 0; layer < rows.size(); ++layer) {
    for (const std::string matrix : {"gate", "up", "down"}) {
      const std::string name = tiny_ffn_tensor(static_cast<int64_t>(layer), matrix);
      expected[name] = keep_indices(expected[name], matrix == "down" ? 1 : 0, rows[layer]);
    }
  }
  expect_same_tensors(expected, tensors_of(out()));
}

TEST_F(Self, RatioZeroKeepsEveryByte) {
  PRUNENET_REQUIRE_RUNTIME();
  const Json json = prune_to("out", Words{"--ratio", "0", "--check", "2"} + kLittle);
  EXPECT_EQ(json["kl_nats"], 0);
  EXPECT_EQ(weights("out"), read_bytes(model() / "model.safetensors"));
}

TEST_F(Self, FewTokensAreWarnedOfWithTheirNumber) {
  PRUNENET_REQUIRE_RUNTIME();
  const RunResult result = run_prunenet({"prune", model(), "-o", out(), "--ratio", "0.5", "--own-text", "1", "--tokens",
                                         "12", "--check", "1", "--json", "--quiet", "--threads", "1"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.err.find("warning: 12 tokens are few for 64 neurons"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("more --own-text or --tokens would help"), std::string::npos) << result.err;
  EXPECT_TRUE(std::isfinite(Json::parse(result.out)["kl_nats"].get<double>()));
  EXPECT_EQ(result.err.find("warning"), result.err.rfind("warning")) << "once is enough: " << result.err;
  const RunResult enough = run_prunenet({"prune", model(), "-o", root() / "enough", "--ratio", "0.5", "--own-text", "4",
                                         "--tokens", "32", "--check", "1", "--quiet", "--threads", "1"});
  EXPECT_EQ(enough.err, "");
  EXPECT_NE(enough.out.find("1 fresh sequences"), std::string::npos) << enough.out;
}

TEST_F(Self, ContextsShorterThanASequenceCutIt) {
  PRUNENET_REQUIRE_RUNTIME();
  made.config["max_position_embeddings"] = 8;
  made.write(model());
  const Json json = prune_to("out", Words{"--ratio", "0.5", "--own-text", "16", "--check", "2"});
  EXPECT_NE(json["calibration"]["text"].get<std::string>().find("up to 8 tokens"), std::string::npos);
}

TEST_F(Self, DeadNeuronsGoFirstAndStayHarmless) {
  PRUNENET_REQUIRE_RUNTIME();
  for (const int64_t neuron : {0, 5, 33, 63}) {
    for (size_t j = 0; j < 16; ++j) {
      made.set(tiny_ffn_tensor(0, "up"), static_cast<size_t>(neuron) * 16 + j, 0);
      made.set(tiny_ffn_tensor(1, "down"), j * 64 + static_cast<size_t>(neuron), 0);
    }
  }
  made.write(model());
  const Words options = Words{"--width-multiple", "1", "--check", "2"} + kLittle;
  const Json json = prune_to("out", Words{"--ratio", "0.0625"} + options);  // as many as are dead
  EXPECT_EQ(json["kept_widths"], Json({60, 60}));
  EXPECT_EQ(json["sites"][0]["dead_units"], 4);
  const std::vector<int64_t> kept = kept_rows_of(out())[0];
  for (const int64_t neuron : {0, 5, 33, 63})
    EXPECT_TRUE(std::find(kept.begin(), kept.end(), neuron) == kept.end()) << neuron;
  EXPECT_NEAR(json["sites"][0]["error_before"].get<double>(), 0,
              1e-9 * json["sites"][0]["target_energy"].get<double>());
  const Json some = prune_to("some", Words{"--ratio", "0.032"} + options);  // some stay
  EXPECT_TRUE(std::isfinite(some["kl_nats"].get<double>()));
  EXPECT_LT(some["kl_nats"], 1e-2);
}

TEST_F(Self, WeightsThatAreNoNumbersNameTheirTensorOrLayer) {
  PRUNENET_REQUIRE_RUNTIME();
  for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    TinyModel spoilt = made;
    spoilt.set(tiny_ffn_tensor(1, "down"), 9, value);
    spoilt.write(model());
    refuse(kThird + Words{"--calibration", "gaussian"}, {tiny_ffn_tensor(1, "down")});
    refuse(kThird + Words{"--calibration", "random-tokens"} + kLittle, {"layer 1"});
  }
}

TEST_F(Self, ActivationsThatOverflowNameTheirLayer) {
  PRUNENET_REQUIRE_RUNTIME();
  for (size_t i = 0; i < 16; ++i) made.set("model.layers.1.post_attention_layernorm.weight", i, 3e25F);
  made.write(model());
  refuse(kThird + Words{"--calibration", "random-tokens"} + kLittle, {"layer 1"});
  refuse(kThird + Words{"--calibration", "gaussian"}, {"layer 1"});
}

TEST_F(Self, ModelsThatDoNotSayHowTextsBegin) {
  PRUNENET_REQUIRE_RUNTIME();
  made.config.erase("bos_token_id");
  made.write(model());
  refuse(kThird + kLittle, {"bos_token_id", "eos_token_id"});
  fs::copy(kDemo, root() / "demo", fs::copy_options::recursive);
  auto config = nlohmann::ordered_json::parse(read_bytes(kDemo / "config.json"));
  config.erase("bos_token_id");
  config.erase("eos_token_id");
  fs::permissions(root() / "demo" / "config.json", fs::perms::owner_all);
  write_bytes(root() / "demo" / "config.json", config.dump());
  write_bytes(root() / "text.txt", "Lily saw a big dog in the park. The dog was happy. The dog ran.");
  const Words on_text = kThird + Words{"--calibration", root() / "text.txt", "--neuron-steps", "0"};
  expect_refused(command(root() / "demo", out(), on_text), {"--check", "bos_token_id"});
  EXPECT_EQ(run_prunenet(command(root() / "demo", out(), on_text + Words{"--check", "0"})).status, 0);
}

TEST_F(Self, ContradictionsAreWrongUsageAndNamed) {
  struct Wrong {
    Words options, fragments;
  };
  const std::vector<Wrong> wrong{
      {{"--no-refit", "--refit", "one-shot"}, {"--no-refit", "--refit"}},
      {{"--calibration", "gaussian", "--own-text", "3"}, {"--own-text", "gaussian"}},
      {{"--calibration", "gaussian", "--tokens", "30"}, {"--tokens", "gaussian"}},
      {{"--calibration", "gaussian", "--temperature", "2"}, {"--temperature", "gaussian"}},
      {{"--calibration", "gaussian", "--check", "2"}, {"--check", "gaussian"}},
      {{"--calibration", "gaussian", "--heads", "0.5"}, {"--heads", "gaussian"}},
      {{"--calibration", "gaussian", "--layers", "1"}, {"--layers", "gaussian"}},
      {{"--calibration", "gaussian", "--neuron-steps", "1"}, {"--neuron-steps", "gaussian"}},
      {{"--calibration", "gaussian", "--dtype", "f32"}, {"--dtype", "gaussian"}},
      {{"--calibration", "gaussian", "--stream"}, {"--stream", "gaussian"}},
      {{"--calibration", "gaussian", "--refit", "sequential"}, {"--refit", "gaussian"}},
      {{"--calibration", "gaussian", "--weighting", "loss"}, {"--weighting", "gaussian"}},
      {{"--calibration", "gaussian", "--allocate", "adaptive"}, {"--allocate", "--curves error"}},
      {{"--neuron-steps", "0", "--neuron-iterations", "5"}, {"--neuron-iterations", "--neuron-steps"}},
      {{"--calibration", "gaussian", "--neuron-iterations", "5"}, {"--neuron-iterations", "gaussian"}},
      {{"--moments", "m", "--neuron-steps", "1"}, {"--neuron-steps", "--moments"}},
      {{"--calibration", "random-tokens", "--temperature", "2"}, {"--temperature", "own text"}},
      {{"--refit", "one-shot", "--feedback", "1"}, {"--feedback", "sequential"}},
      {{"--no-refit", "--keep-output"}, {"--keep-output", "sequential"}},
      {{"--no-refit", "--neuron-steps", "1"}, {"--neuron-steps", "refit"}},
      {{"--no-refit", "--neuron-iterations", "5"}, {"--neuron-iterations", "refit"}},
      {{"--weighting", "plain", "--loss-tokens", "100"}, {"--loss-tokens", "--weighting"}},
      {{"--curves", "error"}, {"--curves", "--allocate adaptive"}},
      {{"--budget", "bytes"}, {"--budget", "--allocate adaptive"}},
      {{"--pad"}, {"--pad", "--allocate adaptive"}},
      {{"--ratio-total", "0.3"}, {"--ratio", "--ratio-total"}},
      {{"--layers", "1", "--allocate", "adaptive"}, {"--layers", "adaptive"}},
      {{"--layers", "1", "--moments", "m"}, {"--layers", "--moments"}},
      {{"--feedback", "1.5"}, {"--feedback"}},
      {{"--feedback", "nan"}, {"--feedback"}},
      {{"--heads", "1"}, {"--heads"}},
      {{"--heads", "-0.5"}, {"--heads"}},
      {{"--layers", "-1"}, {"--layers"}},
      {{"--own-text", "0"}, {"--own-text"}},
      {{"--tokens", "1"}, {"--tokens"}},
      {{"--temperature", "0"}, {"--temperature"}},
      {{"--damping", "0"}, {"--damping"}},
      {{"--damping", "nan"}, {"--damping"}},
      {{"--refit", "twice"}, {"--refit"}},
      {{"--allocate", "fair"}, {"--allocate"}},
      {{"--neuron-iterations", "0"}, {"--neuron-iterations"}},
      {{"--policy", "p"}, {"--policy", "--method prunenet"}},
      {{"--episodes", "3"}, {"--episodes"}},
  };
  for (const Wrong& w : wrong) {
    SCOPED_TRACE(w.options[0] + (w.options.size() > 1 ? " " + w.options[1] : "") + " " + w.fragments[0]);
    refuse(kThird + w.options, w.fragments, 2);
  }
  for (const Words& alone :
       {Words{"--ratio-total", "0.3", "--heads", "0.5"}, Words{"--ratio-total", "0.3", "--layers", "1"},
        Words{"--ratio-total", "0.3", "--allocate", "adaptive"}, Words{"--ratio-total", "0.3", "--moments", "m"},
        Words{"--ratio-total", "1"}}) {
    SCOPED_TRACE(alone.back());
    refuse(alone, {"--ratio-total"}, 2);
  }
}

TEST_F(Self, OptionsOfItsOwnGoWithNoOtherMethod) {
  for (const Words& option : {Words{"--calibration", "gaussian"},
                              Words{"--own-text", "4"},
                              Words{"--tokens", "8"},
                              Words{"--temperature", "1"},
                              Words{"--moments", "m"},
                              Words{"--refit", "none"},
                              Words{"--no-refit"},
                              Words{"--feedback", "0.5"},
                              Words{"--damping", "1"},
                              Words{"--weighting", "plain"},
                              Words{"--loss-tokens", "9"},
                              Words{"--neuron-steps", "1"},
                              Words{"--neuron-iterations", "1"},
                              Words{"--keep-output"},
                              Words{"--allocate", "adaptive"},
                              Words{"--curves", "error"},
                              Words{"--budget", "bytes"},
                              Words{"--pad"},
                              Words{"--heads", "0.5"},
                              Words{"--layers", "1"},
                              Words{"--ratio-total", "0.2"},
                              Words{"--check", "1"},
                              Words{"--dtype", "f32"},
                              Words{"--device", "cpu"},
                              Words{"--stream"}}) {
    SCOPED_TRACE(option[0]);
    refuse(kThird + Words{"--method", "random"} + option, {option[0], "--method self"}, 2);
  }
}

TEST_F(Self, InterruptedLeavesNothing) {
  PRUNENET_REQUIRE_RUNTIME();
  made = tiny_model(1, {.hidden = 64, .width = 256, .layers = 4, .vocab = 64});
  made.config["bos_token_id"] = 1;
  made.write(model());
  const auto before = folder_contents(root());
  for (const Words& more : {Words{}, Words{"--moments", root() / "moments"}}) {
    RunningProgram program(
        prunenet_command(command(model(), out(), Words{"--ratio", "0.5", "--own-text", "20000"} + more)));
    ASSERT_TRUE(program.wait_for_handler(SIGINT));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // well into the first of them
    program.send(SIGINT);
    const RunResult result = program.wait();
    EXPECT_EQ(result.status, 130) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(folder_contents(root()), before);
  }
}

TEST_F(Self, StreamingOneLayerAtATimeGivesTheSameBytes) {
  PRUNENET_REQUIRE_RUNTIME();
  prune_to("kept", Words{"--ratio", "0.5", "--check", "2"} + kLittle);
  prune_to("streamed", Words{"--ratio", "0.5", "--check", "2", "--stream"} + kLittle);
  EXPECT_EQ(weights("kept"), weights("streamed"));
}

}  // namespace
}  // namespace prunenet::test
