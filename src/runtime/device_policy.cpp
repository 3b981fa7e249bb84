// Training on a device. The formulas are those of policy/network.cpp, policy/update.cpp and spectrum/spectrum.cpp; when
// an estimate is taken, and all of it but the products, is policy/layer_estimate.h and spectrum/estimate.h.
#include "runtime/device_policy.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "policy/backend_parts.h"
#include "runtime/device_matrix.h"
#include "spectrum/removed_rows.h"

namespace prunenet {
namespace {

// Throws kNonFinite.
template <typename Real>
double scale_for_squares_of(const at::Tensor& w) {
  const Real largest = at::amax(at::abs(w)).item<Real>();
  if (!std::isfinite(largest)) fail(ErrorCode::kNonFinite, "policy", "the weights of a layer hold NaN or infinity");
  return static_cast<double>(scale_for_squares_up_to(largest));
}

// Square roots of a Gram matrix's eigenvalues; rounding may leave the smallest a little below zero.
std::vector<double> roots_of_eigenvalues(const at::Tensor& gram, double scale) {
  std::vector<double> values = to_host_numbers(at::linalg_eigvalsh(gram));
  std::reverse(values.begin(), values.end());
  for (double& value : values) value = std::sqrt(std::max(0.0, value)) / scale;
  return values;
}

at::Tensor gram_of(const at::Tensor& w) {
  return w.size(0) > w.size(1) ? at::mm(w.t(), w) : at::mm(w, w.t());
}

template <typename Real>
at::Tensor vector_on(const Vector<Real>& values, Place place) {
  return on_device(Matrix<Real>(values.transpose()), place).view({-1});
}

Vector<float> to_host_vector(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.to(at::kFloat).cpu().contiguous();
  return Eigen::Map<const Vector<float>>(plain.data_ptr<float>(), plain.numel());
}

// Products on the device. Lanczos itself is the host's: its thin matrices, 256 KB each at order 4096 in f32, go to and
// fro.
template <typename Real>
class DeviceProber final : public LayerProber {
 public:
  // Of w [F, D] and its Gram matrix [D, D].
  DeviceProber(const at::Tensor& w, const at::Tensor& gram) : w_(w), gram_(gram), place_{w.device(), w.scalar_type()} {}

  std::vector<double> row_weights() override {
    return to_host_numbers(at::linalg_vector_norm(w_, 2, at::IntArrayRef{1}).to(at::kDouble).square());
  }
  ProbedSpectrum without(std::span<const int64_t> removed) override {
    if (removed.empty()) return probe([&](const at::Tensor& x) { return at::mm(gram_, x); });
    const at::Tensor gone = rows(removed), back = gone.t();
    return probe([&](const at::Tensor& x) { return at::mm(gram_, x).addmm_(back, at::mm(gone, x), 1, -1); });
  }
  ProbedSpectrum of(std::span<const int64_t> kept) override {
    const at::Tensor left = rows(kept), back = left.t();
    return probe([&](const at::Tensor& x) { return at::mm(back, at::mm(left, x)); });
  }

 private:
  at::Tensor rows(std::span<const int64_t> which) const { return w_.index_select(0, on_device(which, place_.device)); }
  template <typename Product>
  ProbedSpectrum probe(const Product& product) const {
    return probe_by<Real>(
        w_.size(1), [&](const Matrix<Real>& x, Matrix<Real>& y) { copy_to_host(product(on_device(x, place_)), y); });
  }

  at::Tensor w_, gram_;
  Place place_;
};

}  // namespace

template <typename Real>
DeviceBackend<Real>::DeviceBackend(at::Device device, LayerSource<Real>& source, const PolicyNetwork<Real>& initial,
                                   const PolicyBackendOptions& options)
    : place_{device, kType}, source_(source), options_(options), free_bytes_(options.resident_bytes) {
  PRUNENET_CHECK(initial.width() == source.cols() && options.resident_bytes >= 0);
  const at::NoGradGuard no_grad;
  network_ = {on_device(initial.p, place_), vector_on(initial.b, place_), vector_on(initial.q, place_)};
  for (Parameters* moment : {&first_, &second_}) {
    *moment = {at::zeros_like(network_.p), at::zeros_like(network_.b), at::zeros_like(network_.q)};
  }
}

template <typename Real>
typename DeviceBackend<Real>::Layer& DeviceBackend<Real>::at_hand(int64_t index) {
  const auto found = resident_.find(index);
  if (found != resident_.end()) return found->second;
  if (passing_index_ == index) return passing_;
  passing_ = Layer();  // before the next one comes
  passing_index_ = -1;
  Layer layer;
  {
    const Matrix<Real> w = source_.load(index);
    PRUNENET_CHECK(w.cols() == network_.p.size(1) && w.rows() <= network_.p.size(0));
    layer.w = on_device(w, place_);
  }
  layer.scale = scale_for_squares_of<Real>(layer.w);
  const int64_t smaller = std::min(layer.w.size(0), layer.w.size(1));
  const int64_t gram_numbers = options_.route == SpectrumRoute::kDirect ? 0 : smaller * smaller;
  const int64_t bytes = (layer.w.numel() + gram_numbers) * static_cast<int64_t>(sizeof(Real));
  if (bytes <= free_bytes_) {
    free_bytes_ -= bytes;
    return resident_[index] = std::move(layer);
  }
  passing_ = std::move(layer);
  passing_index_ = index;
  return passing_;
}

template <typename Real>
typename DeviceBackend<Real>::Layer& DeviceBackend<Real>::with_gram(int64_t index) {
  Layer& layer = at_hand(index);
  if (!layer.gram.defined()) layer.gram = gram_of(layer.scale == 1 ? layer.w : layer.w * layer.scale);
  return layer;
}

template <typename Real>
at::Tensor DeviceBackend<Real>::scaled_rows(const Layer& layer, const at::Tensor& index) const {
  const at::Tensor some = layer.w.index_select(0, index);
  return layer.scale == 1 ? some : some * layer.scale;
}

template <typename Real>
std::vector<double> DeviceBackend<Real>::whole_values(int64_t index) {
  if (options_.route == SpectrumRoute::kDirect) return to_host_numbers(at::linalg_svdvals(at_hand(index).w));
  const Layer& layer = with_gram(index);
  return roots_of_eigenvalues(layer.gram, layer.scale);
}

template <typename Real>
std::vector<double> DeviceBackend<Real>::kept_values(int64_t index, std::span<const int64_t> kept) {
  const at::Tensor which = on_device(kept, place_.device);
  if (options_.route == SpectrumRoute::kDirect) {
    return to_host_numbers(at::linalg_svdvals(at_hand(index).w.index_select(0, which)));
  }
  const Layer& layer = with_gram(index);
  const int64_t rows = layer.w.size(0), cols = layer.w.size(1), count = which.size(0);
  if (rows <= cols) {  // the Gram matrix of rows: the choice is a part of it
    return roots_of_eigenvalues(layer.gram.index_select(0, which).index_select(1, which), layer.scale);
  }
  if (2 * count > rows && count > cols) {
    // What went leaves its rounding errors behind: where it held most of the weight, what is left is formed anew.
    const at::Tensor removed = scaled_rows(layer, on_device(removed_rows(kept, rows), place_.device));
    const double all_weight = at::sum(layer.gram.diagonal(), at::kDouble).template item<double>();
    if (may_downdate(inner_product_of(removed, removed), all_weight)) {
      return roots_of_eigenvalues(at::addmm(layer.gram, removed.t(), removed, 1, -1), layer.scale);
    }
  }
  return roots_of_eigenvalues(gram_of(scaled_rows(layer, which)), layer.scale);
}

template <typename Real>
Vector<double> DeviceBackend<Real>::logits(int64_t layer) {
  const at::NoGradGuard no_grad;
  const at::Tensor& w = at_hand(layer).w;
  const at::Tensor values = at::mv(w, at::mv(network_.p.t(), network_.q)) + at::dot(network_.b, network_.q);
  const at::Tensor plain = values.to(at::kDouble).cpu().contiguous();
  return Eigen::Map<const Vector<double>>(plain.data_ptr<double>(), plain.numel());
}

template <typename Real>
typename DeviceBackend<Real>::Whole& DeviceBackend<Real>::whole(int64_t index) {
  auto found = whole_.find(index);
  if (found == whole_.end()) found = whole_.emplace(index, Whole{whole_values(index), {}}).first;
  return found->second;
}

template <typename Real>
bool DeviceBackend<Real>::estimates(int64_t index, int64_t kept) {
  return can_estimate(options_.method, options_.route, rows(index), source_.cols(), kept) && at_hand(index).scale == 1;
}

template <typename Real>
void DeviceBackend<Real>::prepare(int64_t layer, int64_t kept) {
  const at::NoGradGuard no_grad;
  Whole& prepared = whole(layer);
  if (!estimates(layer, kept)) return;
  const Layer& at_device = with_gram(layer);
  DeviceProber<Real> prober(at_device.w, at_device.gram);
  prepared.estimate.prepare(prober);
}

template <typename Real>
SpectrumDistance DeviceBackend<Real>::distance(int64_t layer, std::span<const int64_t> kept) {
  const at::NoGradGuard no_grad;
  PRUNENET_CHECK(!kept.empty() && kept.front() >= 0 && kept.back() < rows(layer));
  Whole& all = whole(layer);
  const auto count = static_cast<int64_t>(kept.size());
  if (count == rows(layer)) return {};
  if (estimates(layer, count)) {
    const Layer& at_device = with_gram(layer);
    DeviceProber<Real> prober(at_device.w, at_device.gram);
    const SpectrumDistance distance = all.estimate.distance(all.values, kept, prober);
    if (distance.converged) return distance;
  }
  return {ks_statistic(all.values, kept_values(layer, kept)), 0, true};
}

template <typename Real>
void DeviceBackend<Real>::update(int64_t layer, std::span<const double> dlogit) {
  const at::NoGradGuard no_grad;
  constexpr double kBound = 1e18;  // as policy/update.h: squares stay finite in f32
  const at::Tensor& w = at_hand(layer).w;
  PRUNENET_CHECK(static_cast<int64_t>(dlogit.size()) == w.size(0));
  double sum = 0;
  for (const double value : dlogit) sum += value;
  const auto s = static_cast<double>(static_cast<Real>(sum));
  const at::Tensor g = at::mv(w.t(), on_device(dlogit, place_)).clamp(-kBound, kBound);
  const at::Tensor of_q = (at::mv(network_.p, g) + network_.b * s).clamp(-kBound, kBound);
  const at::Tensor of_b = network_.q * s;

  ++steps_;
  const auto t = static_cast<double>(steps_);
  const double keep = 1 - options_.adamw.learning_rate * options_.adamw.weight_decay, beta1 = options_.adamw.beta1,
               beta2 = options_.adamw.beta2;
  const double step_size = options_.adamw.learning_rate / (1 - std::pow(beta1, t));
  const double root_correction = std::sqrt(1 - std::pow(beta2, t));
  const auto move = [&](at::Tensor& parameter, const at::Tensor& first, const at::Tensor& second) {
    parameter.mul_(keep);
    parameter.addcdiv_(first, second.sqrt().div_(root_correction).add_(options_.adamw.epsilon), -step_size);
  };
  // The gradient of P is q g^T: its outer products go straight into the moments.
  first_.p.addr_(network_.q, g, beta1, 1 - beta1);
  second_.p.addr_(network_.q.square(), g.square(), beta2, 1 - beta2);
  first_.b.mul_(beta1).add_(of_b, 1 - beta1);
  second_.b.mul_(beta2).addcmul_(of_b, of_b, 1 - beta2);
  first_.q.mul_(beta1).add_(of_q, 1 - beta1);
  second_.q.mul_(beta2).addcmul_(of_q, of_q, 1 - beta2);
  move(network_.p, first_.p, second_.p);
  move(network_.b, first_.b, second_.b);
  move(network_.q, first_.q, second_.q);
}

template <typename Real>
void DeviceBackend<Real>::save(const std::function<void(const std::string&, std::span<const std::byte>)>& part) const {
  visit_parts(network_, first_, second_, [&](const std::string& name, const at::Tensor& values) {
    const at::Tensor plain = values.cpu().contiguous();
    part(name, std::as_bytes(std::span(plain.template data_ptr<Real>(), static_cast<size_t>(plain.numel()))));
  });
  part(kStepsPart, std::as_bytes(std::span(&steps_, 1)));
}

template <typename Real>
bool DeviceBackend<Real>::restore(const PartOf& part_of) {
  bool whole = has_part(part_of, kStepsPart, sizeof steps_);
  visit_parts(network_, first_, second_, [&](const std::string& name, const at::Tensor& values) {
    whole = whole && has_part(part_of, name, static_cast<size_t>(values.numel()) * sizeof(Real));
  });
  if (!whole) return false;  // and nothing has changed
  visit_parts(network_, first_, second_, [&](const std::string& name, at::Tensor& values) {
    const auto bytes = part_of(name);
    const at::Tensor plain = at::empty(values.sizes(), at::TensorOptions(kType));
    if (!bytes->empty()) std::memcpy(plain.template data_ptr<Real>(), bytes->data(), bytes->size());
    values.copy_(plain);
  });
  std::memcpy(&steps_, part_of(kStepsPart)->data(), sizeof steps_);
  return true;
}

template <typename Real>
PolicyNetwork<float> DeviceBackend<Real>::network() const {
  return {to_host_matrix(network_.p), to_host_vector(network_.b), to_host_vector(network_.q)};
}

template class DeviceBackend<float>;
template class DeviceBackend<double>;

}  // namespace prunenet
