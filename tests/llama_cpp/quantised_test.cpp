// Every type of block that our reader knows, in llama.cpp: random blocks mean the same numbers to both.
#include <algorithm>
#include <cstring>
#include <random>

#include "llama_cpp/client.h"
#include "llama_cpp/vocabulary.h"
#include "program/runtime.h"
#include "slice/tiny_gguf.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Bytes of `elements` numbers in random blocks. Scales are as small as weights are (numbers around 0.05), so that a model
// of such matrices computes with numbers that it is used to; those of the minima are as large as centre the numbers.
std::string small_blocks(Dtype dtype, int64_t elements, std::mt19937& random) {
  std::string bytes(dtype_bytes(dtype, static_cast<uint64_t>(elements)), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  // A half in [2^exponent, 2^(exponent + 1)).
  const auto put = [&](size_t at, int exponent, bool negative = false) {
    const auto bits = static_cast<uint16_t>((negative ? 0x8000 : 0) | (exponent + 15) << 10 | (random() & 0x3ff));
    std::memcpy(bytes.data() + at, &bits, sizeof bits);
  };
  for (size_t block = 0; block < bytes.size(); block += dtype_block_bytes(dtype)) {
    switch (dtype) {
      case Dtype::kQ4_0:
        put(block, -8);
        break;
      case Dtype::kQ5_0:
        put(block, -9);
        break;
      case Dtype::kQ8_0:
        put(block, -12);
        break;
      case Dtype::kQ4_1:
        put(block, -8);
        put(block + 2, -5, true);
        break;
      case Dtype::kQ5_1:
        put(block, -9);
        put(block + 2, -5, true);
        break;
      case Dtype::kQ4K:
        put(block, -13);
        put(block + 2, -10);
        break;
      case Dtype::kQ5K:
        put(block, -14);
        put(block + 2, -10);
        break;
      case Dtype::kQ6K:
        put(block + 208, -14);
        break;
      default:
        throw std::invalid_argument("no blocks of that type");
    }
  }
  return bytes;
}

// A model of the architecture llama with the golden's tokenizer, matrices of 256 and more columns (a block of any type is
// 256 numbers at most), and a head of its own. Matrices named in `quantised` (or all, where it is empty) are random blocks.
void write_model(const fs::path& data, Dtype dtype, const std::vector<std::string>& quantised, const fs::path& target) {
  const TemporaryFolder folder;
  copy_with_vocabulary(data / "golden/llama", folder / "donor");
  prunenet_json({"convert", (folder / "donor").string(), "-o", (folder / "donor.gguf").string()});
  const GgufFile donor(folder / "donor.gguf");
  TinyGguf sizes;
  sizes.vocab = 512;
  sizes.width = 256;
  TinyGguf model = tiny_gguf(Dtype::kF32, {}, sizes);
  for (const auto& item : donor.metadata().items()) {
    if (item.key.starts_with("tokenizer.")) model.metadata.set(item.key, item.value);
  }
  model.tensors.push_back({{"output.weight", Dtype::kF32, {512, 256}}, ""});
  std::mt19937 random(11);
  for (TestTensor& tensor : model.tensors) {
    TensorSpec& spec = tensor.spec;
    if (spec.shape.size() != 2) continue;  // norms are in [0.5, 1) already
    const bool chosen = quantised.empty() || std::find(quantised.begin(), quantised.end(), spec.name) != quantised.end();
    if (chosen) {
      spec.dtype = dtype;
      tensor.bytes = small_blocks(dtype, spec.num_elements(), random);
      continue;
    }
    std::vector<float> values(static_cast<size_t>(spec.num_elements()));
    for (float& value : values) value = (static_cast<float>(random() % 20001) / 10000 - 1) * 0.1f;
    tensor = f32_tensor(spec.name, spec.shape, values);
  }
  model.write(target);
}

const std::vector<TokenId> kIds{1, 403, 407, 261, 378, 5, 300, 259, 511, 17, 42, 42, 301, 470, 333, 90, 256, 3, 404, 499};

// By name, which tests are listed with.
Dtype dtype_of_name(const std::string& name) {
  for (const Dtype dtype : kGgufDtypes) {
    if (dtype_name(dtype) == name) return dtype;
  }
  throw std::invalid_argument(name);
}

class Blocks : public testing::TestWithParam<std::string> {};

// llama.cpp decodes rows of the embedding to f32, whatever they are stored as, and all others are f32 already: what the
// blocks mean is all that can differ. (It never decodes a matrix that it multiplies: see below.)
TEST_P(Blocks, OfAnEmbeddingAreDecodedAlike) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  const fs::path gguf = folder / "model.gguf";
  write_model(data, dtype_of_name(GetParam()), {"token_embd.weight"}, gguf);
  EXPECT_EQ(Checkpoint(gguf).at("token_embd.weight").stored.spec.dtype, dtype_of_name(GetParam()));
  expect_llama_cpp_agrees(gguf, gguf, kIds, {.logits = 1e-4, .token_nll = 5e-5});
}

const auto kName = [](const testing::TestParamInfo<std::string>& tested) { return tested.param; };
INSTANTIATE_TEST_SUITE_P(LlamaCpp, Blocks, testing::Values("Q5_1", "Q4_K", "Q6_K"), kName);
INSTANTIATE_TEST_SUITE_P(SlowLlamaCpp, Blocks, testing::Values("Q4_0", "Q4_1", "Q5_0", "Q8_0", "Q5_K"), kName);

class BlocksOfAllMatrices : public Blocks {};

TEST_P(BlocksOfAllMatrices, MeanTheSame) {
  PRUNENET_REQUIRE_LLAMA_CPP();
  PRUNENET_REQUIRE_RUNTIME();
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  write_model(data, dtype_of_name(GetParam()), {}, folder / "model.gguf");
  expect_llama_cpp_agrees_quantised(folder / "model.gguf", kIds, {.logits = 1e-4, .token_nll = 5e-5});
}

INSTANTIATE_TEST_SUITE_P(SlowLlamaCpp, BlocksOfAllMatrices,
                         testing::Values("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"), kName);

}  // namespace
}  // namespace prunenet::test
