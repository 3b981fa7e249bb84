// The accelerator on libtorch.
#include "runtime/torch_accelerator.h"

#include "runtime/device_eliminate.h"
#include "runtime/device_policy.h"
#include "runtime/device_refit.h"
#include "runtime/guard.h"
#include "runtime/torch_engine.h"

namespace prunenet {
namespace {

// A backend whose torch errors become ours, too.
class GuardedBackend final : public PolicyBackend {
 public:
  GuardedBackend(std::unique_ptr<PolicyBackend> inner, std::string where)
      : inner_(std::move(inner)), where_(std::move(where)) {}

  int64_t num_layers() const override { return inner_->num_layers(); }
  int64_t rows(int64_t layer) const override { return inner_->rows(layer); }
  Vector<double> logits(int64_t layer) override {
    return guarded(where_, [&] { return inner_->logits(layer); });
  }
  bool prepares() const override { return inner_->prepares(); }
  void prepare(int64_t layer, int64_t kept) override {
    guarded(where_, [&] { inner_->prepare(layer, kept); });
  }
  SpectrumDistance distance(int64_t layer, std::span<const int64_t> kept) override {
    return guarded(where_, [&] { return inner_->distance(layer, kept); });
  }
  void update(int64_t layer, std::span<const double> dlogit) override {
    guarded(where_, [&] { inner_->update(layer, dlogit); });
  }
  void save(const std::function<void(const std::string&, std::span<const std::byte>)>& part) const override {
    guarded(where_, [&] { inner_->save(part); });
  }
  bool restore(const PartOf& part_of) override {
    return guarded(where_, [&] { return inner_->restore(part_of); });
  }
  PolicyNetwork<float> network() const override {
    return guarded(where_, [&] { return inner_->network(); });
  }

 private:
  std::unique_ptr<PolicyBackend> inner_;
  std::string where_;
};

}  // namespace

TorchAccelerator::TorchAccelerator(const AcceleratorOptions& options)
    : device_(torch_device(options.device)), throw_if_cancelled_(options.throw_if_cancelled) {
  prepare_torch(options.threads);
}

Elimination TorchAccelerator::eliminate(const Moments& moments, const Matrix<float>& w,
                                        const Matrix<float>* sensitivity, const EliminationOptions& options) {
  return guarded(options.where,
                 [&] { return eliminate_on(device_, moments, w, sensitivity, options, throw_if_cancelled_); });
}

Refit TorchAccelerator::refit(const Moments& moments, const TargetMoments* target, const Matrix<float>& w,
                              const std::vector<double>* bias, std::span<const int64_t> kept,
                              const RefitOptions& options) {
  if (throw_if_cancelled_ != nullptr) throw_if_cancelled_();
  return guarded(options.where, [&] { return refit_on(device_, moments, target, w, bias, kept, options); });
}

template <typename Real>
std::unique_ptr<PolicyBackend> TorchAccelerator::backend(LayerSource<Real>& source, const PolicyNetwork<Real>& initial,
                                                         const PolicyBackendOptions& options) {
  const std::string where = "training on " + device();
  return guarded(where, [&] {
    return std::make_unique<GuardedBackend>(std::make_unique<DeviceBackend<Real>>(device_, source, initial, options),
                                            where);
  });
}

std::unique_ptr<PolicyBackend> TorchAccelerator::policy_backend(LayerSource<float>& source,
                                                                const PolicyNetwork<float>& initial,
                                                                const PolicyBackendOptions& options) {
  return backend(source, initial, options);
}

std::unique_ptr<PolicyBackend> TorchAccelerator::policy_backend(LayerSource<double>& source,
                                                                const PolicyNetwork<double>& initial,
                                                                const PolicyBackendOptions& options) {
  return backend(source, initial, options);
}

}  // namespace prunenet
