// Memory is bounded by a tensor and not by the model: a model of half a gigabyte is pruned in a few dozen megabytes.
#include <bit>
#include <fstream>

#include "base/random.h"
#include "program/run.h"
#include "support/support.h"
#include "support/tiny_model.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMiB = 1u << 20;

// Fills the hollow model's data with finite random numbers, one block of them again and again.
void fill(const fs::path& weights) {
  std::vector<float> block(kMiB);
  RandomStream stream(1, RandomStage::kBench);
  for (float& value : block) {  // 0.5 to 1 with a random fraction and sign
    value = std::bit_cast<float>((stream.next_u32() & 0x807fffffu) | 0x3f000000u);
  }
  std::fstream file(weights, std::ios::binary | std::ios::in | std::ios::out);
  uint64_t header_bytes = 0;
  file.read(reinterpret_cast<char*>(&header_bytes), sizeof(header_bytes));  // little-endian, as the machines we test on
  uint64_t at = 8 + header_bytes;
  file.seekp(static_cast<std::streamoff>(at));
  for (const uint64_t size = fs::file_size(weights); at < size;) {
    const uint64_t count = std::min<uint64_t>(block.size() * sizeof(float), size - at);
    file.write(reinterpret_cast<const char*>(block.data()), static_cast<std::streamsize>(count));
    at += count;
  }
  if (!file) throw std::runtime_error("cannot write " + weights.string());
}

TEST(SlowMemory, PruningAModelOfHalfAGigabyteTakesLittleMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own memory hides the program's";
#endif
  const TemporaryFolder folder;
  if (fs::space(folder.path()).available < 2048 * kMiB) GTEST_SKIP() << "less than 2 GiB of disk for temporary files";
  const TinySizes sizes{256, 4096, 40, 16};
  write_hollow_model(folder / "model", sizes);
  fill(folder / "model/model.safetensors");
  ASSERT_GT(fs::file_size(folder / "model/model.safetensors"), 500'000'000u);
  const uint64_t largest = 4096 * 256 * 4;
  const auto json =
      prunenet_json({"prune", folder / "model", "-o", folder / "out", "--ratio", "0.25", "--method", "product"});
  EXPECT_LT(json["peak_rss_bytes"], largest + 64 * kMiB);
  EXPECT_EQ(json["kept_widths"], nlohmann::json(std::vector<int64_t>(40, 3072)));
}

}  // namespace
}  // namespace prunenet::test
