// Decoders and the Q8_0 encoder against the ggml library itself, where the tests' llama.cpp is installed: the same
// bits.
#include <dlfcn.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/quantised.h"
#include "base/quantised_blocks.h"
#include "support/support.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;

using Decoder = void (*)(const void*, float*, int64_t);
using Encoder = void (*)(const float*, void*, int64_t);

fs::path ggml_library() {
  const char* chosen = std::getenv("PRUNENET_LLAMA_CPP");
  const fs::path folder =
      chosen != nullptr ? fs::path(chosen) : fs::path(PRUNENET_TOOLS_DIR).parent_path() / "llama_cpp";
  return folder / "node_modules/@node-llama-cpp/linux-x64/bins/linux-x64/libggml-base.so";
}

class Ggml : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(ggml_library())) GTEST_SKIP() << "no ggml to test against: tests/llama_cpp/install.sh gets it";
    library_ = ::dlopen(ggml_library().c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) GTEST_SKIP() << "ggml does not load here: " << ::dlerror();
  }
  void TearDown() override {
    if (library_ != nullptr) ::dlclose(library_);
  }
  template <typename Function>
  Function function(const std::string& name) const {
    const auto found = reinterpret_cast<Function>(::dlsym(library_, name.c_str()));
    EXPECT_NE(found, nullptr) << name;
    return found;
  }

 private:
  void* library_ = nullptr;
};

TEST_F(Ggml, DecodesEveryTypeToTheSameBits) {
  std::mt19937_64 random(7);
  for (const Dtype dtype : test::kQuantisedDtypes) {
    std::string name(dtype_name(dtype));
    name[0] = 'q';
    const auto reference = function<Decoder>("dequantize_row_" + name);
    ASSERT_NE(reference, nullptr);
    constexpr size_t kBlocks = 2000;
    test::Block bytes;
    for (size_t i = 0; i < kBlocks; ++i) {
      const test::Block block = test::random_block(dtype, random);
      bytes.insert(bytes.end(), block.begin(), block.end());
    }
    const size_t count = kBlocks * static_cast<size_t>(dtype_block_elements(dtype));
    std::vector<float> ours(count), theirs(count);
    decode_blocks(std::as_bytes(std::span(bytes)).data(), dtype, kBlocks, ours.data());
    reference(bytes.data(), theirs.data(), static_cast<int64_t>(count));
    EXPECT_EQ(std::memcmp(ours.data(), theirs.data(), count * sizeof(float)), 0) << dtype_name(dtype);
  }
}

// Plain numbers, numbers of every size down to those below f32's normal ones, ties, and bit patterns at random.
TEST_F(Ggml, EncodesQ8_0ToTheSameBits) {
  const auto reference = function<Encoder>("quantize_row_q8_0_ref");
  ASSERT_NE(reference, nullptr);
  std::mt19937_64 random(8);
  std::normal_distribution<float> normal;
  constexpr size_t kBlocks = 3000;
  for (int kind = 0; kind < 4; ++kind) {
    std::vector<float> values(kBlocks * 32);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto block = static_cast<int>(i / 32);
      if (kind == 0) values[i] = normal(random);
      if (kind == 1) values[i] = std::ldexp(normal(random), -(block % 149));
      if (kind == 2) {
        const float number = i % 32 == 0 ? 127.0f : static_cast<float>(static_cast<int>(random() % 509) - 254) / 2;
        values[i] = std::ldexp(number, block % 16 - 8);
      }
      if (kind == 3) {
        values[i] = std::bit_cast<float>(static_cast<uint32_t>(random()));
        if (!(std::abs(values[i]) < 8e6f)) values[i] = 1.0f;
      }
    }
    std::vector<std::byte> ours(kBlocks * 34), theirs(kBlocks * 34);
    ASSERT_TRUE(encode_q8_0(values.data(), kBlocks, ours.data()));
    reference(values.data(), theirs.data(), static_cast<int64_t>(values.size()));
    EXPECT_EQ(ours, theirs) << "kind " << kind;
  }
}

}  // namespace
}  // namespace prunenet
