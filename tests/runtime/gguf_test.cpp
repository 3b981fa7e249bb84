// Models of GGUF files run like the folders that they are made of.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/random.h"
#include "gguf_model.h"
#include "golden_model.h"

using namespace prunenet;
using namespace prunenet::test;

namespace {

// What the folders themselves reach: golden_test.cpp.
constexpr double kLogitTolerance = 2e-5;

// Goldens that llama.cpp has an architecture for; it has none for opt and for falcon_rw_alibi.
const std::vector<std::string> kConverted{"llama",
                                          "llama_sharded",
                                          "llama_bf16",
                                          "mistral",
                                          "qwen2",
                                          "gemma",
                                          "phi",
                                          "phi3",
                                          "gpt_neox",
                                          "gpt2",
                                          "falcon7b_mqa",
                                          "llama/pruned",
                                          "llama/pruned_perlayer"};

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) c = c == '/' ? '_' : c;
  return name;
}

TEST(GgufStories, LogitsAreThoseOfTheFolder) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "models" / "stories260K";
  RunningModel running(folder / "stories260K.gguf"), reference(folder);
  const auto golden = nlohmann::json::parse(read_bytes(folder / "golden.json"));
  std::vector<std::vector<TokenId>> sequences;
  for (const auto& sentence : golden["sentences"]) sequences.push_back(sentence["ids"].get<std::vector<TokenId>>());
  const Logits logits = running.engine.logits(sequences), expected = reference.engine.logits(sequences);
  EXPECT_LE(largest_difference(logits.values, expected.values), 1e-5);
  for (const auto& sentence : golden["sentences"]) {
    const auto ids = sentence["ids"].get<std::vector<TokenId>>();
    EXPECT_NEAR(nll_sum(running.engine, ids), sentence["nll_sum"].get<double>(), 5e-4);
    EXPECT_EQ(greedy_continuation(running.engine, {ids.begin(), ids.begin() + 8}, 16),
              sentence["greedy16_after_first8_ids"].get<std::vector<TokenId>>());
  }
}

// The plain conversion agrees with the one that made the file in the shared data, to the byte.
TEST(GgufStories, ThePlainConversionMakesTheTensorsOfTheFile) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "models" / "stories260K";
  GgufModel made = gguf_of(folder);
  const Checkpoint file(folder / "stories260K.gguf");
  ASSERT_EQ(made.tensors.size(), file.tensors().size());
  for (const auto& entry : file.tensors()) {
    const TestTensor& tensor = made.tensor(entry.stored.spec.name);
    EXPECT_EQ(tensor.spec.shape, entry.stored.spec.shape);
    const auto bytes = file.bytes(entry);
    EXPECT_EQ(tensor.bytes, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()))
        << entry.stored.spec.name;
  }
}

// llama.cpp reads query, key and value of any architecture from one tensor, too.
TEST(GgufStories, FusedProjectionsGiveTheSameLogits) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "models" / "stories260K";
  GgufModel model = gguf_of(folder);
  for (int layer = 0; layer < 5; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".attn_";
    TestTensor fused{{name + "qkv.weight", Dtype::kF32, {128, 64}}, {}};
    for (const char* part : {"q", "k", "v"}) {
      fused.bytes += model.tensor(name + part + ".weight").bytes;
      std::erase_if(model.tensors,
                    [&](const TestTensor& tensor) { return tensor.spec.name == name + part + ".weight"; });
    }
    model.tensors.push_back(fused);
  }
  const TemporaryFolder temporary;
  model.write(temporary / "fused.gguf");
  RunningModel running(temporary / "fused.gguf"), reference(folder / "stories260K.gguf");
  const std::vector<std::vector<TokenId>> sequences{{1, 403, 407, 261, 378, 100, 7, 8, 9}};
  EXPECT_LE(largest_difference(running.engine.logits(sequences).values, reference.engine.logits(sequences).values),
            1e-5);
}

class GgufGolden : public testing::TestWithParam<std::string> {};

TEST_P(GgufGolden, LogitsLossAndGreedyTokensAreThoseOfTransformers) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / GetParam();
  const Golden golden = read_golden(folder);
  const TemporaryFolder temporary;
  gguf_of(folder).write(temporary / "model.gguf");
  RunningModel running(temporary / "model.gguf");
  const std::vector<std::vector<TokenId>> sequences{golden.ids};
  const Logits logits = running.engine.logits(sequences);
  ASSERT_EQ(logits.rows, static_cast<int64_t>(golden.ids.size()));
  const std::span<const float> all(logits.values);
  const double apart = largest_difference(all.last(std::min(all.size(), golden.logits.size())), golden.logits);
  RecordProperty("largest_difference", std::to_string(apart * 1e6) + "e-6");
  EXPECT_LE(apart, kLogitTolerance);
  EXPECT_NEAR(nll_sum(running.engine, golden.ids), golden.nll_sum, 1e-5 * golden.nll_sum);
  if (!golden.greedy.empty()) {
    const std::vector<TokenId> prompt(golden.ids.begin(), golden.ids.begin() + 8);
    EXPECT_EQ(greedy_continuation(running.engine, prompt, 16), golden.greedy);
  }
}

// The model with every number that Q8_0 rounds moved at random by up to half a step of its block, which is a 127th of
// the largest there: as far as rounding to the nearest can move it, and as uniformly.
void move_by_half_a_step(GgufModel& model, const GgufModel& stored) {
  constexpr size_t kBlock = 32;
  RandomStream random(5, RandomStage::kDemoModel);
  for (size_t t = 0; t < model.tensors.size(); ++t) {
    if (stored.tensors[t].spec.dtype != Dtype::kQ8_0) continue;
    std::string& bytes = model.tensors[t].bytes;
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    for (size_t block = 0; block < values.size(); block += kBlock) {
      float largest = 0;
      for (size_t i = block; i < block + kBlock; ++i) largest = std::max(largest, std::abs(values[i]));
      const double half = static_cast<double>(largest) / 127 / 2;
      for (size_t i = block; i < block + kBlock; ++i) values[i] += static_cast<float>(random.next_uniform(-half, half));
    }
    std::memcpy(bytes.data(), values.data(), bytes.size());
  }
}

TEST_P(GgufGolden, QuantisedWeightsRunAsWhatTheyDecodeTo) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "golden" / GetParam();
  const Golden golden = read_golden(folder);
  const std::vector<std::vector<TokenId>> sequences{golden.ids, {5, 6, 7}};
  const TemporaryFolder temporary;
  GgufModel model = gguf_of(folder), moved = model;
  moved.decode();
  model.store_matrices_as(Dtype::kQ8_0);
  EXPECT_TRUE(std::any_of(model.tensors.begin(), model.tensors.end(),
                          [](const TestTensor& tensor) { return tensor.spec.dtype == Dtype::kQ8_0; }));
  move_by_half_a_step(moved, model);
  moved.write(temporary / "moved.gguf");
  model.write(temporary / "q8_0.gguf");
  model.decode();
  model.write(temporary / "f32.gguf");
  for (const ComputeType type : {ComputeType::kF32, ComputeType::kBf16}) {
    RunningModel quantised(temporary / "q8_0.gguf", {.compute = type}),
        decoded(temporary / "f32.gguf", {.compute = type});
    const std::vector<float> expected = decoded.engine.logits(sequences).values;
    EXPECT_EQ(quantised.engine.logits(sequences).values, expected);
    RunningModel streamed(temporary / "q8_0.gguf", {.compute = type, .stream = true});
    EXPECT_EQ(streamed.engine.logits(sequences).values, expected);
  }
  // It was not the unquantised model that ran, and nothing further from it than rounding explains: as far away as
  // weights that are moved at random by as much. Measured over all goldens: 0.75 to 1.25 of that.
  const auto apart = [&](const char* name) {
    RunningModel running(temporary / name, {.compute = ComputeType::kF32});
    const std::vector<float> logits = running.engine.logits(std::vector<std::vector<TokenId>>{golden.ids}).values;
    return largest_difference(std::span<const float>(logits).last(golden.logits.size()), golden.logits);
  };
  const double rounded = apart("q8_0.gguf"), at_random = apart("moved.gguf");
  RecordProperty("rounded_over_random", std::to_string(rounded / at_random));
  EXPECT_GT(rounded, at_random / 2) << at_random;
  EXPECT_LT(rounded, at_random * 2) << at_random;
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, GgufGolden, testing::ValuesIn(kConverted), test_name);

// A LLaMA whose matrices are random blocks of a quantised type: what an encoder would have made does not matter.
GgufModel random_quantised(Dtype dtype) {
  constexpr int64_t kHidden = 256, kWidth = 512, kVocab = 48, kLayers = 2;
  PlainTensors tensors;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    int64_t elements = 1;
    for (const int64_t size : shape) elements *= size;
    tensors[name] = {std::move(shape), std::vector<float>(static_cast<size_t>(elements), 1.0f)};
  };
  add("model.embed_tokens.weight", {kVocab, kHidden});
  add("lm_head.weight", {kVocab, kHidden});
  add("model.norm.weight", {kHidden});
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const std::string name = "model.layers." + std::to_string(layer) + ".";
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"}) add(name + norm + ".weight", {kHidden});
    for (const char* part : {"q_proj", "o_proj"}) add(name + "self_attn." + part + ".weight", {kHidden, kHidden});
    for (const char* part : {"k_proj", "v_proj"}) add(name + "self_attn." + part + ".weight", {kHidden / 2, kHidden});
    for (const char* part : {"gate_proj", "up_proj"}) add(name + "mlp." + part + ".weight", {kWidth, kHidden});
    add(name + "mlp.down_proj.weight", {kHidden, kWidth});
  }
  GgufModel model = gguf_of({{"model_type", "llama"},
                             {"hidden_size", kHidden},
                             {"num_hidden_layers", kLayers},
                             {"num_attention_heads", 4},
                             {"num_key_value_heads", 2},
                             {"max_position_embeddings", 256},
                             {"rms_norm_eps", 1e-5}},
                            tensors);
  RandomStream random(3, RandomStage::kDemoModel);
  for (TestTensor& tensor : model.tensors) {
    if (tensor.spec.shape.size() != 2) continue;
    tensor.spec.dtype = dtype;
    tensor.bytes.resize(tensor.spec.size_bytes());
    for (char& byte : tensor.bytes) byte = static_cast<char>(random.next_u32());
    // The scales (halves) are what a block must not leave to chance: about 0.004, whatever the rest says.
    const size_t block = dtype_block_bytes(dtype);
    const bool behind = dtype == Dtype::kQ6K,
               two = dtype == Dtype::kQ4_1 || dtype == Dtype::kQ5_1 || dtype == Dtype::kQ4K || dtype == Dtype::kQ5K;
    const bool small = dtype == Dtype::kQ4K || dtype == Dtype::kQ5K || dtype == Dtype::kQ6K;
    for (size_t at = 0; at < tensor.bytes.size(); at += block) {
      const size_t place = behind ? at + block - 2 : at;
      const auto half = f16_from_f32(static_cast<float>(random.next_uniform(0.5, 1)) * (small ? 1e-4f : 4e-3f));
      std::memcpy(tensor.bytes.data() + place, &half, 2);
      if (two) std::memcpy(tensor.bytes.data() + place + 2, &half, 2);
    }
  }
  return model;
}

class GgufTypes : public testing::TestWithParam<Dtype> {};

TEST_P(GgufTypes, RunAsWhatTheyDecodeToOnAnyNumberOfThreads) {
  GgufModel model = random_quantised(GetParam());
  const TemporaryFolder temporary;
  model.write(temporary / "quantised.gguf");
  model.decode();
  model.write(temporary / "f32.gguf");
  std::vector<std::vector<TokenId>> sequences(3);
  const size_t lengths[] = {61, 1, 17};
  for (size_t s = 0; s < sequences.size(); ++s) {
    for (size_t i = 0; i < lengths[s]; ++i) sequences[s].push_back(static_cast<TokenId>((i * 37 + s * 11) % 48));
  }
  for (const ComputeType type : {ComputeType::kF32, ComputeType::kBf16}) {
    RunningModel decoded(temporary / "f32.gguf", {.compute = type});
    const std::vector<float> expected = decoded.engine.logits(sequences).values;
    float largest = 0;
    for (const float value : expected) largest = std::max(largest, std::abs(value));
    EXPECT_GT(largest, 0.01f);
    for (const int threads : {1, 2, 3, 5}) {
      RunningModel quantised(temporary / "quantised.gguf", {.compute = type, .threads = threads});
      EXPECT_EQ(quantised.engine.logits(sequences).values, expected) << threads << " threads";
    }
    RunningModel streamed(temporary / "quantised.gguf", {.compute = type, .stream = true});
    EXPECT_EQ(streamed.engine.logits(sequences).values, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(All, GgufTypes,
                         testing::Values(Dtype::kQ4_0, Dtype::kQ4_1, Dtype::kQ5_0, Dtype::kQ5_1, Dtype::kQ8_0,
                                         Dtype::kQ4K, Dtype::kQ5K, Dtype::kQ6K),
                         [](const auto& param) { return std::string(dtype_name(param.param)); });

// Moments of what the matrices read, and gradients through the turned pairs, do not ask for the order of the rows.
TEST(GgufStories, WalksAndSensitivitiesAreThoseOfTheFolder) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto folder = data / "models" / "stories260K";
  RunningModel running(folder / "stories260K.gguf"), reference(folder);
  std::vector<std::vector<TokenId>> texts(2);
  for (int i = 0; i < 40; ++i) texts[static_cast<size_t>(i % 2)].push_back((i * 37) % 500 + 3);
  const auto walk = running.engine.open_walk(texts), expected = reference.engine.open_walk(texts);
  for (int64_t layer = 0; layer < 5; ++layer) {
    for (const Site site : {Site::kAttention, Site::kFfn}) {
      const Matrix<float> ours = walk->measure(layer, site, std::nullopt).inputs.second;
      const Matrix<float> theirs = expected->measure(layer, site, std::nullopt).inputs.second;
      EXPECT_LE((ours - theirs).norm(), 1e-5f * theirs.norm());
    }
  }
  std::vector<Matrix<float>> gradients;
  running.engine.sensitivities(texts,
                               [&](int64_t, Site, Matrix<float> second) { gradients.push_back(std::move(second)); });
  size_t next = 0;
  reference.engine.sensitivities(texts, [&](int64_t, Site, const Matrix<float>& second) {
    EXPECT_LE((gradients[next++] - second).norm(), 1e-5f * second.norm());
  });
  EXPECT_EQ(next, 10u);
}

}  // namespace
