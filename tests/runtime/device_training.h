// Training on the device under test: its accelerator, layers for it, and a backend's state in the hand.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/host_backend.h"
#include "runtime/torch_accelerator.h"
#include "test_device.h"

namespace prunenet::test {

/// Layers as they are given, and how often they were asked for.
template <typename Real>
class GivenLayers final : public LayerSource<Real> {
 public:
  explicit GivenLayers(std::vector<Matrix<Real>> layers) : layers_(std::move(layers)) {}
  int64_t num_layers() const override { return static_cast<int64_t>(layers_.size()); }
  int64_t rows(int64_t layer) const override { return layers_[static_cast<size_t>(layer)].rows(); }
  int64_t cols() const override { return layers_.front().cols(); }
  Matrix<Real> load(int64_t layer) override {
    ++loads;
    return layers_[static_cast<size_t>(layer)];
  }
  int64_t loads = 0;

 private:
  std::vector<Matrix<Real>> layers_;
};

/// The one of the device under test.
inline TorchAccelerator& accelerator() {
  static TorchAccelerator one(test_accelerator_options());
  return one;
}

/// Every part of a backend's state.
inline std::map<std::string, std::vector<std::byte>> state_of(const PolicyBackend& backend) {
  std::map<std::string, std::vector<std::byte>> state;
  backend.save([&](const std::string& name, std::span<const std::byte> bytes) {
    state[name].assign(bytes.begin(), bytes.end());
  });
  return state;
}

/// The reverse.
inline bool restore(PolicyBackend& backend, const std::map<std::string, std::vector<std::byte>>& state) {
  return backend.restore([&](const std::string& name) -> std::optional<std::span<const std::byte>> {
    const auto found = state.find(name);
    if (found == state.end()) return std::nullopt;
    return std::span<const std::byte>(found->second);
  });
}

}  // namespace prunenet::test
