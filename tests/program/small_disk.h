// A disk of a few pages: a tmpfs mounted in a mount namespace of its own, which goes with the process that made it, so
// that nothing is ever left mounted.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "program/run.h"

namespace prunenet::test {

struct SmallDisk {
  std::string options;  // of tmpfs: "size=4k"
  bool read_only = false;
};

struct SmallDiskResult {
  RunResult run;
  std::vector<std::string> left;  // everything on the disk afterwards, by relative name
};

/// Runs prunenet while `disk` lies at `folder`. Nothing where this process may not mount, not even in a namespace of
/// its own user.
std::optional<SmallDiskResult> run_on_small_disk(const std::filesystem::path& folder, const SmallDisk& disk,
                                                 const std::vector<std::string>& arguments);

}  // namespace prunenet::test
