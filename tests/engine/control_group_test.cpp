// The memory that control groups leave, from texts as the kernel writes them.
#include "engine/control_group.h"

#include <gtest/gtest.h>

#include "engine/streaming.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;

TEST(ControlGroupRoom, IsWhatTheLimitLeavesOfWhatCannotBeDropped) {
  EXPECT_EQ(control_group_room_bytes("1000\n", "800\n", "anon 300\nfile 500\ninactive_file 350\nactive_file 150\n"),
            700);
  EXPECT_EQ(control_group_room_bytes("1000\n", "800\n", "inactive_file 350\nactive_file 150\nanon 300\nfile 500\n"),
            700);
  EXPECT_EQ(control_group_room_bytes("1000\n", "2000\n", "anon 2000\n"), 1) << "full, but limited";
  EXPECT_EQ(control_group_room_bytes("1000\n", "800\n", ""), 200) << "nobody says what it is";
  EXPECT_EQ(control_group_room_bytes("1000\n", "", ""), 1000);
}

TEST(ControlGroupRoom, SharedMemoryAndTheKernelsOwnStay) {
  // 300 of processes, 200 on a tmpfs, 40 of stacks, page tables and slabs; 60 of other slabs and 400 of files can go.
  const std::string stat =
      "anon 300\nfile 600\nkernel 100\nkernel_stack 10\npagetables 20\nshmem 200\nfile_mapped 250\n"
      "inactive_anon 450\nactive_anon 50\ninactive_file 300\nactive_file 100\nunevictable 0\n"
      "slab_reclaimable 60\nslab_unreclaimable 10\nslab 70\n";
  EXPECT_EQ(control_group_room_bytes("5000\n", "1000\n", stat), 5000 - (300 + 200 + 40));
}

TEST(ControlGroupRoom, LockedPagesOfFilesStay) {
  const std::string stat =
      "anon 300\nfile 600\ninactive_anon 300\ninactive_file 50\nactive_file 100\nunevictable 450\n";
  EXPECT_EQ(control_group_room_bytes("5000\n", "900\n", stat), 5000 - (300 + 450));
}

TEST(ControlGroupRoom, VersionOneStatesTheGroupsBelowBesideItsOwn) {
  const std::string stat =
      "cache 100\nrss 50\nshmem 20\ninactive_file 30\nactive_file 50\nunevictable 0\n"
      "hierarchical_memory_limit 5000\ntotal_cache 700\ntotal_rss 400\ntotal_shmem 200\n"
      "total_inactive_file 300\ntotal_active_file 200\ntotal_unevictable 0\n";
  EXPECT_EQ(control_group_room_bytes("5000\n", "1100\n", stat), 5000 - (400 + 200));
}

TEST(ControlGroupRoom, NoLimitIsNone) {
  EXPECT_EQ(control_group_room_bytes("max\n", "5\n", "anon 5\n"), 0);
  EXPECT_EQ(control_group_room_bytes("9223372036854771712\n", "5\n", "total_rss 5\n"), 0) << "version 1";
  EXPECT_EQ(control_group_room_bytes("", "", ""), 0);
  EXPECT_EQ(control_group_room_bytes("4611686018427387904\n", "5\n", "anon 5\n"), 0) << "2^62";
  EXPECT_GT(usable_memory_bytes(), 0);
}

TEST(ControlGroupRoom, ALimitOfNothingIsALimit) {
  EXPECT_EQ(control_group_room_bytes("0\n", "0\n", ""), 1);
  EXPECT_EQ(control_group_room_bytes("0\n", "", "inactive_file 100\n"), 1);
  EXPECT_EQ(control_group_room_bytes("0\n", "800\n", "inactive_file 100\n"), 1);
}

TEST(ControlGroupRoom, TextsThatAreNoNumbersAreNoLimitAndNoUsage) {
  for (const char* limit : {"max", " ", "\n", "-1\n", "-9223372036854775808\n", "x1000\n", "99999999999999999999\n"})
    EXPECT_EQ(control_group_room_bytes(limit, "800\n", "inactive_file 100\n"), 0) << limit;
  for (const char* usage : {"max", " ", "\n", "-1\n", "-9223372036854775808\n", "x800\n", "99999999999999999999\n"})
    EXPECT_EQ(control_group_room_bytes("1000\n", usage, "inactive_file 100\n"), 1000) << usage;
  EXPECT_EQ(control_group_room_bytes("1000", "800", "inactive_file 100"), 300) << "no ends of lines";
  EXPECT_EQ(control_group_room_bytes(" 1000 bytes\n", "\t800\n\n", "  inactive_file \t 100 kB\n"), 300);
}

TEST(ControlGroupRoom, NoMoreIsDroppedThanIsUsedWhateverTheStatisticsSay) {
  const std::string most = "9223372036854775807";
  for (const std::string stat : {"inactive_file 801\n", "inactive_file 500\nactive_file 500\n",
                                 "total_inactive_file 400\ntotal_active_file 401\n"})
    EXPECT_EQ(control_group_room_bytes("1000\n", "800\n", stat), 1000) << stat;
  for (const std::string key : {"inactive_file ", "total_inactive_file "}) {
    const std::string stat = key + most + "\n" + key + most + "\nactive_file " + most + "\nslab_reclaimable " + most;
    EXPECT_EQ(control_group_room_bytes("1000\n", "800\n", stat), 1000) << stat;
    EXPECT_EQ(control_group_room_bytes("1000\n", most + "\n", stat), 1000) << stat;
  }
  EXPECT_EQ(control_group_room_bytes("1000\n", most + "\n", ""), 1) << "the difference is far below zero";
}

TEST(ControlGroupRoom, LinesOfStatisticsThatSayNothingAreLeftOut) {
  const std::string droppable = "inactive_file 100\n";
  for (const char* line :
       {"", "\n", "inactive_file\n", "inactive_file x\n", "inactive_file -50\n", "active_file -9223372036854775808\n",
        "active_file 99999999999999999999\n", "inactive_file_ 50\n", "50\n", "50 active_file\n", ": :\n"}) {
    EXPECT_EQ(control_group_room_bytes("1000\n", "800\n", line + droppable), 300) << line;
    EXPECT_EQ(control_group_room_bytes("1000\n", "800\n", droppable + line), 300) << line;
  }
  EXPECT_EQ(control_group_room_bytes("1000\n", "800\n", std::string("\0\0inactive_file 100\n", 20)), 200);
}

class ControlGroups : public testing::Test {
 protected:
  void group(const fs::path& folder, const std::string& limit, const std::string& usage, const char* limit_name,
             const char* usage_name) {
    fs::create_directories(mounts_ / folder);
    write_bytes(mounts_ / folder / limit_name, limit);
    write_bytes(mounts_ / folder / usage_name, usage);
    write_bytes(mounts_ / folder / "memory.stat", "");
  }
  void second(const fs::path& folder, const std::string& limit, const std::string& usage) {
    group(folder, limit, usage, "memory.max", "memory.current");
  }
  void first(const fs::path& folder, const std::string& limit, const std::string& usage) {
    group(folder, limit, usage, "memory.limit_in_bytes", "memory.usage_in_bytes");
  }

  TemporaryFolder folder_;
  fs::path mounts_ = folder_.path();
};

TEST_F(ControlGroups, TheTightestOfAGroupAndThoseAboveItCounts) {
  second("a/b", "1000", "100");
  second("a", "max", "300");
  EXPECT_EQ(control_groups_room_bytes("0::/a/b\n", mounts_), 900);
  second("a", "1100", "300");
  EXPECT_EQ(control_groups_room_bytes("0::/a/b\n", mounts_), 800);
  EXPECT_EQ(control_groups_room_bytes("0::/other\n", mounts_), 0);
}

TEST_F(ControlGroups, TheSmallerOfMaxAndHighCounts) {
  second("a/b", "1000", "100");
  const fs::path high = mounts_ / "a/b/memory.high";
  for (const auto& [text, room] : {std::pair{"max\n", 900}, {"600\n", 500}, {"2000\n", 900}, {"50\n", 1}, {"", 900}}) {
    write_bytes(high, text);
    EXPECT_EQ(control_groups_room_bytes("0::/a/b\n", mounts_), room) << text;
  }
  second("a/b", "max", "100");
  write_bytes(high, "600\n");
  EXPECT_EQ(control_groups_room_bytes("0::/a/b\n", mounts_), 500) << "high alone";
  second("a", "max", "300");
  write_bytes(mounts_ / "a/memory.high", "400\n");
  EXPECT_EQ(control_groups_room_bytes("0::/a/b\n", mounts_), 100) << "that of a group above";
}

TEST_F(ControlGroups, AContainerSeesItsOwnGroupAtTheMount) {
  second("", "500", "100");
  EXPECT_EQ(control_groups_room_bytes("0::/\n", mounts_), 400);
  EXPECT_EQ(control_groups_room_bytes("0::/system.slice/docker-1.scope\n", mounts_), 400) << "a name of the host's";
  EXPECT_EQ(control_groups_room_bytes("0::/../../other\n", mounts_), 400) << "outside of its own tree";
}

TEST_F(ControlGroups, VersionOneHasAMountForMemory) {
  first("memory/docker/1", "700", "100");
  first("memory", "9223372036854771712", "9000");
  second("unified/docker/1", "max", "0");
  const std::string membership = "5:cpu,cpuacct:/elsewhere\n4:pids,memory:/docker/1\n1:name=systemd:/x\n0::/docker/1\n";
  EXPECT_EQ(control_groups_room_bytes(membership, mounts_), 600);
  EXPECT_EQ(control_groups_room_bytes("4:cpu:/docker/1\n", mounts_), 0) << "a group of processors";
}

TEST_F(ControlGroups, WhateverTheTextIsNothingBreaks) {
  for (const char* text : {"", "\n", ":", "::", "0:", "0::", "0::relative", "4:memory", "4:memory:", "x:,,:/\n:::::"})
    EXPECT_EQ(control_groups_room_bytes(text, mounts_), 0) << text;
}

}  // namespace
}  // namespace prunenet::test
