// The accelerator on libtorch: each operation is a file of its own (device_eliminate, device_refit, device_policy);
// here they stand behind the border.
#pragma once

#include <ATen/ATen.h>

#include "engine/accelerator.h"

namespace prunenet {

class TorchAccelerator final : public Accelerator {
 public:
  /// See load_accelerator.
  explicit TorchAccelerator(const AcceleratorOptions& options);

  std::string device() const override { return device_.str(); }
  Elimination eliminate(const Moments& moments, const Matrix<float>& w, const Matrix<float>* sensitivity,
                        const EliminationOptions& options) override;
  Refit refit(const Moments& moments, const TargetMoments* target, const Matrix<float>& w,
              const std::vector<double>* bias, std::span<const int64_t> kept, const RefitOptions& options) override;
  std::unique_ptr<PolicyBackend> policy_backend(LayerSource<float>& source, const PolicyNetwork<float>& initial,
                                                const PolicyBackendOptions& options) override;
  std::unique_ptr<PolicyBackend> policy_backend(LayerSource<double>& source, const PolicyNetwork<double>& initial,
                                                const PolicyBackendOptions& options) override;

 private:
  template <typename Real>
  std::unique_ptr<PolicyBackend> backend(LayerSource<Real>& source, const PolicyNetwork<Real>& initial,
                                         const PolicyBackendOptions& options);

  at::Device device_;
  void (*throw_if_cancelled_)();
};

}  // namespace prunenet
