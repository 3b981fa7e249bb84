// A disk that is full while a GGUF file is cut.
#include <sys/resource.h>

#include <csignal>
#include <stdexcept>

#include "sliced_gguf.h"

namespace prunenet {
namespace {

using namespace test;

// Files of this process may grow to so many bytes, while this lives.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    if (::getrlimit(RLIMIT_FSIZE, &former_) != 0) throw std::runtime_error("getrlimit");
    const rlimit small{bytes, former_.rlim_max};
    if (::setrlimit(RLIMIT_FSIZE, &small) != 0) throw std::runtime_error("setrlimit");
  }
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &former_);
    std::signal(SIGXFSZ, handler_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  rlimit former_{};
  void (*handler_)(int);
};

TEST_F(SliceGguf, AFullDiskLeavesNothing) {
  open(tiny_gguf(Dtype::kF32));
  const auto before = folder_contents(folder.path());
  {
    const SmallDisk disk(1'000'000);
    expect_error(ErrorCode::kNoSpace, {"out.gguf", "cannot write"},
                 [&] { write({.mask = {.kept = three(spread(500, 768))}}); });
  }
  EXPECT_EQ(folder_contents(folder.path()), before);
}

}  // namespace
}  // namespace prunenet
