// What the interfaces of a walk share, and what an engine answers that has none of them.
#include "engine/walk.h"

#include "base/error.h"
#include "engine/engine.h"

namespace prunenet {

const char* site_name(Site site) {
  return site == Site::kAttention ? "attention" : "FFN";
}

double KlProbe::mean_kl(std::span<const ProbeChange> changes) {
  double sum = 0;
  const std::vector<float> values = kl(changes);
  for (float value : values) sum += static_cast<double>(value);
  PRUNENET_CHECK(!values.empty());
  return sum / static_cast<double>(values.size());
}

namespace {
[[noreturn]] void refuse(const char* what) {
  fail(ErrorCode::kUnsupported, "engine", "this engine cannot {}: it can only run models", what);
}
}  // namespace

std::unique_ptr<LayerWalk> Engine::open_walk(std::span<const std::vector<TokenId>>) {
  refuse("measure layers");
}

void Engine::sensitivities(std::span<const std::vector<TokenId>>, const SensitivityVisitor&) {
  refuse("compute gradients");
}

std::unique_ptr<KlProbe> Engine::open_probe(std::span<const std::vector<TokenId>>) {
  refuse("measure changes of single layers");
}

}  // namespace prunenet
