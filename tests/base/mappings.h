// How many mappings this process has of files below a folder.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace prunenet::test {

inline int num_mappings(const std::filesystem::path& folder) {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find(folder.string()) != line.npos;
  return count;
}

}  // namespace prunenet::test
