// Scratch files: what is put comes back, nothing has a name, and nothing is made before it is needed.
#include "base/scratch_file.h"

#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <functional>

#include "mappings.h"
#include "support/support.h"

namespace prunenet {
namespace {
namespace fs = std::filesystem;

std::vector<std::byte> bytes_of(size_t count, unsigned first) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(first + 31 * i + i / 251);
  return bytes;
}

bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

TEST(ScratchFile, GivesBackWhatWasPut) {
  const test::TemporaryFolder folder;
  ScratchFile scratch(folder.path());
  std::vector<std::vector<std::byte>> put;
  std::vector<std::span<const std::byte>> got;
  for (const size_t size : {size_t{1}, size_t{65535}, size_t{65536}, size_t{65537}, size_t{0}, size_t{1000000}}) {
    put.push_back(bytes_of(size, static_cast<unsigned>(size % 7)));
    got.push_back(scratch.put(put.back()));
  }
  // Later puts leave earlier ones as they were.
  for (size_t i = 0; i < put.size(); ++i) EXPECT_TRUE(same(got[i], put[i])) << put[i].size() << " bytes";
  EXPECT_GE(scratch.size_bytes(), 1 + 65535 + 65536 + 65537 + 1000000U);
}

TEST(ScratchFile, HasNoName) {
  const test::TemporaryFolder folder;
  {
    ScratchFile scratch(folder.path());
    EXPECT_TRUE(fs::is_empty(folder.path()));
    scratch.put(bytes_of(100, 1));
    EXPECT_TRUE(fs::is_empty(folder.path()));
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(ScratchFile, UnderNamesReplacesAndForgets) {
  const test::TemporaryFolder folder;
  ScratchFile scratch(folder.path());
  const auto first = bytes_of(200'000, 1), second = bytes_of(100'001, 2), third = bytes_of(70'000, 3);
  EXPECT_FALSE(scratch.find("a"));
  EXPECT_TRUE(same(scratch.put("a", first), first));
  EXPECT_TRUE(same(scratch.put("b", second), second));
  EXPECT_TRUE(same(scratch.put("a", third), third));
  EXPECT_TRUE(same(scratch.find("a").value(), third));
  EXPECT_TRUE(same(scratch.find("b").value(), second)) << "the room of the former a is given back, and no more";
  EXPECT_TRUE(same(scratch.put("none", {}), {}));
  EXPECT_TRUE(scratch.find("none"));
  for (const char* name : {"a", "none", "unknown"}) scratch.remove(name);
  EXPECT_FALSE(scratch.find("a"));
  EXPECT_FALSE(scratch.find("none"));
  EXPECT_TRUE(same(scratch.find("b").value(), second));
}

// A process may have only so many mappings, and long runs replace their parts again and again.
TEST(ScratchFile, UnmapsWhatIsReplacedOrRemoved) {
  const test::TemporaryFolder folder;
  ScratchFile scratch(folder.path());
  const auto bytes = bytes_of(1000, 1);
  for (int i = 0; i < 5; ++i) scratch.put("a", bytes);
  EXPECT_EQ(test::num_mappings(folder.path()), 1);
  for (const char* name : {"b/1", "b/2", "c"}) scratch.put(name, bytes);
  scratch.put(bytes);
  EXPECT_EQ(test::num_mappings(folder.path()), 5);
  scratch.remove_all("b/");
  EXPECT_FALSE(scratch.find("b/1"));
  EXPECT_TRUE(same(scratch.find("c").value(), bytes));
  scratch.remove("a");
  EXPECT_EQ(test::num_mappings(folder.path()), 2);
}

TEST(ScratchFile, GoesIntoTheNearestFolderThatExists) {
  const test::TemporaryFolder folder;
  ScratchFile scratch(folder / "not" / "yet" / "there");
  const auto bytes = bytes_of(10, 3);
  EXPECT_TRUE(same(scratch.put(bytes), bytes));
  EXPECT_TRUE(fs::is_empty(folder.path()));
  ScratchFile here("");
  EXPECT_TRUE(same(here.put(bytes), bytes));
}

TEST(ScratchFile, ThatCannotBeMadeNamesItsFolder) {
  if (!fs::exists("/proc/self/fdinfo")) GTEST_SKIP() << "this system has no folder that nobody can write to";
  ScratchFile scratch("/proc/self/fdinfo");
  EXPECT_EQ(scratch.size_bytes(), 0U) << "nothing is made before the first put";
  try {
    scratch.put(bytes_of(10, 1));
    ADD_FAILURE() << "a file in /proc/self/fdinfo";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_EQ(error.where(), "/proc/self/fdinfo");
  }
}

TEST(ScratchFile, WithoutRoomIsAnErrorAndLeavesTheEarlierBytes) {
  const test::TemporaryFolder folder;
  ScratchFile scratch(folder.path());
  const auto first = bytes_of(1000, 5);
  const auto kept = scratch.put(first);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  const rlimit small{100000, former.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  bool thrown = false;
  try {
    scratch.put(bytes_of(200000, 6));
  } catch (const Error& error) {
    thrown = error.where() == folder.path().string();
  }
  ::setrlimit(RLIMIT_FSIZE, &former);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(thrown);
  EXPECT_TRUE(same(kept, first));
  EXPECT_TRUE(same(scratch.put(first), first));
}

}  // namespace
}  // namespace prunenet
