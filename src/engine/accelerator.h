// Dense work on a device: what choosing, refitting and the published policy compute, behind one border, so that it runs
// where the model does. The host's own code (surgeon, policy) says what each call means; a device says it again within
// rounding. Opened through load.h, as engines are.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "policy/host_backend.h"
#include "surgeon/eliminate.h"
#include "surgeon/refit.h"

namespace prunenet {

/// Of device memory that a policy backend keeps layers in, unless told otherwise: LLaMA-2-7B's 32 layers fill 7.4 GiB.
inline constexpr int64_t kResidentBytes = int64_t{8} << 30;

/// How a policy is trained on a device.
struct PolicyBackendOptions {
  AdamWOptions adamw{};
  SpectrumRoute route = SpectrumRoute::kGram;  // kDirect: torch's svdvals
  SpectrumMethod method = SpectrumMethod::kExact;
  int64_t resident_bytes = kResidentBytes;  // of device memory that layers and Gram matrices may fill
};

struct AcceleratorOptions {
  /// "cuda" or "cuda:N", with whole f32 products (runtime/full_precision.h); "cpu" computes the same on the processor, which is for tests: there the rooms' own code is
  /// faster, and its bits do not depend on the number of threads.
  std::string device = "cuda";
  int threads = 0;                         // of what stays on the host; 0: all processors
  void (*throw_if_cancelled)() = nullptr;  // asked between panels, layers and steps
};

/// One call at a time. Every call throws kIo where the device's memory does not do.
class Accelerator {
 public:
  virtual ~Accelerator() = default;

  /// "cuda:0".
  virtual std::string device() const = 0;

  /// prunenet::eliminate on the device: the same greedy choice in the same precision, the products rounded otherwise.
  /// The same set where no two losses are within rounding of each other; errors as far from the exact ones as the
  /// host's are. Device memory: four F x F matrices at most, besides the input.
  virtual Elimination eliminate(const Moments& moments, const Matrix<float>& w, const Matrix<float>* sensitivity,
                                const EliminationOptions& options) = 0;

  /// prunenet::refit on the device. Device memory: an F x F matrix in f32, one and two K x K in the precision asked
  /// for.
  virtual Refit refit(const Moments& moments, const TargetMoments* target, const Matrix<float>& w,
                      const std::vector<double>* bias, std::span<const int64_t> kept, const RefitOptions& options) = 0;

  /// Training of the published policy with parameters, both moments and the layers' Gram matrices on the device, in f32
  /// or f64. Noise and draws are the training loop's, so the same seed draws alike. Distances are estimated where the
  /// host's are. Layers and Gram matrices stay on the device while they fit in `resident_bytes`; others are uploaded
  /// and formed anew each time. `source` must outlive it.
  virtual std::unique_ptr<PolicyBackend> policy_backend(LayerSource<float>& source, const PolicyNetwork<float>& initial,
                                                        const PolicyBackendOptions& options) = 0;
  virtual std::unique_ptr<PolicyBackend> policy_backend(LayerSource<double>& source,
                                                        const PolicyNetwork<double>& initial,
                                                        const PolicyBackendOptions& options) = 0;
};

}  // namespace prunenet
