// A kernel that is compiled for several instruction sets; the loader takes the best one the processor has. blas_info.cpp
// names it.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define PRUNENET_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define PRUNENET_CLONES
#endif
