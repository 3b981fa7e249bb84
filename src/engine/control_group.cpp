// The files of control groups.
#include "engine/control_group.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>

namespace prunenet {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kNoLimit = int64_t{1} << 62;  // version 1 says the largest whole number of pages

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  std::string text(8192, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

// The smaller of two limits, where 0 is none.
int64_t smaller_limit(int64_t a, int64_t b) {
  return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
}

// Of a text that is no number of ours, such as "max" or one of twenty digits: -1.
int64_t number_of(const std::string& text) {
  std::istringstream stream(text);
  int64_t number = 0;
  return stream >> number ? number : -1;
}

// Of files, on the lists of what can be dropped (tmpfs is on those of anonymous pages, locked pages are on none), and
// slabs of caches; no more than is `used`. Version 1 states a group by itself and, as total_, with those below it,
// whose usage is in its own.
int64_t droppable_bytes(const std::string& stat, int64_t used) {
  int64_t own = 0, total = 0;
  std::istringstream lines(stat);
  std::string line;
  const auto add = [&](int64_t& sum, int64_t value) { sum += std::clamp<int64_t>(value, 0, used - sum); };
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string key;
    int64_t value = 0;
    if (!(words >> key >> value)) continue;
    if (key == "active_file" || key == "inactive_file" || key == "slab_reclaimable") add(own, value);
    if (key == "total_active_file" || key == "total_inactive_file") add(total, value);
  }
  return std::max(own, total);
}

// Above `high` the kernel does not kill a group: it takes its pages back and holds its processes up, which is no speed
// to work at. Version 1 has no such limit (its soft limit counts only where the whole machine is short).
struct FileNames {
  const char *limit, *high, *usage;
};
constexpr FileNames kVersion1{"memory.limit_in_bytes", nullptr, "memory.usage_in_bytes"};
constexpr FileNames kVersion2{"memory.max", "memory.high", "memory.current"};

// The smallest room of a group and those above it; 0: none has a limit.
int64_t room_from(const fs::path& mount, std::string_view group, const FileNames& names) {
  constexpr int kMostDepth = 64;
  int64_t room = 0;
  fs::path path = fs::path(group.substr(std::min(group.size(), group.find_first_not_of('/')))).lexically_normal();
  if (path.begin() != path.end() && *path.begin() == "..") path.clear();  // outside of what this process can see
  for (int depth = 0; depth < kMostDepth; ++depth) {
    const fs::path folder = mount / path;
    const std::string usage = text_of(folder / names.usage), stat = text_of(folder / "memory.stat");
    for (const char* const name : {names.limit, names.high}) {
      if (name != nullptr) room = smaller_limit(room, control_group_room_bytes(text_of(folder / name), usage, stat));
    }
    if (path.empty()) break;
    path = path.parent_path();
  }
  return room;
}

// A line of /proc/self/cgroup is "number:controllers:/group".
bool has_memory(std::string_view controllers) {
  for (size_t at = 0; at <= controllers.size();) {
    const size_t end = std::min(controllers.find(',', at), controllers.size());
    if (controllers.substr(at, end - at) == "memory") return true;
    at = end + 1;
  }
  return false;
}

}  // namespace

int64_t control_group_room_bytes(const std::string& limit, const std::string& usage, const std::string& stat) {
  const int64_t most = number_of(limit), used = std::max<int64_t>(0, number_of(usage));
  if (most < 0 || most >= kNoLimit) return 0;
  return std::max<int64_t>(1, most - (used - droppable_bytes(stat, used)));
}

int64_t control_groups_room_bytes(const std::string& membership, const fs::path& mounts) {
  std::istringstream lines(membership);
  int64_t room = 0;
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string_view all = line, controllers = all.substr(first + 1, second - first - 1),
                           group = all.substr(second + 1);
    if (controllers.empty()) {
      room = smaller_limit(room, room_from(mounts, group, kVersion2));
      room = smaller_limit(room, room_from(mounts / "unified", group, kVersion2));
    } else if (has_memory(controllers)) {
      room = smaller_limit(room, room_from(mounts / "memory", group, kVersion1));
    }
  }
  return room;
}

}  // namespace prunenet
