// Reading: mapped files, small text files, and everything that is no regular file.
#include "base/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "support/support.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TemporaryFolder;
using test::write_bytes;

std::string text_of(const MappedFile& file) {
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(MappedFile, ShowsEveryByteOfTheFile) {
  const TemporaryFolder folder;
  std::string bytes;
  for (int i = 0; i < 10000; ++i) bytes += static_cast<char>(i % 251);
  write_bytes(folder / "a", bytes);
  const MappedFile file(folder / "a");
  EXPECT_EQ(file.size_bytes(), bytes.size());
  EXPECT_EQ(text_of(file), bytes);
  EXPECT_EQ(file.path(), folder / "a");
}

TEST(MappedFile, AnEmptyFileIsAnEmptyMapping) {
  const TemporaryFolder folder;
  write_bytes(folder / "empty", "");
  const MappedFile file(folder / "empty");
  EXPECT_EQ(file.size_bytes(), 0u);
  EXPECT_TRUE(file.bytes().empty());
  file.release(0, 100);  // nothing to let go: must not fail
}

TEST(MappedFile, StaysReadableAfterItsNameIsGone) {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "bytes");
  const MappedFile file(folder / "a");
  fs::remove(folder / "a");
  EXPECT_EQ(text_of(file), "bytes");
}

TEST(MappedFile, MovingHandsTheMappingOver) {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "first");
  write_bytes(folder / "b", "second");
  MappedFile first(folder / "a");
  MappedFile taken(std::move(first));
  EXPECT_EQ(text_of(taken), "first");
  EXPECT_TRUE(first.bytes().empty());  // NOLINT: what a moved-from mapping shows is part of the promise
  MappedFile second(folder / "b");
  taken = std::move(second);
  EXPECT_EQ(text_of(taken), "second");
  EXPECT_EQ(taken.path(), folder / "b");
  EXPECT_TRUE(second.bytes().empty());  // NOLINT
  MappedFile& itself = taken;
  taken = std::move(itself);
  EXPECT_EQ(text_of(taken), "second");
}

int64_t resident_bytes() {
  long total = 0, resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return -1;
  const int found = std::fscanf(file, "%ld %ld", &total, &resident);
  std::fclose(file);
  return found == 2 ? int64_t{resident} * ::sysconf(_SC_PAGESIZE) : -1;
}

TEST(MappedFile, ReleasedPagesLeaveMemoryAndComeBackUnchanged) {
  const TemporaryFolder folder;
  constexpr int64_t kMiB = 1 << 20;
  write_bytes(folder / "a", std::string(48 * kMiB, 'x') + "end");
  const MappedFile file(folder / "a");
  const auto sum = [&] {
    uint64_t total = 0;
    for (std::byte b : file.bytes()) total += static_cast<uint64_t>(b);
    return total;
  };
  const uint64_t before = sum();
  const int64_t touched = resident_bytes();
  if (touched < 0) GTEST_SKIP() << "this system does not tell how much is resident";
  file.release(0, file.size_bytes());
  EXPECT_LT(resident_bytes(), touched - 40 * kMiB);
  EXPECT_EQ(sum(), before);
}

TEST(MappedFile, ReleaseKeepsWithinTheFileWhateverItIsAsked) {
  const TemporaryFolder folder;
  write_bytes(folder / "a", std::string(10000, 'x'));
  const MappedFile file(folder / "a");
  file.release(1, 5);          // within one page: nothing
  file.release(9000, 100000);  // beyond the end
  file.release(50000, 10);     // wholly beyond
  EXPECT_EQ(text_of(file), std::string(10000, 'x'));
}

TEST(MappedFile, BringingAPieceIntoMemoryChangesNothingWhateverThePieceIs) {
  const TemporaryFolder folder;
  write_bytes(folder / "a", std::string(10000, 'x'));
  const MappedFile file(folder / "a");
  bring_into_memory(file.bytes());
  bring_into_memory(file.bytes().subspan(4095, 2));
  bring_into_memory(file.bytes().last(1));
  bring_into_memory(file.bytes().first(0));
  bring_into_memory({});
  EXPECT_EQ(text_of(file), std::string(10000, 'x'));
}

// One of everything that is not a file, tried with both readers. A pipe without a writer must not block.
class NotAFile : public testing::TestWithParam<const char*> {
 protected:
  fs::path make() {
    const std::string kind = GetParam();
    const fs::path path = folder_ / kind;
    if (kind == "folder") fs::create_directory(path);
    if (kind == "pipe" && ::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("mkfifo");
    if (kind == "device") return "/dev/zero";
    if (kind == "link to a pipe") {
      if (::mkfifo((folder_ / "p").c_str(), 0600) != 0) throw std::runtime_error("mkfifo");
      fs::create_symlink("p", path);
    }
    return path;
  }
  const TemporaryFolder folder_;
};

TEST_P(NotAFile, IsRefusedByTheMapping) {
  const fs::path path = make();
  expect_error(ErrorCode::kFormat, {path.string(), "not a regular file"}, [&] { MappedFile{path}; });
}
TEST_P(NotAFile, IsRefusedByTheTextReader) {
  const fs::path path = make();
  expect_error(ErrorCode::kFormat, {path.string(), "not a regular file"}, [&] { read_text_file(path, 100); });
}
INSTANTIATE_TEST_SUITE_P(Kinds, NotAFile, testing::Values("folder", "pipe", "device", "link to a pipe"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::erase(name, ' ');
                           return name;
                         });

TEST(Reading, AMissingFileIsNotFound) {
  const TemporaryFolder folder;
  const fs::path path = folder / "missing";
  expect_error(ErrorCode::kNotFound, {path.string(), "no such file"}, [&] { MappedFile{path}; });
  expect_error(ErrorCode::kNotFound, {path.string(), "no such file"}, [&] { read_text_file(path, 100); });
}

TEST(Reading, WhatCannotBeOpenedIsAnIoErrorWithTheReason) {
  const TemporaryFolder folder;
  fs::create_symlink("loop", folder / "loop");
  expect_error(ErrorCode::kIo, {"loop", "cannot open", "symbolic links"}, [&] { MappedFile{folder / "loop"}; });
  write_bytes(folder / "file", "x");
  expect_error(ErrorCode::kIo, {"cannot open"}, [&] { read_text_file(folder / "file" / "below", 100); });
}

TEST(ReadTextFile, GivesEveryByteIncludingZeros) {
  const TemporaryFolder folder;
  const std::string text("a\0b\r\n\xff", 6);
  write_bytes(folder / "a", text);
  EXPECT_EQ(read_text_file(folder / "a", 1000), text);
  write_bytes(folder / "empty", "");
  EXPECT_EQ(read_text_file(folder / "empty", 0), "");
}

TEST(ReadTextFile, TheLimitItselfIsAllowedAndOneMoreIsNot) {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "12345");
  EXPECT_EQ(read_text_file(folder / "a", 5), "12345");
  expect_error(ErrorCode::kFormat, {"5 bytes", "at most 4"}, [&] { read_text_file(folder / "a", 4); });
}

}  // namespace
}  // namespace prunenet
