// Training on the host.
#include "policy/host_backend.h"

#include <cstring>

#include "base/error.h"
#include "policy/backend_parts.h"

namespace prunenet {
namespace {

template <typename Dense>
std::span<const std::byte> bytes_of(const Dense& values) {
  return std::as_bytes(std::span(values.data(), static_cast<size_t>(values.size())));
}

}  // namespace

template <typename Real>
HostBackend<Real>::HostBackend(LayerSource<Real>& source, SpectrumBase<Real>& spectra, PolicyNetwork<Real> initial,
                               AdamWOptions options)
    : source_(source), spectra_(spectra), network_(std::move(initial)), optimiser_(network_, options) {
  PRUNENET_CHECK(network_.width() == source.cols());
}

template <typename Real>
const Matrix<Real>& HostBackend<Real>::weights(int64_t layer) {
  if (loaded_layer_ != layer) {
    loaded_layer_ = -1;
    source_.load_into(layer, loaded_);
    loaded_layer_ = layer;
  }
  return loaded_;
}

template <typename Real>
Vector<double> HostBackend<Real>::logits(int64_t layer) {
  return network_.logits(weights(layer)).template cast<double>();
}

template <typename Real>
void HostBackend<Real>::prepare(int64_t layer, int64_t kept) {
  spectra_.prepare(layer, weights(layer), kept);
}

template <typename Real>
SpectrumDistance HostBackend<Real>::distance(int64_t layer, std::span<const int64_t> kept) {
  return spectra_.distance(layer, weights(layer), kept);
}

template <typename Real>
void HostBackend<Real>::update(int64_t layer, std::span<const double> dlogit) {
  optimiser_.step(network_, policy_gradient(network_, weights(layer), dlogit));
}

template <typename Real>
void HostBackend<Real>::save(const std::function<void(const std::string&, std::span<const std::byte>)>& part) const {
  visit_parts(network_, optimiser_.first(), optimiser_.second(),
              [&](const std::string& name, const auto& values) { part(name, bytes_of(values)); });
  const int64_t steps = optimiser_.steps();
  part(kStepsPart, std::as_bytes(std::span(&steps, 1)));
}

template <typename Real>
bool HostBackend<Real>::restore(const PartOf& part_of) {
  const auto visit_all = [&](const auto& visit) {
    visit_parts(network_, optimiser_.first(), optimiser_.second(), visit);
  };
  int64_t steps = 0;
  bool whole = has_part(part_of, kStepsPart, sizeof steps);
  visit_all([&](const std::string& name, const auto& values) {
    whole = whole && has_part(part_of, name, bytes_of(values).size());
  });
  if (!whole) return false;  // and nothing has changed
  visit_all([&](const std::string& name, auto& values) {
    const auto bytes = part_of(name);
    if (!bytes->empty()) std::memcpy(values.data(), bytes->data(), bytes->size());
  });
  std::memcpy(&steps, part_of(kStepsPart)->data(), sizeof steps);
  optimiser_.set_steps(steps);
  return true;
}

template <typename Real>
PolicyNetwork<float> HostBackend<Real>::network() const {
  return {network_.p.template cast<float>(), network_.b.template cast<float>(), network_.q.template cast<float>()};
}

template class HostBackend<float>;
template class HostBackend<double>;

}  // namespace prunenet
