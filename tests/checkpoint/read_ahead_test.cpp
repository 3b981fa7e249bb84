// The reader that goes ahead: what it brings, in which order, what it forgets and when it stops.
#include "checkpoint/read_ahead.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <stdexcept>

#include "support/support.h"

namespace prunenet {
namespace {

using test::f32_tensor;
using test::safetensors_bytes;
using test::TemporaryFolder;
using test::write_bytes;

constexpr std::chrono::seconds kLongEnough{20};
constexpr std::chrono::milliseconds kAWhile{50};

// Notes the pieces that it is given, and can be held up in the first.
class Notes {
 public:
  void bring(std::span<const std::byte> piece) {
    std::unique_lock lock(mutex_);
    pieces_.push_back(piece);
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
    if (fails_) throw std::runtime_error("the disk is gone");
  }
  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  void fail_from_now_on() { fails_ = true; }
  // The first `count` pieces; fewer if they do not come.
  std::vector<std::span<const std::byte>> first(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kLongEnough, [&] { return pieces_.size() >= count; });
    return pieces_;
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return pieces_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::span<const std::byte>> pieces_;
  bool held_ = false, fails_ = false;
};

// Tensors a, b and c of a few numbers, an empty one, and one of two pieces and a bit.
class ReadingAhead : public testing::Test {
 protected:
  static constexpr size_t kLargeBytes = 2 * ReadAhead::kPieceBytes + 8;

  static std::filesystem::path written(const TemporaryFolder& folder) {
    write_bytes(folder / "config.json", "{}");
    const auto numbers = static_cast<int64_t>(kLargeBytes / sizeof(float));
    write_bytes(folder / "model.safetensors",
                safetensors_bytes({f32_tensor("a", {2}, {1, 2}), f32_tensor("b", {1}, {3}), f32_tensor("c", {1}, {4}),
                                   f32_tensor("empty", {0}, {}),
                                   f32_tensor("large", {numbers}, std::vector<float>(numbers, 5))}));
    return folder.path();
  }
  ReadAhead noted(int64_t most_bytes = 0) {
    return ReadAhead(checkpoint_, most_bytes, [this](std::span<const std::byte> piece) { notes_.bring(piece); });
  }
  std::span<const std::byte> bytes(const std::string& name) { return checkpoint_.bytes(checkpoint_.at(name)); }
  void expect_pieces(const std::vector<std::span<const std::byte>>& expected) {
    const auto seen = notes_.first(expected.size());
    ASSERT_EQ(seen.size(), expected.size());
    for (size_t i = 0; i < seen.size(); ++i) {
      EXPECT_EQ(seen[i].data(), expected[i].data()) << i;
      EXPECT_EQ(seen[i].size(), expected[i].size()) << i;
    }
  }

  TemporaryFolder folder_;
  Checkpoint checkpoint_{written(folder_)};
  Notes notes_;
};

using Names = std::vector<std::string>;

TEST_F(ReadingAhead, KeepsTheOrderAskedFor) {
  ReadAhead ahead = noted();
  ahead.ask(Names{"c", "a", "b"});
  expect_pieces({bytes("c"), bytes("a"), bytes("b")});
}

TEST_F(ReadingAhead, CutsLargeTensorsIntoPieces) {
  ReadAhead ahead = noted();
  ahead.ask(Names{"large", "a"});
  const auto large = bytes("large");
  expect_pieces({large.first(ReadAhead::kPieceBytes), large.subspan(ReadAhead::kPieceBytes, ReadAhead::kPieceBytes),
                 large.last(8), bytes("a")});
}

TEST_F(ReadingAhead, ANewerRequestTakesThePlaceOfWhatIsNotBegun) {
  notes_.hold(true);
  ReadAhead ahead = noted();
  ahead.ask(Names{"large", "a"});
  ASSERT_EQ(notes_.first(1).size(), 1u);  // in the midst of it
  ahead.ask(Names{"b"});
  ahead.ask(Names{"c", "a"});
  notes_.hold(false);
  expect_pieces({bytes("large").first(ReadAhead::kPieceBytes), bytes("c"), bytes("a")});
  std::this_thread::sleep_for(kAWhile);
  EXPECT_EQ(notes_.count(), 3u);
}

TEST_F(ReadingAhead, WhatIsAskedForAgainGoesOnWhereItWas) {
  notes_.hold(true);
  ReadAhead ahead = noted();
  ahead.ask(Names{"a", "large", "b"});
  ASSERT_EQ(notes_.first(1).size(), 1u);  // a is being read
  ahead.ask(Names{"a", "large", "c"});
  notes_.hold(false);
  const auto large = bytes("large");
  expect_pieces({bytes("a"), large.first(ReadAhead::kPieceBytes),
                 large.subspan(ReadAhead::kPieceBytes, ReadAhead::kPieceBytes), large.last(8), bytes("c")});
  ahead.ask(Names{"large", "b"});  // all of the first is read
  const auto seen = notes_.first(6);
  ASSERT_EQ(seen.size(), 6u);
  EXPECT_EQ(seen.back().data(), bytes("b").data());
  ahead.ask(Names{"a", "large"});  // the last request had no a
  EXPECT_EQ(notes_.first(7).back().data(), bytes("a").data());
  std::this_thread::sleep_for(kAWhile);
  EXPECT_EQ(notes_.count(), 7u);
}

TEST_F(ReadingAhead, ARequestEndsWhereItWouldBeTooMuch) {
  ReadAhead ahead = noted(static_cast<int64_t>(bytes("a").size() + bytes("b").size()));
  ahead.ask(Names{"a", "b", "c"});
  expect_pieces({bytes("a"), bytes("b")});
  std::this_thread::sleep_for(kAWhile);
  EXPECT_EQ(notes_.count(), 2u);
  ahead.ask(Names{"large"});
  std::this_thread::sleep_for(kAWhile);
  EXPECT_EQ(notes_.count(), 2u);
}

TEST_F(ReadingAhead, AskingForNothingForgetsTheRest) {
  notes_.hold(true);
  ReadAhead ahead = noted();
  ahead.ask(Names{"a", "b"});
  ASSERT_EQ(notes_.first(1).size(), 1u);
  ahead.ask({});
  notes_.hold(false);
  std::this_thread::sleep_for(kAWhile);
  EXPECT_EQ(notes_.count(), 1u);
  ahead.ask(Names{"c"});  // and goes on with the next
  expect_pieces({bytes("a"), bytes("c")});
}

TEST_F(ReadingAhead, SkipsWhatIsNotThereOrEmpty) {
  ReadAhead ahead = noted();
  ahead.ask(Names{"nothing of that name", "empty", "b"});
  expect_pieces({bytes("b")});
}

TEST_F(ReadingAhead, AnErrorCostsItsPieceOnly) {
  notes_.fail_from_now_on();
  ReadAhead ahead = noted();
  ahead.ask(Names{"a", "b"});
  expect_pieces({bytes("a"), bytes("b")});
}

TEST_F(ReadingAhead, EndsWithThePieceAtHand) {
  notes_.hold(true);
  std::future<void> letting_go;
  {
    ReadAhead ahead = noted();
    ahead.ask(Names{"large", "a", "b"});
    ASSERT_EQ(notes_.first(1).size(), 1u);
    letting_go = std::async(std::launch::async, [&] {
      std::this_thread::sleep_for(kAWhile);
      notes_.hold(false);
    });
  }
  EXPECT_EQ(notes_.count(), 1u);
}

TEST_F(ReadingAhead, EndsWhenNothingWasAskedForOrAllIsRead) {
  { ReadAhead never = noted(); }
  EXPECT_EQ(notes_.count(), 0u);
  ReadAhead ahead = noted();
  ahead.ask(Names{"a"});
  expect_pieces({bytes("a")});
}

// Of `bytes`, the pages that this process has mapped, as /proc/self/pagemap says.
size_t mapped_pages(std::span<const std::byte> bytes) {
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<uint64_t>(bytes.data()) / page;
  const uint64_t last = (reinterpret_cast<uint64_t>(bytes.data()) + bytes.size() - 1) / page;
  std::vector<uint64_t> entries(static_cast<size_t>(last - first + 1));
  const int file = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const size_t wanted = entries.size() * sizeof(uint64_t);
  const ssize_t read = ::pread(file, entries.data(), wanted, static_cast<off_t>(first * sizeof(uint64_t)));
  ::close(file);
  if (read != static_cast<ssize_t>(wanted)) return 0;
  return static_cast<size_t>(std::count_if(entries.begin(), entries.end(), [](uint64_t e) { return (e >> 63) != 0; }));
}

TEST_F(ReadingAhead, BringsEveryPageOfATensor) {
  const auto large = bytes("large");
  volatile std::byte touched = large.front();
  (void)touched;
  if (mapped_pages(large.first(1)) == 0) GTEST_SKIP() << "the kernel does not tell which pages are mapped";
  if (::madvise(nullptr, 0, MADV_POPULATE_READ) != 0) GTEST_SKIP() << "the kernel has no MADV_POPULATE_READ";
  checkpoint_.release(checkpoint_.at("large"));
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t all = kLargeBytes / page;  // and one or two at the ends, which may be shared
  ASSERT_LT(mapped_pages(large), all / 2);
  ReadAhead ahead(checkpoint_);
  ahead.ask(Names{"large"});
  const auto until = std::chrono::steady_clock::now() + kLongEnough;
  while (mapped_pages(large) < all && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(kAWhile);
  EXPECT_GE(mapped_pages(large), all);
}

}  // namespace
}  // namespace prunenet
