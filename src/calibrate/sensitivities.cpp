// The store of sensitivities.
#include "calibrate/sensitivities.h"

#include <cstring>

#include "base/error.h"
#include "calibrate/changed_model.h"
#include "calibrate/stored_values.h"

namespace prunenet {
namespace {

const std::string kAll = "sensitivity/all";

std::string name_of(int64_t layer, Site site) {
  return fmt::format("sensitivity/{}/{}", layer, site_name(site));
}

}  // namespace

void Sensitivities::measure(Engine& engine, std::span<const std::vector<TokenId>> sequences, int64_t layers,
                            Progress& progress) {
  // A quarter is the pass to the top; on the way down each layer is computed again, and then back.
  progress.begin("measuring what the loss feels", static_cast<double>(4 * layers));
  double way_up = static_cast<double>(layers);
  engine.sensitivities(sequences, [&](int64_t layer, Site site, const Matrix<float>& sensitivity) {
    put(layer, site, sensitivity);
    progress.advance(way_up + 1.5);
    way_up = 0;
  });
  complete();
  progress.end();
}

void Sensitivities::put(int64_t layer, Site site, const Matrix<float>& sensitivity) {
  PRUNENET_CHECK(sensitivity.rows() == sensitivity.cols());
  const double trace = sensitivity.diagonal().cast<double>().sum();
  if (!(trace > 0)) return;
  const double scale = static_cast<double>(sensitivity.rows()) / trace;
  std::vector<std::byte> bytes(sizeof trace + static_cast<size_t>(sensitivity.size()) * sizeof(float));
  std::memcpy(bytes.data(), &trace, sizeof trace);
  Eigen::Map<Matrix<float>> scaled(reinterpret_cast<float*>(bytes.data() + sizeof trace), sensitivity.rows(),
                                   sensitivity.cols());
  for (int64_t row = 0; row < sensitivity.rows(); ++row)
    scaled.row(row) = (sensitivity.row(row).cast<double>() * scale).cast<float>();
  stored_[{layer, site}] = {store_.put(name_of(layer, site), bytes), sensitivity.rows(), trace};
}

void Sensitivities::complete() {
  ValueWriter sites;
  for (const auto& [place, stored] : stored_) {
    sites.add(place.first);
    sites.add(static_cast<int64_t>(place.second));
  }
  store_.put(kAll, sites.bytes());
}

bool Sensitivities::restore(const ModelDescription& model) {
  const auto all = store_.find(kAll);
  if (!all || all->size() % 16 != 0) return false;
  std::map<std::pair<int64_t, Site>, Stored> found;
  ValueReader sites(*all);
  for (size_t i = 0; i < all->size() / 16; ++i) {
    const int64_t layer = sites.whole(), which = sites.whole();
    if (layer < 0 || layer >= static_cast<int64_t>(model.layers.size()) || (which != 0 && which != 1)) return false;
    const Site site = which == static_cast<int64_t>(Site::kFfn) ? Site::kFfn : Site::kAttention;
    const auto bytes = store_.find(name_of(layer, site));
    const int64_t order = site_ref(model, layer, site).weight->rows;
    double trace = 0;
    if (!bytes || bytes->size() != sizeof trace + static_cast<size_t>(order * order) * sizeof(float)) return false;
    std::memcpy(&trace, bytes->data(), sizeof trace);
    if (!(trace > 0)) return false;
    found[{layer, site}] = {*bytes, order, trace};
  }
  stored_ = std::move(found);
  return true;
}

std::optional<Matrix<float>> Sensitivities::get(int64_t layer, Site site) const {
  const auto found = stored_.find({layer, site});
  if (found == stored_.end()) return std::nullopt;
  Matrix<float> result(found->second.order, found->second.order);
  std::memcpy(result.data(), found->second.bytes.data() + sizeof(double),
              static_cast<size_t>(result.size()) * sizeof(float));
  return result;
}

double Sensitivities::trace(int64_t layer, Site site) const {
  const auto found = stored_.find({layer, site});
  return found == stored_.end() ? 0 : found->second.trace;
}

}  // namespace prunenet
