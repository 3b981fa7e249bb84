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
  EXPECT_GT(usable_memory_bytes(), 0);
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
