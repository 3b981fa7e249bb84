// The store of sensitivities.
#include "calibrate/sensitivities.h"

#include <cstring>

#include "base/error.h"

namespace prunenet {

void Sensitivities::measure(Engine& engine, std::span<const std::vector<TokenId>> sequences, int64_t layers,
                            Progress& progress) {
  progress.begin("measuring what the loss feels", static_cast<double>(2 * layers));
  engine.sensitivities(sequences, [&](int64_t layer, Site site, const Matrix<float>& sensitivity) {
    put(layer, site, sensitivity);
    progress.advance(1);
  });
  progress.end();
}

void Sensitivities::put(int64_t layer, Site site, const Matrix<float>& sensitivity) {
  PRUNENET_CHECK(sensitivity.rows() == sensitivity.cols());
  const double trace = sensitivity.diagonal().cast<double>().sum();
  if (!(trace > 0)) return;
  const double scale = static_cast<double>(sensitivity.rows()) / trace;
  const Matrix<float> scaled = (sensitivity.cast<double>() * scale).cast<float>();
  const auto bytes = std::as_bytes(std::span(scaled.data(), static_cast<size_t>(scaled.size())));
  stored_[{layer, site}] = {scratch_.put(bytes), scaled.rows(), trace};
}

std::optional<Matrix<float>> Sensitivities::get(int64_t layer, Site site) const {
  const auto found = stored_.find({layer, site});
  if (found == stored_.end()) return std::nullopt;
  Matrix<float> result(found->second.order, found->second.order);
  std::memcpy(result.data(), found->second.bytes.data(), found->second.bytes.size());
  return result;
}

double Sensitivities::trace(int64_t layer, Site site) const {
  const auto found = stored_.find({layer, site});
  return found == stored_.end() ? 0 : found->second.trace;
}

}  // namespace prunenet
