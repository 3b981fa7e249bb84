// Pieces of a cut: the same bytes and the same error for any number of threads, every byte of the source checked.
#include <cmath>
#include <cstring>
#include <numeric>

#include "slice/cut_writer.h"
#include "slice/runs.h"
#include "slice/tensor_pieces.h"
#include "support/support.h"

namespace prunenet {
namespace {
namespace fs = std::filesystem;

// Keeps what it gets.
class MemorySink final : public TensorSink {
 public:
  uint64_t total_bytes() const override { return 0; }
  void append(std::span<const std::byte> bytes) override {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void finish() override {}
  std::string text;
};

// Rows longer than a piece in gate and up, many rows in one piece in down.
class CutWriterTest : public ::testing::Test {
 protected:
  static constexpr int64_t kHidden = 300'000, kWidth = 12;

  void SetUp() override {
    values_.resize(static_cast<size_t>(kHidden * kWidth));
    std::iota(values_.begin(), values_.end(), 0.0f);
    fs::create_directories(folder_ / "in");
    test::write_bytes(
        folder_ / "in" / "config.json",
        R"({"model_type":"llama","hidden_size":300000,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":12,"vocab_size":3})");
  }

  void write_model(const std::vector<float>& gate, const std::vector<float>& down) {
    const std::string layer = "model.layers.0.mlp.";
    test::write_bytes(folder_ / "in" / "model.safetensors",
                      test::safetensors_bytes({test::f32_tensor(layer + "gate_proj.weight", {kWidth, kHidden}, gate),
                                               test::f32_tensor(layer + "up_proj.weight", {kWidth, kHidden}, values_),
                                               test::f32_tensor(layer + "down_proj.weight", {kHidden, kWidth}, down)}));
  }

  std::string cut(int threads) const {
    const Checkpoint checkpoint(folder_ / "in");
    const SlicePlan plan = plan_slice(checkpoint, describe_model(checkpoint), Mask{{{0, 1, 4, 7, 8}}});
    MemorySink sink;
    SilentProgress progress;
    CutWriter(checkpoint, plan, sink, progress).run(threads);
    return sink.text;
  }

  test::TemporaryFolder folder_;
  std::vector<float> values_;
};

TEST_F(CutWriterTest, TheBytesAreTheSameForAnyNumberOfThreads) {
  write_model(values_, values_);
  const std::string one = cut(1);
  ASSERT_EQ(one.size(), static_cast<size_t>(3 * 5 * kHidden * 4));
  for (const int threads : {2, 3, 8}) EXPECT_TRUE(cut(threads) == one) << threads;
}

TEST_F(CutWriterTest, EveryDroppedPlaceIsChecked) {
  const float nan = std::nanf("");
  // In gate: rows before the first part, between two, and after the last that stays, at both of their ends.
  for (const int64_t row : {2, 3, 5, 6, 9, 11}) {
    for (const int64_t col : {int64_t{0}, kHidden - 1}) {
      std::vector<float> gate = values_;
      gate[static_cast<size_t>(row * kHidden + col)] = nan;
      write_model(gate, values_);
      for (const int threads : {1, 3}) {
        test::expect_error(ErrorCode::kNonFinite, {"gate_proj", "NaN"}, [&] { cut(threads); });
      }
    }
  }
}

TEST_F(CutWriterTest, TheFirstErrorOfTheFileIsTold) {
  std::vector<float> gate = values_, down = values_;
  gate.back() = std::nanf("");
  down.front() = HUGE_VALF;
  for (int round = 0; round < 5; ++round) {
    write_model(gate, down);
    test::expect_error(ErrorCode::kNonFinite, {"gate_proj", "NaN"}, [&] { cut(8); });
    write_model(values_, down);
    test::expect_error(ErrorCode::kNonFinite, {"down_proj", "infinity"}, [&] { cut(8); });
  }
}

TEST(Runs, NeighboursAndZerosAreOneRunEach) {
  const auto runs = runs_of({4, 5, 6, 0, kZeros, kZeros, 9}, 10);
  std::vector<std::pair<size_t, size_t>> found;
  for (const ByteRun& run : runs) found.emplace_back(run.begin, run.size_bytes);
  EXPECT_EQ(found, (std::vector<std::pair<size_t, size_t>>{{40, 30}, {0, 10}, {kZeroRun, 20}, {90, 10}}));
}

TEST(Runs, CopiesShortAndLongOnesUpToTheLastByte) {
  // The source ends with its allocation: a byte read beyond it shows under the address sanitizer.
  for (const size_t size : {size_t{1}, size_t{31}, size_t{32}, size_t{33}, size_t{200}}) {
    std::vector<std::byte> source(size);
    for (size_t i = 0; i < size; ++i) source[i] = static_cast<std::byte>(i + 1);
    const std::vector<ByteRun> runs{{size - 1, 1}, {kZeroRun, 3}, {0, size}, {size / 2, size - size / 2}};
    std::vector<std::byte> expected(1, source[size - 1]);
    expected.resize(4, std::byte{0});
    expected.insert(expected.end(), source.begin(), source.end());
    expected.insert(expected.end(), source.begin() + static_cast<std::ptrdiff_t>(size / 2), source.end());
    std::vector<std::byte> out(expected.size() + kCopySlack, std::byte{0xee});
    copy_runs(source.data(), source.data() + size, runs, out.data());
    out.resize(expected.size());
    EXPECT_EQ(out, expected) << size;
  }
}

}  // namespace
}  // namespace prunenet
