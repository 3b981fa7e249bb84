// Thread counts of this library and of the BLAS beneath it.
#include "linalg/parallel.h"

#include <omp.h>

// Present in OpenBLAS only; with another BLAS the addresses are null.
extern "C" {
void openblas_set_num_threads(int count) __attribute__((weak));
int openblas_get_num_threads(void) __attribute__((weak));
}

namespace prunenet {
namespace {
int chosen_threads = 0;
}

void set_num_threads(int count) { chosen_threads = count; }

int num_threads() { return chosen_threads > 0 ? chosen_threads : omp_get_num_procs(); }

SerialBlas::SerialBlas() : openmp_threads_(omp_get_max_threads()) {
  if (openblas_get_num_threads == nullptr || openblas_set_num_threads == nullptr) return;
  blas_threads_ = openblas_get_num_threads();
  openblas_set_num_threads(1);  // an OpenMP build of OpenBLAS sets OpenMP's own number as well
}

SerialBlas::~SerialBlas() {
  if (blas_threads_ > 0) openblas_set_num_threads(blas_threads_);
  omp_set_num_threads(openmp_threads_);
}

}  // namespace prunenet
