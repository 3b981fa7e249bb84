// Where the moments of a model's sites come from: a walk beside the model in the making, a walk through the dense one,
// a folder of an earlier run, or Gaussian inputs and the weights alone. One interface for all.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "moments/gaussian.h"
#include "moments/moments_file.h"

namespace prunenet {

/// Asked in the order of the layers, and of attention before FFN within one; sites may be left out.
class MomentSource {
 public:
  virtual ~MomentSource() = default;
  /// Moments of the inputs of the site's matrix, and where the source knows better than the matrix itself what its
  /// outputs ought to be, the targets.
  virtual SiteMoments moments(int64_t layer, Site site) = 0;
  /// False where it knows nothing of such sites.
  virtual bool knows(Site site) const = 0;
  /// See LayerWalk::refit_neurons; nothing where the source runs no model.
  virtual std::optional<NeuronRefit> refit_neurons(int64_t /*layer*/, const SiteChange& /*start*/,
                                                   NeuronRefitOptions /*options*/) {
    return std::nullopt;
  }
  /// The model in the making now differs there. Sources that look at the dense model alone do not care.
  virtual void changed(int64_t /*layer*/, Site /*site*/, const SiteChange& /*change*/) {}
  virtual void dropped(int64_t /*layer*/) {}
  /// After the last layer: mean KL(dense || changed) over the source's own text, where it was followed.
  virtual std::optional<double> finish() { return std::nullopt; }
  /// Errors that the layers before have made are seen, and can be repaired.
  virtual bool follows() const { return false; }
};

/// Follows the model in the making over the sequences (Engine::open_walk); `feedback` as in TargetOptions.
std::unique_ptr<MomentSource> following_source(Engine& engine, std::span<const std::vector<TokenId>> sequences,
                                               double feedback);
/// Moments of the dense model on the sequences.
std::unique_ptr<MomentSource> dense_source(Engine& engine, std::span<const std::vector<TokenId>> sequences);
/// Gaussian inputs of the FFN (moments/gaussian.h): runs no model, knows FFNs alone. The arguments must outlive it.
std::unique_ptr<MomentSource> gaussian_source(const Checkpoint& checkpoint, const TransformerDescription& transformer,
                                              const GaussianOptions& options);
/// A folder of moments. `reader` must outlive it.
std::unique_ptr<MomentSource> stored_source(const MomentsReader& reader);

/// The names of the maps in a folder of moments.
const char* map_name(Site site);

}  // namespace prunenet
