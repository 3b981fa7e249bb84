// Numbers of threads: what is set holds, and what the caller and the BLAS had set comes back.
#include "linalg/parallel.h"

#include <omp.h>

#include "linalg/blas_info.h"
#include "linalg/eigenvalues.h"
#include "linalg/gram.h"
#include "linalg/matrices.h"
#include "support/support.h"

extern "C" int openblas_get_num_threads(void) __attribute__((weak));

namespace prunenet {
namespace {

int blas_threads() {
  return openblas_get_num_threads == nullptr ? 1 : openblas_get_num_threads();
}

TEST(Threads, AreAsManyAsWereSetAndAllProcessorsOtherwise) {
  set_num_threads(3);
  EXPECT_EQ(num_threads(), 3);
  for (int all : {0, -1, -1000}) {
    set_num_threads(all);
    EXPECT_EQ(num_threads(), omp_get_num_procs());
  }
}

TEST(Threads, OfBlasAndOpenMpComeBackAfterASerialSection) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(3);
  const int blas_before = blas_threads();
  {
    const SerialBlas serial;
    EXPECT_EQ(blas_threads(), 1);
    const SerialBlas nested;
    EXPECT_EQ(blas_threads(), 1);
  }
  EXPECT_EQ(omp_get_max_threads(), 3);
  EXPECT_EQ(blas_threads(), blas_before);
  omp_set_num_threads(before);
}

TEST(Threads, OfBlasAndOpenMpComeBackAfterEveryKernel) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(3);
  const int blas_before = blas_threads();
  const test::Threads two(2);
  auto a = test::random_matrix<float>(400, 400, 1);
  auto gram = gram_of_columns(a);
  symmetric_eigenvalues(gram);
  singular_values_direct(a);
  EXPECT_EQ(omp_get_max_threads(), 3);
  EXPECT_EQ(blas_threads(), blas_before);
  EXPECT_EQ(num_threads(), 2);
  omp_set_num_threads(before);
}

TEST(BlasInfo, NamesTheLibraryAndItsFile) {
  const BlasInfo info = blas_info();
  EXPECT_NE(info.name.find(" ("), std::string::npos) << info.name;
  EXPECT_EQ(info.name.back(), ')');
  EXPECT_NE(info.name.find('/'), std::string::npos) << info.name;
  EXPECT_EQ(info.is_optimised, info.name.find("reference") == std::string::npos);
  if (openblas_get_num_threads != nullptr) {
    EXPECT_EQ(info.name.rfind("OpenBLAS", 0), 0u) << info.name;
  }
}

}  // namespace
}  // namespace prunenet
