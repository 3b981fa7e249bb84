// Matrix products with the same bits whatever the number of threads.
#pragma once

#include <ATen/ATen.h>

namespace prunenet {

/// x [rows, in], weight [out, in], bias [out] or undefined; gives [rows, out]. Differentiable. In f32 on the CPU,
/// without gradients, the product is cut into tiles that depend on the shapes alone, one thread each: a BLAS that
/// splits a product by its threads rounds differently at the seams. Cost: about 5 % more than one threaded call.
at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

/// a b, a [m, k] and b [k, n] of the same type, f32 or bf16, of any strides; gives that type (bf16: summed
/// in f32, rounded once). On such tiles too, in either type; on another
/// device than the CPU one product. Not differentiable.
at::Tensor tiled_product(const at::Tensor& a, const at::Tensor& b);

}  // namespace prunenet
