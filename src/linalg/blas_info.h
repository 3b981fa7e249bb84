// Which BLAS the program runs on, and whether it is one to run on.
#pragma once

#include <string>

namespace prunenet {

struct BlasInfo {
  std::string name;     // "OpenBLAS 0.3.21 ... (/lib/x86_64-linux-gnu/libopenblas.so.0)"
  bool is_optimised = true;  // false for the reference BLAS, which is about a hundred times slower
};

BlasInfo blas_info();

/// What decides the bits of a result beside its input: the BLAS (which names the processor it was made for or chose its
/// kernels by) and the instruction set that this room's own kernels take here. Another name, perhaps other bits.
std::string arithmetic_name();

}  // namespace prunenet
