// The model in the making: which neurons, KV groups and layers stay, and the matrices that were refitted, as they will
// be stored. What slicing writes and what an engine can run beside the dense model.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result_store.h"
#include "engine/engine.h"
#include "model/mask.h"
#include "model/weights.h"

namespace prunenet {

/// The matrix of a site, W [D, F], and its bias.
struct SiteRef {
  const MatrixRef* weight = nullptr;
  const std::optional<std::string>* bias = nullptr;
};
SiteRef site_ref(const ModelDescription& model, int64_t layer, Site site);
/// Neurons, or KV groups.
int64_t units_of(const ModelDescription& model, int64_t layer, Site site);
/// Inputs of the site's matrix that one unit owns.
int64_t unit_inputs(const ModelDescription& model, int64_t layer, Site site);
/// W as f32. Throws kNonFinite naming the tensor.
Matrix<float> site_weight(const Checkpoint& checkpoint, const ModelDescription& model, int64_t layer, Site site);
/// Its bias, or nothing.
std::optional<std::vector<double>> site_bias(const Checkpoint& checkpoint, const ModelDescription& model, int64_t layer,
                                             Site site);

/// What a site has become, but for the bytes: those are in the store, under "tensor/" and the tensor's name.
struct SiteState {
  std::optional<std::vector<int64_t>> kept;  // neurons or KV groups, where some have gone
  std::vector<bool> replaced;                // which of the site's tensors, in an order of the model's own
};

class ChangedModel {
 public:
  /// Nothing is changed yet. The arguments must outlive it; refitted matrices wait in `store`, which must hold parts of
  /// no other changed model: what an earlier run left of this one can be restored from it.
  ChangedModel(const Checkpoint& checkpoint, const ModelDescription& model, ResultStore& store);

  void keep_neurons(int64_t layer, std::vector<int64_t> kept);
  void keep_kv_groups(int64_t layer, std::vector<int64_t> kept);
  void drop_layer(int64_t layer);
  /// The site's matrix becomes `weight` [D, kept inputs], and its bias `bias` where it has one and this is not empty.
  /// They are rounded to the type in which they will be stored (replacement_dtype). Throws kNonFinite, naming the
  /// tensor, for what that cannot hold.
  void refit(int64_t layer, Site site, const Matrix<float>& weight, std::span<const double> bias);

  /// The kept neurons of a layer compute something new. Likewise rounded.
  void refit_neurons(int64_t layer, const FfnRows& rows);

  /// What the site is now.
  SiteState state(int64_t layer, Site site) const;
  /// The store holds the bytes for such a state: right in number, of the right sizes.
  bool can_restore(int64_t layer, Site site, const SiteState& state) const;
  /// Makes the site what it was; `can_restore` must be true.
  void restore(int64_t layer, Site site, const SiteState& state);

  ResultStore& store() const { return store_; }
  const Mask& mask() const { return mask_; }
  const std::map<std::string, std::span<const std::byte>>& replaced() const { return replaced_; }
  /// The inputs of the site that stay: neurons, or the numbers of the heads of the KV groups.
  std::vector<int64_t> kept_inputs(int64_t layer, Site site) const;
  /// What the site has become, as it will be stored (without padding, of which this knows nothing: zero neurons may
  /// fill up blocks of a quantised matrix that was not refitted, which is stored in another type then); nothing where
  /// it is as it was (or the layer is gone).
  std::optional<SiteChange> change(int64_t layer, Site site) const;

 private:
  std::optional<FfnRows> rows_of(int64_t layer) const;
  // A tensor of a site, as it is stored where it was replaced.
  struct Replaceable {
    std::string name;
    int64_t rows = 0, cols = 0;
    Dtype dtype = Dtype::kF32;
  };
  std::vector<Replaceable> replaceable(int64_t layer, Site site, int64_t kept_units) const;
  void put_matrix(const MatrixRef& ref, const Matrix<float>& weight);
  // `cols` values to a row of the tensor as it is stored.
  void put(const std::string& tensor, std::span<const float> values, int64_t cols);
  std::vector<float> get(const std::string& tensor) const;

  const Checkpoint& checkpoint_;
  const ModelDescription& model_;
  ResultStore& store_;
  Mask mask_;
  std::map<std::string, std::span<const std::byte>> replaced_;
  std::map<std::string, Dtype> dtypes_;  // of what is replaced
};

/// Mean KL(dense || changed) a token over the sequences, in nats. Cost: two forward passes.
double measure_changed(Engine& engine, const ModelDescription& model, const ChangedModel& changed,
                       std::span<const std::vector<TokenId>> sequences);

}  // namespace prunenet
