// Rotary scaling as configs spell it.
#include "convert/rotary_scaling.h"

#include "model/family.h"

namespace prunenet {

std::optional<Config> rotary_scaling(const Config& config) {
  auto scaling = config.section("rope_scaling");
  if (!scaling) scaling = config.section("rope_parameters");
  return scaling;
}

std::string scaling_kind(const Config& config) {
  const auto scaling = rotary_scaling(config);
  if (!scaling) return "default";
  const auto stated = scaling->text("rope_type");
  return stated ? *stated : scaling->text("type").value_or("default");
}

double rotary_theta(const Config& config) {
  const TransformerSpec spec = find_family(config).transformer(config);
  const auto scaling = rotary_scaling(config);
  return scaling ? scaling->number("rope_theta", spec.rotary_theta) : spec.rotary_theta;
}

int64_t rotated(const TransformerDescription& transformer) {
  return transformer.rotary ? 2 * static_cast<int64_t>(transformer.rotary->inv_freq.size()) : 0;
}

}  // namespace prunenet
