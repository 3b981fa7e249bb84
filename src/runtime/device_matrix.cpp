// To the device and back.
#include "runtime/device_matrix.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace prunenet {
namespace {

constexpr int64_t kNumbersAtOnce = int64_t{1} << 25;  // of f64 that are formed and rounded at a time: 256 MiB

// The scales, or what is taken off, of the inputs in `order`.
std::vector<double> in_order(const std::vector<double>& values, std::span<const int64_t> order) {
  std::vector<double> result;
  result.reserve(order.size());
  for (const int64_t i : order) result.push_back(values[static_cast<size_t>(i)]);
  return result;
}

}  // namespace

template <typename Real>
at::Tensor on_device(const Matrix<Real>& matrix, Place place) {
  const at::Tensor view = at::from_blob(const_cast<Real*>(matrix.data()), {matrix.rows(), matrix.cols()},
                                        at::TensorOptions(c10::CppTypeToScalarType<Real>::value));
  if (place.device.is_cpu()) return view.to(place.type, false, true);  // else the result would be the caller's memory
  return view.to(place.device).to(place.type);
}
template at::Tensor on_device<float>(const Matrix<float>&, Place);
template at::Tensor on_device<double>(const Matrix<double>&, Place);

at::Tensor on_device(std::span<const double> values, Place place) {
  return at::from_blob(const_cast<double*>(values.data()), {static_cast<int64_t>(values.size())},
                       at::TensorOptions(at::kDouble))
      .clone()
      .to(place.device, place.type);
}

at::Tensor on_device(std::span<const int64_t> values, at::Device device) {
  return at::from_blob(const_cast<int64_t*>(values.data()), {static_cast<int64_t>(values.size())},
                       at::TensorOptions(at::kLong))
      .clone()
      .to(device);
}

Matrix<float> to_host_matrix(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.to(at::kFloat).cpu().contiguous();
  return Eigen::Map<const Matrix<float>>(plain.data_ptr<float>(), plain.size(0), plain.size(1));
}

template <typename Real>
void copy_to_host(const at::Tensor& tensor, Matrix<Real>& target) {
  const at::Tensor plain = tensor.cpu().contiguous();
  PRUNENET_CHECK(plain.size(0) == target.rows() && plain.size(1) == target.cols());
  std::copy_n(plain.data_ptr<Real>(), plain.numel(), target.data());
}
template void copy_to_host<float>(const at::Tensor&, Matrix<float>&);
template void copy_to_host<double>(const at::Tensor&, Matrix<double>&);

std::vector<double> to_host_numbers(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.to(at::kDouble).cpu().contiguous();
  return {plain.data_ptr<double>(), plain.data_ptr<double>() + plain.numel()};
}

std::vector<int64_t> to_host_indices(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.cpu().contiguous();
  return {plain.data_ptr<int64_t>(), plain.data_ptr<int64_t>() + plain.numel()};
}

// A sum in f64 is finite only if every term is: no sum of finite f32 numbers overflows it, and f64 tensors here hold
// numbers that were f32 or whose squares are of that size.
bool all_finite(const at::Tensor& tensor) {
  return std::isfinite(at::sum(tensor, at::kDouble).item<double>());
}

double inner_product_of(const at::Tensor& a, const at::Tensor& b) {
  return at::sum(a * b, at::kDouble).item<double>();
}

at::Tensor whole_symmetric(const at::Tensor& upper) {
  at::Tensor whole = at::triu(upper);
  whole.add_(at::triu(upper, 1).t());
  return whole;
}

at::Tensor scaled_moments_on(const Moments& moments, const Scaling& scaling, std::span<const int64_t> order,
                             Place place, const std::string& where) {
  const auto n = static_cast<int64_t>(order.size());
  const Place wide{place.device, at::kDouble};
  std::vector<double> inverses = in_order(scaling.scale, order);
  for (double& value : inverses) value = value > 0 ? 1 / value : 0;
  const at::Tensor inverse = on_device(inverses, wide), mean = on_device(in_order(scaling.mean, order), wide);
  const at::Tensor index = on_device(order, place.device);
  const at::Tensor second = whole_symmetric(on_device(moments.second, {place.device, at::kFloat}));
  at::Tensor scaled = at::empty({n, n}, place.options());
  const int64_t at_once = std::max<int64_t>(1, kNumbersAtOnce / std::max<int64_t>(1, n));
  for (int64_t first = 0; first < n; first += at_once) {
    const int64_t rows = std::min(at_once, n - first);
    const auto part = [&](const at::Tensor& vector) { return vector.narrow(0, first, rows).unsqueeze(1); };
    at::Tensor block = second.index_select(0, index.narrow(0, first, rows)).index_select(1, index).to(at::kDouble);
    block = (block - part(mean) * mean) * part(inverse) * inverse;
    scaled.narrow(0, first, rows).copy_(block);
  }
  if (!all_finite(scaled)) fail(ErrorCode::kNonFinite, where, "the second moments hold NaN or infinity");
  scaled.diagonal().fill_(1);
  return scaled;
}

at::Tensor scaled_columns_on(const at::Tensor& w, const Scaling& scaling, std::span<const int64_t> order, Place place,
                             const std::string& where) {
  const at::Tensor scale = on_device(in_order(scaling.scale, order), {place.device, at::kDouble});
  const at::Tensor index = on_device(order, place.device);
  at::Tensor columns = at::empty({w.size(0), index.size(0)}, place.options());
  const int64_t at_once = std::max<int64_t>(1, kNumbersAtOnce / std::max<int64_t>(1, index.size(0)));
  for (int64_t first = 0; first < w.size(0); first += at_once) {
    const int64_t rows = std::min(at_once, w.size(0) - first);
    columns.narrow(0, first, rows).copy_(w.narrow(0, first, rows).index_select(1, index).to(at::kDouble) * scale);
  }
  if (!all_finite(columns)) {
    fail(ErrorCode::kNonFinite, where, "the weights hold NaN or infinity, or leave the range of f32");
  }
  return columns;
}

}  // namespace prunenet
