// Collecting moments.
#include "calibrate/collect.h"

#include "base/cancel.h"
#include "checkpoint/fingerprint.h"

namespace prunenet {

std::vector<MapDescription> maps_of(const ModelDescription& model, bool with_attention) {
  std::vector<MapDescription> maps;
  for (const Site site : {Site::kAttention, Site::kFfn}) {
    if (site == Site::kAttention && !with_attention) continue;
    MapDescription map;
    map.name = map_name(site);
    for (int64_t layer = 0; layer < static_cast<int64_t>(model.layers.size()); ++layer) {
      const MatrixRef& matrix = *site_ref(model, layer, site).weight;
      map.inputs.push_back(matrix.cols);
      map.outputs.push_back(matrix.rows);
    }
    maps.push_back(std::move(map));
  }
  return maps;
}

void collect_moments(SelfPruner& pruner, const std::filesystem::path& folder) {
  const ModelDescription& model = pruner.model();
  const auto layers = static_cast<int64_t>(model.layers.size());
  const auto source = pruner.dense_moments();
  MomentsManifest manifest;
  manifest.checkpoint = model_fingerprint(pruner.checkpoint());
  manifest.source = pruner.words();
  manifest.maps = maps_of(model, source->knows(Site::kAttention));
  manifest.sequences = pruner.text();
  MomentsWriter writer(folder, manifest, false);
  const Sensitivities& sensitivities = pruner.sensitivities();
  pruner.progress().begin("measuring moments", static_cast<double>(layers));
  for (int64_t layer = 0; layer < layers; ++layer) {
    throw_if_cancelled();
    std::vector<StoredMoments> stored;
    for (const Site site : {Site::kAttention, Site::kFfn}) {
      if (!source->knows(site)) continue;
      stored.push_back({source->moments(layer, site).inputs, sensitivities.get(layer, site)});
    }
    std::vector<const StoredMoments*> pointers;
    for (const StoredMoments& one : stored) pointers.push_back(&one);
    writer.write(pointers);
    pruner.progress().advance(1);
  }
  pruner.progress().end();
  writer.finish();
}

}  // namespace prunenet
