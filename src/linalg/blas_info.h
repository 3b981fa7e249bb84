// Which BLAS the program runs on, and whether it is one to run on.
#pragma once

#include <string>

namespace prunenet {

struct BlasInfo {
  std::string name;     // "OpenBLAS 0.3.21 ... (/lib/x86_64-linux-gnu/libopenblas.so.0)"
  bool is_optimised = true;  // false for the reference BLAS, which is about a hundred times slower
};

BlasInfo blas_info();

}  // namespace prunenet
