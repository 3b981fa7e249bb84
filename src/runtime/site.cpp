// Changed sites, and the way from tensors to plain matrices and back.
#include "runtime/site.h"

#include "base/error.h"

namespace prunenet {

at::Tensor to_tensor(const Matrix<float>& matrix) {
  return at::from_blob(const_cast<float*>(matrix.data()), {matrix.rows(), matrix.cols()}, at::TensorOptions(at::kFloat))
      .clone();
}

std::span<const float> numbers_of(const at::Tensor& tensor) {
  PRUNENET_CHECK(tensor.is_contiguous() && tensor.scalar_type() == at::kFloat && tensor.is_cpu());
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

ChangedSite::ChangedSite(const SiteChange& change, const Linear& original) {
  const auto outputs = original.weight.size(0), kept = static_cast<int64_t>(change.kept.size());
  PRUNENET_CHECK(change.weight.rows() == outputs && change.weight.cols() == kept);
  PRUNENET_CHECK(change.bias.empty() || static_cast<int64_t>(change.bias.size()) == outputs);
  PRUNENET_CHECK(kept == 0 || (change.kept.front() >= 0 && change.kept.back() < original.weight.size(1)));
  const auto like = original.weight.options();
  if (kept < original.weight.size(1) && !change.rows) kept_ = at::tensor(change.kept, at::kLong).to(like.device());
  linear_.weight = to_tensor(change.weight).to(like);
  linear_.bias = change.bias.empty() ? original.bias : at::tensor(change.bias).to(like);
}

at::Tensor ChangedSite::operator()(const at::Tensor& inputs) const {
  return linear_(kept_.defined() ? inputs.index_select(1, kept_) : inputs);
}

LayerWeights with_rows(const LayerWeights& block, const FfnRows& rows) {
  LayerWeights result = block;
  const auto like = block.down.weight.options();
  const auto linear = [&](const Matrix<float>& weight, const std::vector<float>& bias) {
    Linear made;
    made.weight = to_tensor(weight).to(like);
    if (!bias.empty()) made.bias = at::tensor(bias).to(like);
    return made;
  };
  result.up.clear();
  if (block.gated) result.up.push_back(linear(rows.gate, rows.gate_bias));
  result.up.push_back(linear(rows.up, rows.up_bias));
  return result;
}

}  // namespace prunenet
