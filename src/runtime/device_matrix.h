// Plain matrices on their way to a device and back, and the surgeon's scaled coordinates formed there.
#pragma once

#include <ATen/ATen.h>

#include <span>
#include <string>

#include "linalg/matrix.h"
#include "moments/moments.h"
#include "surgeon/scaled.h"

namespace prunenet {

/// Where numbers lie and of which type they are: f32 or f64.
struct Place {
  at::Device device;
  at::ScalarType type;

  at::TensorOptions options() const { return at::TensorOptions(type).device(device); }
};

/// A copy of a plain matrix (f32 or f64), vector or list on a device. Converted there, not here.
template <typename Real>
at::Tensor on_device(const Matrix<Real>& matrix, Place place);
at::Tensor on_device(std::span<const double> values, Place place);
at::Tensor on_device(std::span<const int64_t> values, at::Device device);

/// And back: a tensor [rows, cols] of any type and device as f32; [rows, cols] of its own type into a matrix of that
/// shape; a vector [n] as f64; whole numbers.
Matrix<float> to_host_matrix(const at::Tensor& tensor);
template <typename Real>
void copy_to_host(const at::Tensor& tensor, Matrix<Real>& target);
std::vector<double> to_host_numbers(const at::Tensor& tensor);
std::vector<int64_t> to_host_indices(const at::Tensor& tensor);

/// No NaN and no infinity. Waits for the device.
bool all_finite(const at::Tensor& tensor);
/// Sum of a_i b_i, products in the tensors' type, sums in f64. Waits for the device.
double inner_product_of(const at::Tensor& a, const at::Tensor& b);
/// A whole symmetric matrix from the upper triangle of a square one; what lies below is not read.
at::Tensor whole_symmetric(const at::Tensor& upper);

/// As fill_scaled_moments of surgeon/scaled.h, both triangles [order, order]; rows and columns of inputs whose scale is
/// 0 are zero but for the diagonal. Throws kNonFinite.
at::Tensor scaled_moments_on(const Moments& moments, const Scaling& scaling, std::span<const int64_t> order,
                             Place place, const std::string& where);
/// As scaled_columns there: [D, order]. `w` [D, F] lies on the device. Throws kNonFinite.
at::Tensor scaled_columns_on(const at::Tensor& w, const Scaling& scaling, std::span<const int64_t> order, Place place,
                             const std::string& where);

}  // namespace prunenet
