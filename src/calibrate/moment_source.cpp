// The sources.
#include "calibrate/moment_source.h"

#include <algorithm>

namespace prunenet {
namespace {

class WalkSource final : public MomentSource {
 public:
  // No feedback: the walk stays with the dense model, and no targets are measured.
  WalkSource(Engine& engine, std::span<const std::vector<TokenId>> sequences, std::optional<double> feedback)
      : walk_(engine.open_walk(sequences)) {
    if (feedback) target_ = TargetOptions{*feedback};
  }

  SiteMoments moments(int64_t layer, Site site) override { return walk_->measure(layer, site, target_); }
  bool knows(Site) const override { return true; }
  bool follows() const override { return target_.has_value(); }
  std::optional<NeuronRefit> refit_neurons(int64_t layer, const SiteChange& start,
                                           NeuronRefitOptions options) override {
    options.target = target_.value_or(TargetOptions{0});
    return walk_->refit_neurons(layer, start, options);
  }
  void changed(int64_t layer, Site site, const SiteChange& change) override {
    if (follows()) walk_->change(layer, site, change);
  }
  void dropped(int64_t layer) override {
    if (follows()) walk_->drop(layer);
  }
  std::optional<double> finish() override {
    if (!follows()) return std::nullopt;
    return walk_->finish();
  }

 private:
  std::unique_ptr<LayerWalk> walk_;
  std::optional<TargetOptions> target_;
};

class GaussianSource final : public MomentSource {
 public:
  GaussianSource(const Checkpoint& checkpoint, const TransformerDescription& transformer,
                 const GaussianOptions& options)
      : checkpoint_(checkpoint), transformer_(transformer), options_(options) {}

  SiteMoments moments(int64_t layer, Site) override {
    return {gaussian_moments(checkpoint_, transformer_, layer, options_), std::nullopt};
  }
  bool knows(Site site) const override { return site == Site::kFfn; }

 private:
  const Checkpoint& checkpoint_;
  const TransformerDescription& transformer_;
  GaussianOptions options_;
};

class StoredSource final : public MomentSource {
 public:
  explicit StoredSource(const MomentsReader& reader) : reader_(reader) {}

  SiteMoments moments(int64_t layer, Site site) override {
    return {reader_.read(layer, map_name(site)).moments, std::nullopt};
  }
  bool knows(Site site) const override {
    const auto& maps = reader_.manifest().maps;
    return std::any_of(maps.begin(), maps.end(), [&](const MapDescription& map) { return map.name == map_name(site); });
  }

 private:
  const MomentsReader& reader_;
};

}  // namespace

const char* map_name(Site site) {
  return site == Site::kAttention ? "output" : "down";
}

std::unique_ptr<MomentSource> following_source(Engine& engine, std::span<const std::vector<TokenId>> sequences,
                                               double feedback) {
  return std::make_unique<WalkSource>(engine, sequences, feedback);
}

std::unique_ptr<MomentSource> dense_source(Engine& engine, std::span<const std::vector<TokenId>> sequences) {
  return std::make_unique<WalkSource>(engine, sequences, std::nullopt);
}

std::unique_ptr<MomentSource> gaussian_source(const Checkpoint& checkpoint, const TransformerDescription& transformer,
                                              const GaussianOptions& options) {
  return std::make_unique<GaussianSource>(checkpoint, transformer, options);
}

std::unique_ptr<MomentSource> stored_source(const MomentsReader& reader) {
  return std::make_unique<StoredSource>(reader);
}

}  // namespace prunenet
