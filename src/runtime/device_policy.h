// The training backend of a device: parameters, both of AdamW's moments and, while there is room, the layers and their
// Gram matrices lie there; what goes to and fro is a logit and a gradient for each row, singular values, and the thin
// matrices of an estimate.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <vector>

#include "engine/accelerator.h"
#include "policy/host_backend.h"
#include "runtime/device_matrix.h"

namespace prunenet {

/// In f32 or f64 throughout, as HostBackend<Real>. The state that `save` gives is that backend's, part by part, so that
/// either can go on from the other's. The spectra of whole layers are computed once.
template <typename Real>
class DeviceBackend final : public PolicyBackend {
 public:
  /// See Accelerator::policy_backend.
  DeviceBackend(at::Device device, LayerSource<Real>& source, const PolicyNetwork<Real>& initial,
                const PolicyBackendOptions& options);

  int64_t num_layers() const override { return source_.num_layers(); }
  int64_t rows(int64_t layer) const override { return source_.rows(layer); }
  Vector<double> logits(int64_t layer) override;
  bool prepares() const override { return true; }
  void prepare(int64_t layer, int64_t kept) override;
  SpectrumDistance distance(int64_t layer, std::span<const int64_t> kept) override;
  void update(int64_t layer, std::span<const double> dlogit) override;
  void save(const std::function<void(const std::string&, std::span<const std::byte>)>& part) const override;
  bool restore(const PartOf& part_of) override;
  PolicyNetwork<float> network() const override;

 private:
  static constexpr at::ScalarType kType = c10::CppTypeToScalarType<Real>::value;
  struct Parameters {
    at::Tensor p, b, q;  // [H, D], [H], [H]
  };
  struct Whole {
    std::vector<double> values;  // singular values, descending
    LayerEstimate estimate;
  };
  struct Layer {
    at::Tensor w;     // [F, D]
    at::Tensor gram;  // of w * scale: [D, D] when F > D, else [F, F]; undefined until it is asked for
    double scale = 1;
  };

  Layer& at_hand(int64_t index);
  Layer& with_gram(int64_t index);
  at::Tensor scaled_rows(const Layer& layer, const at::Tensor& index) const;
  std::vector<double> whole_values(int64_t index);
  Whole& whole(int64_t index);
  bool estimates(int64_t index, int64_t kept);  // choices of so many rows
  std::vector<double> kept_values(int64_t index, std::span<const int64_t> kept);

  Place place_;
  LayerSource<Real>& source_;
  PolicyBackendOptions options_;
  int64_t free_bytes_;  // of resident_bytes, that layers and Gram matrices may still fill
  Parameters network_, first_, second_;
  int64_t steps_ = 0;
  std::map<int64_t, Layer> resident_;
  int64_t passing_index_ = -1;  // the layer at hand that found no room to stay
  Layer passing_;
  std::map<int64_t, Whole> whole_;
};

}  // namespace prunenet
