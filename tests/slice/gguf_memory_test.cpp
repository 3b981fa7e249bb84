// The memory that cutting a GGUF file takes.
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/system.h"
#include "sliced_gguf.h"

namespace prunenet {
namespace {

using namespace test;

// What `action` adds to the memory of a process of its own that does nothing else, mapped files included.
int64_t memory_of(const std::function<void()>& action) {
  int ends[2];
  if (::pipe(ends) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    const int64_t before = peak_rss_bytes();
    action();
    const int64_t grown = peak_rss_bytes() - before;
    ::_exit(::write(ends[1], &grown, sizeof grown) == sizeof grown ? 0 : 1);
  }
  int64_t grown = -1;
  const bool whole = ::read(ends[0], &grown, sizeof grown) == sizeof grown;
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  return whole && status == 0 ? grown : -1;
}

TEST_F(SliceGguf, MemoryDoesNotGrowWithTheModel) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own memory hides the program's";
#endif
  // 133 MB of Q4_0, tensors of 4.7 MB: rows, and scattered columns that are encoded anew.
  TinyGguf sizes;
  sizes.hidden = 1024, sizes.width = 8192, sizes.layers = 8;
  open(tiny_gguf(Dtype::kQ4_0, {}, sizes));
  const List kept = spread(6144, 8192);
  const SlicePlan planned = plan({.mask = {.kept = std::vector<List>(8, kept)}});
  const int64_t grown = memory_of([&] {
    SilentProgress progress;
    write_slice(*checkpoint, planned, folder / "out.gguf", {}, progress);
  });
  // Six buffers of 4 MiB, and the pages of the tensors whose bytes wait in them.
  EXPECT_GT(grown, 0);
  EXPECT_LT(grown, 48 << 20);
  EXPECT_TRUE(bytes_of(Checkpoint(folder / "out.gguf"), blk(7, "ffn_down")) ==
              recoded(*checkpoint, blk(7, "ffn_down"), kept, Dtype::kQ8_0));
}

}  // namespace
}  // namespace prunenet
