// Threads, and the rule that keeps results independent of their number: the work is cut into tiles whose sizes depend on
// the problem alone, each tile is one single-threaded BLAS call, and sums over tiles are taken in a fixed order.
#pragma once

namespace prunenet {

/// Threads that linear algebra uses: all processors unless set. `count` below 1 means all processors.
void set_num_threads(int count);
int num_threads();

/// While it lives, BLAS calls of this thread use one thread; what was set before comes back at its end.
class SerialBlas {
 public:
  SerialBlas();
  ~SerialBlas();
  SerialBlas(const SerialBlas&) = delete;
  SerialBlas& operator=(const SerialBlas&) = delete;

 private:
  int blas_threads_ = 0;
  int openmp_threads_ = 0;
};

}  // namespace prunenet
