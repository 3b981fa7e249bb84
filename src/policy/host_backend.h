// The training backend of the host: policy and moments in memory, a layer at a time beside them.
#pragma once

#include <algorithm>

#include "policy/backend.h"
#include "policy/spectrum_base.h"
#include "policy/update.h"

namespace prunenet {

/// Where the policy's view of a layer comes from. The policy knows no checkpoint and no architecture.
template <typename Real>
class LayerSource {
 public:
  virtual ~LayerSource() = default;
  virtual int64_t num_layers() const = 0;
  virtual int64_t rows(int64_t layer) const = 0;
  virtual int64_t cols() const = 0;
  /// W [rows(layer), cols], finite.
  virtual Matrix<Real> load(int64_t layer) = 0;
  /// The same into a matrix that may have room already: fresh memory costs a page fault for every page.
  virtual void load_into(int64_t layer, Matrix<Real>& w) { w = load(layer); }
};

/// The width of a policy for these layers: their largest.
template <typename Real>
int64_t hidden_units_for(const LayerSource<Real>& source) {
  int64_t units = 0;
  for (int64_t l = 0; l < source.num_layers(); ++l) units = std::max(units, source.rows(l));
  return units;
}

/// Memory: three times the policy (parameters and two moments), a layer, and three Gram matrices.
/// Holds references to source and spectra. The same bits for any number of threads.
template <typename Real>
class HostBackend final : public PolicyBackend {
 public:
  HostBackend(LayerSource<Real>& source, SpectrumBase<Real>& spectra, PolicyNetwork<Real> initial, AdamWOptions options);

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
  const Matrix<Real>& weights(int64_t layer);

  LayerSource<Real>& source_;
  SpectrumBase<Real>& spectra_;
  PolicyNetwork<Real> network_;
  AdamW<Real> optimiser_;
  int64_t loaded_layer_ = -1;  // the one whose matrix is at hand
  Matrix<Real> loaded_;
};

}  // namespace prunenet
