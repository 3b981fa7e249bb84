// Changes, kept as bytes.
#include "calibrate/changed_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "model/encode.h"
#include "surgeon/eliminate.h"

namespace prunenet {
namespace {

std::span<const float> numbers_of(const Matrix<float>& matrix) {
  return {matrix.data(), static_cast<size_t>(matrix.size())};
}

// Where a matrix has a bias, it stands beside it.
std::string bias_of(const std::string& weight) {
  return weight.substr(0, weight.size() - std::string_view("weight").size()) + "bias";
}

std::string part_of(const std::string& tensor) {
  return "tensor/" + tensor;
}

}  // namespace

SiteRef site_ref(const ModelDescription& model, int64_t layer, Site site) {
  const LayerDescription& l = model.layers[static_cast<size_t>(layer)];
  if (site == Site::kFfn) return {&l.ffn.down, &l.ffn.down_bias};
  return {&l.attention.output, &l.attention.output_bias};
}

int64_t units_of(const ModelDescription& model, int64_t layer, Site site) {
  const LayerDescription& l = model.layers[static_cast<size_t>(layer)];
  return site == Site::kFfn ? l.ffn.neurons.width : l.attention.kv_groups.width;
}

int64_t unit_inputs(const ModelDescription& model, int64_t layer, Site site) {
  const LayerDescription& l = model.layers[static_cast<size_t>(layer)];
  return site == Site::kFfn ? 1 : l.heads / l.kv_heads * l.head_dim;
}

Matrix<float> site_weight(const Checkpoint& checkpoint, const ModelDescription& model, int64_t layer, Site site) {
  const MatrixRef& ref = *site_ref(model, layer, site).weight;
  Matrix<float> weight(ref.rows, ref.cols);
  read_matrix<float>(checkpoint, ref, {weight.data(), static_cast<size_t>(weight.size())});
  return weight;
}

std::optional<std::vector<double>> site_bias(const Checkpoint& checkpoint, const ModelDescription& model, int64_t layer,
                                             Site site) {
  const std::optional<std::string>& name = *site_ref(model, layer, site).bias;
  if (!name) return std::nullopt;
  const Checkpoint::Entry& entry = checkpoint.at(*name);
  std::vector<double> bias(static_cast<size_t>(entry.stored.spec.num_elements()));
  widen<double>(checkpoint.bytes(entry).data(), entry.stored.spec.dtype, bias.size(), bias.data());
  if (!std::all_of(bias.begin(), bias.end(), [](double value) { return std::isfinite(value); }))
    fail(ErrorCode::kNonFinite, checkpoint.where(entry), "holds NaN or infinity");
  return bias;
}

ChangedModel::ChangedModel(const Checkpoint& checkpoint, const ModelDescription& model, ResultStore& store)
    : checkpoint_(checkpoint), model_(model), store_(store), mask_(whole_mask(model)) {}

void ChangedModel::keep_neurons(int64_t layer, std::vector<int64_t> kept) {
  mask_.kept[static_cast<size_t>(layer)] = std::move(kept);
}

void ChangedModel::keep_kv_groups(int64_t layer, std::vector<int64_t> kept) {
  if (mask_.kept_kv_groups.empty()) {
    for (const LayerDescription& l : model_.layers) {
      mask_.kept_kv_groups.emplace_back(static_cast<size_t>(l.attention.kv_groups.width));
      std::iota(mask_.kept_kv_groups.back().begin(), mask_.kept_kv_groups.back().end(), 0);
    }
  }
  mask_.kept_kv_groups[static_cast<size_t>(layer)] = std::move(kept);
}

void ChangedModel::drop_layer(int64_t layer) {
  auto& dropped = mask_.dropped_layers;
  dropped.insert(std::lower_bound(dropped.begin(), dropped.end(), layer), layer);
}

void ChangedModel::refit(int64_t layer, Site site, const Matrix<float>& weight, std::span<const double> bias) {
  const SiteRef ref = site_ref(model_, layer, site);
  put_matrix(*ref.weight, weight);
  if (!*ref.bias || bias.empty()) return;
  const std::vector<float> narrow(bias.begin(), bias.end());
  put(**ref.bias, narrow, static_cast<int64_t>(narrow.size()));
}

// As it is stored: transposed for Conv1D.
void ChangedModel::put_matrix(const MatrixRef& ref, const Matrix<float>& weight) {
  if (ref.transposed) {
    const Matrix<float> stored = weight.transpose();
    put(ref.tensor, numbers_of(stored), stored.cols());
  } else {
    put(ref.tensor, numbers_of(weight), weight.cols());
  }
}

void ChangedModel::put(const std::string& tensor, std::span<const float> values, int64_t cols) {
  replaced_[tensor] = store_.put(part_of(tensor), encode_rows(checkpoint_, tensor, values, cols));
  dtypes_[tensor] = replacement_dtype(checkpoint_.at(tensor).stored.spec.dtype, cols);
}

std::vector<float> ChangedModel::get(const std::string& tensor) const {
  const std::span<const std::byte> bytes = replaced_.at(tensor);
  const Dtype dtype = dtypes_.at(tensor);
  std::vector<float> values(bytes.size() / dtype_block_bytes(dtype) * static_cast<size_t>(dtype_block_elements(dtype)));
  widen<float>(bytes.data(), dtype, values.size(), values.data());
  return values;
}

// Gate above up where they share a tensor.
void ChangedModel::refit_neurons(int64_t layer, const FfnRows& rows) {
  const FfnDescription& ffn = model_.layers[static_cast<size_t>(layer)].ffn;
  const auto write = [&](const MatrixRef& ref, const Matrix<float>& weight, const std::vector<float>& bias) {
    put_matrix(ref, weight);
    if (!bias.empty()) put(bias_of(ref.tensor), bias, static_cast<int64_t>(bias.size()));
  };
  if (!ffn.gate) {
    write(ffn.up, rows.up, rows.up_bias);
  } else if (ffn.gate->tensor != ffn.up.tensor) {
    write(*ffn.gate, rows.gate, rows.gate_bias);
    write(ffn.up, rows.up, rows.up_bias);
  } else {
    Matrix<float> both(rows.gate.rows() + rows.up.rows(), rows.up.cols());
    both << rows.gate, rows.up;
    std::vector<float> bias = rows.gate_bias;
    bias.insert(bias.end(), rows.up_bias.begin(), rows.up_bias.end());
    write(ffn.up, both, bias);
  }
}

// As put_matrix, refit and refit_neurons give them to `put`.
std::vector<ChangedModel::Replaceable> ChangedModel::replaceable(int64_t layer, Site site, int64_t kept_units) const {
  std::vector<Replaceable> tensors;
  const auto add = [&](const std::string& name, int64_t rows, int64_t cols) {
    const Checkpoint::Entry* entry = checkpoint_.find(name);
    if (entry != nullptr) tensors.push_back({name, rows, cols, replacement_dtype(entry->stored.spec.dtype, cols)});
  };
  const auto add_matrix = [&](const MatrixRef& ref, int64_t rows, int64_t cols) {
    ref.transposed ? add(ref.tensor, cols, rows) : add(ref.tensor, rows, cols);
  };
  const SiteRef ref = site_ref(model_, layer, site);
  const LayerDescription& l = model_.layers[static_cast<size_t>(layer)];
  add_matrix(*ref.weight, ref.weight->rows, kept_units * unit_inputs(model_, layer, site));
  if (*ref.bias) add(**ref.bias, 1, ref.weight->rows);
  if (site == Site::kAttention) return tensors;
  const auto add_rows = [&](const MatrixRef& matrix, int64_t rows) {
    add_matrix(matrix, rows, matrix.cols);
    add(bias_of(matrix.tensor), 1, rows);
  };
  const bool shared = l.ffn.gate && l.ffn.gate->tensor == l.ffn.up.tensor;
  if (l.ffn.gate && !shared) add_rows(*l.ffn.gate, kept_units);
  add_rows(l.ffn.up, shared ? 2 * kept_units : kept_units);
  return tensors;
}

SiteState ChangedModel::state(int64_t layer, Site site) const {
  const auto l = static_cast<size_t>(layer);
  SiteState state;
  const auto& kept = site == Site::kFfn ? mask_.kept : mask_.kept_kv_groups;
  int64_t kept_units = units_of(model_, layer, site);
  if (!kept.empty() && static_cast<int64_t>(kept[l].size()) < kept_units) {
    state.kept = kept[l];
    kept_units = static_cast<int64_t>(kept[l].size());
  }
  for (const Replaceable& tensor : replaceable(layer, site, kept_units))
    state.replaced.push_back(replaced_.contains(tensor.name));
  return state;
}

bool ChangedModel::can_restore(int64_t layer, Site site, const SiteState& state) const {
  int64_t kept_units = units_of(model_, layer, site);
  if (state.kept) {
    int64_t last = -1;
    for (const int64_t unit : *state.kept) {
      if (unit <= last || unit >= kept_units) return false;
      last = unit;
    }
    if (state.kept->empty()) return false;
    kept_units = static_cast<int64_t>(state.kept->size());
  }
  const std::vector<Replaceable> tensors = replaceable(layer, site, kept_units);
  if (state.replaced.size() != tensors.size()) return false;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!state.replaced[i]) continue;
    const auto bytes = store_.find(part_of(tensors[i].name));
    const auto elements = static_cast<uint64_t>(tensors[i].rows * tensors[i].cols);
    if (!bytes || bytes->size() != dtype_bytes(tensors[i].dtype, elements)) return false;
  }
  return true;
}

void ChangedModel::restore(int64_t layer, Site site, const SiteState& state) {
  int64_t kept_units = units_of(model_, layer, site);
  if (state.kept) {
    kept_units = static_cast<int64_t>(state.kept->size());
    site == Site::kFfn ? keep_neurons(layer, *state.kept) : keep_kv_groups(layer, *state.kept);
  }
  const std::vector<Replaceable> tensors = replaceable(layer, site, kept_units);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!state.replaced[i]) continue;
    replaced_[tensors[i].name] = store_.find(part_of(tensors[i].name)).value();
    dtypes_[tensors[i].name] = tensors[i].dtype;
  }
}

std::optional<FfnRows> ChangedModel::rows_of(int64_t layer) const {
  const FfnDescription& ffn = model_.layers[static_cast<size_t>(layer)].ffn;
  if (!replaced_.contains(ffn.up.tensor)) return std::nullopt;
  const auto read = [&](const MatrixRef& ref) -> Matrix<float> {
    const std::vector<float> values = get(ref.tensor);
    const auto rows = static_cast<int64_t>(values.size()) / ref.cols;
    if (ref.transposed) return Eigen::Map<const Matrix<float>>(values.data(), ref.cols, rows).transpose();
    return Eigen::Map<const Matrix<float>>(values.data(), rows, ref.cols);
  };
  const auto read_bias = [&](const MatrixRef& ref) {
    return replaced_.contains(bias_of(ref.tensor)) ? get(bias_of(ref.tensor)) : std::vector<float>();
  };
  FfnRows rows;
  rows.up = read(ffn.up);
  rows.up_bias = read_bias(ffn.up);
  if (!ffn.gate) return rows;
  if (ffn.gate->tensor != ffn.up.tensor) {
    rows.gate = read(*ffn.gate);
    rows.gate_bias = read_bias(*ffn.gate);
    return rows;
  }
  const Matrix<float> both = rows.up;
  const int64_t half = both.rows() / 2;
  rows.gate = both.topRows(half);
  rows.up = both.bottomRows(half);
  const auto middle = rows.up_bias.begin() + static_cast<int64_t>(rows.up_bias.size() / 2);
  rows.gate_bias.assign(rows.up_bias.begin(), middle);
  rows.up_bias.erase(rows.up_bias.begin(), middle);
  return rows;
}

std::vector<int64_t> ChangedModel::kept_inputs(int64_t layer, Site site) const {
  const auto l = static_cast<size_t>(layer);
  if (site == Site::kFfn) return mask_.kept[l];
  const LayerDescription& description = model_.layers[l];
  std::vector<int64_t> groups(static_cast<size_t>(description.attention.kv_groups.width));
  std::iota(groups.begin(), groups.end(), 0);
  if (!mask_.kept_kv_groups.empty()) groups = mask_.kept_kv_groups[l];
  return columns_of_groups(groups, unit_inputs(model_, layer, site));
}

std::optional<SiteChange> ChangedModel::change(int64_t layer, Site site) const {
  if (mask_.drops(layer)) return std::nullopt;
  const SiteRef ref = site_ref(model_, layer, site);
  SiteChange change;
  change.kept = kept_inputs(layer, site);
  const auto kept = static_cast<int64_t>(change.kept.size());
  const auto found = replaced_.find(ref.weight->tensor);
  if (found == replaced_.end()) {
    if (kept == ref.weight->cols) return std::nullopt;
    change.weight = site_weight(checkpoint_, model_, layer, site)(Eigen::all, change.kept);
    const Checkpoint::Entry& entry = checkpoint_.at(ref.weight->tensor);
    const ColumnCut cut = column_cut(entry.stored.spec.dtype, change.kept);
    if (!cut.copied && !ref.weight->transposed) {  // Conv1D has rows there, which are copied
      const std::span<float> values(change.weight.data(), static_cast<size_t>(change.weight.size()));
      round_to(cut.dtype, kept, values, checkpoint_.where(entry));
    }
    return change;
  }
  const std::vector<float> values = get(ref.weight->tensor);
  if (ref.weight->transposed) {
    change.weight = Eigen::Map<const Matrix<float>>(values.data(), kept, ref.weight->rows).transpose();
  } else {
    change.weight = Eigen::Map<const Matrix<float>>(values.data(), ref.weight->rows, kept);
  }
  if (*ref.bias && replaced_.contains(**ref.bias)) change.bias = get(**ref.bias);
  if (site == Site::kFfn) change.rows = rows_of(layer);
  return change;
}

double measure_changed(Engine& engine, const ModelDescription& model, const ChangedModel& changed,
                       std::span<const std::vector<TokenId>> sequences) {
  const auto walk = engine.open_walk(sequences);
  for (int64_t layer = 0; layer < static_cast<int64_t>(model.layers.size()); ++layer) {
    if (changed.mask().drops(layer)) {
      walk->drop(layer);
      continue;
    }
    for (const Site site : {Site::kAttention, Site::kFfn}) {
      if (const auto change = changed.change(layer, site)) walk->change(layer, site, *change);
    }
  }
  return walk->finish();
}

}  // namespace prunenet
