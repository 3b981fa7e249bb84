// Training on the host.
#include "policy/host_backend.h"

#include <cstring>

#include "base/error.h"

namespace prunenet {
namespace {

template <typename Dense>
std::span<const std::byte> bytes_of(const Dense& values) {
  return std::as_bytes(std::span(values.data(), static_cast<size_t>(values.size())));
}

// Visits every array of the state under its name. Const or not as the network and the moments are.
template <typename Network, typename Visit>
void visit_network(const std::string& name, Network& network, const Visit& visit) {
  visit(name + ".p", network.p);
  visit(name + ".b", network.b);
  visit(name + ".q", network.q);
}

constexpr const char* kSteps = "steps";

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
SpectrumDistance HostBackend<Real>::distance(int64_t layer, std::span<const int64_t> kept) {
  return spectra_.distance(layer, weights(layer), kept);
}

template <typename Real>
void HostBackend<Real>::update(int64_t layer, std::span<const double> dlogit) {
  optimiser_.step(network_, policy_gradient(network_, weights(layer), dlogit));
}

template <typename Real>
void HostBackend<Real>::save(const std::function<void(const std::string&, std::span<const std::byte>)>& part) const {
  const auto give = [&](const std::string& name, const auto& values) { part(name, bytes_of(values)); };
  visit_network("network", network_, give);
  visit_network("first", optimiser_.first(), give);
  visit_network("second", optimiser_.second(), give);
  const int64_t steps = optimiser_.steps();
  part(kSteps, std::as_bytes(std::span(&steps, 1)));
}

template <typename Real>
bool HostBackend<Real>::restore(const PartOf& part_of) {
  int64_t steps = 0;
  const auto visit_all = [&](const auto& visit) {
    const auto arrays = [&](const std::string& name, auto& values) {
      visit(name, std::as_writable_bytes(std::span(values.data(), static_cast<size_t>(values.size()))));
    };
    visit_network("network", network_, arrays);
    visit_network("first", optimiser_.first(), arrays);
    visit_network("second", optimiser_.second(), arrays);
    visit(kSteps, std::as_writable_bytes(std::span(&steps, 1)));
  };
  bool whole = true;
  visit_all([&](const std::string& name, std::span<std::byte> target) {
    const auto bytes = part_of(name);
    whole = whole && bytes && bytes->size() == target.size();
  });
  if (!whole) return false;
  visit_all([&](const std::string& name, std::span<std::byte> target) {
    std::memcpy(target.data(), part_of(name)->data(), target.size());
  });
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
