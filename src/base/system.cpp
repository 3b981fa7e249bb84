// Machine facts from getrusage and /proc/meminfo.
#include "base/system.h"

#include <sys/resource.h>

#include <fstream>
#include <string>

namespace prunenet {

int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

int64_t available_memory_bytes() {
  std::ifstream info("/proc/meminfo");
  for (std::string key; info >> key;) {
    int64_t kibibytes = 0;
    if (key == "MemAvailable:" && info >> kibibytes) return kibibytes * 1024;
    info.ignore(256, '\n');
  }
  return 0;
}

}  // namespace prunenet
