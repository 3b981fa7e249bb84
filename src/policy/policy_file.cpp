// Policies as safetensors.
#include "policy/policy_file.h"

#include "base/error.h"
#include "checkpoint/safetensors.h"

namespace prunenet {
namespace {

constexpr const char* kKindKey = "prunenet.kind";
constexpr const char* kKind = "prunenet policy";

template <typename Dense>
std::string_view text_of(const Dense& values) {
  return {reinterpret_cast<const char*>(values.data()), static_cast<size_t>(values.size()) * sizeof(float)};
}

template <typename Dense>
void read_tensor(const SafetensorsFile& file, const StoredTensor& tensor, const std::string& where, Dense& values) {
  const auto bytes = file.bytes(tensor);
  if (worst_value(bytes, tensor.spec.dtype) != Finiteness::kFinite) {
    fail(ErrorCode::kNonFinite, where, "tensor '{}' holds NaN or infinity", tensor.spec.name);
  }
  widen(bytes.data(), tensor.spec.dtype, static_cast<size_t>(values.size()), values.data());
}

}  // namespace

void save_policy(const std::filesystem::path& path, const PolicyFile& policy, bool overwrite) {
  const int64_t h = policy.network.hidden_units(), d = policy.network.width();
  const TensorSpec specs[] = {{"P", Dtype::kF32, {h, d}}, {"b", Dtype::kF32, {h}}, {"q", Dtype::kF32, {h}}};
  auto metadata = policy.metadata;
  metadata[kKindKey] = kKind;
  std::string bytes = format_safetensors_header(specs, metadata);
  bytes += text_of(policy.network.p);
  bytes += text_of(policy.network.b);
  bytes += text_of(policy.network.q);
  write_file_atomically(path, bytes, overwrite);
}

PolicyFile load_policy(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  const std::string where = path.string();
  const auto& metadata = file.header().metadata;
  const auto kind = metadata.find(kKindKey);
  if (kind == metadata.end() || kind->second != kKind) {
    fail(ErrorCode::kMismatch, where, "is not a policy written by 'prunenet train'");
  }
  const StoredTensor* found[3] = {};
  constexpr std::string_view kNames[3] = {"P", "b", "q"};
  for (const StoredTensor& tensor : file.header().tensors) {
    for (size_t i = 0; i < 3; ++i) {
      if (tensor.spec.name == kNames[i]) found[i] = &tensor;
    }
  }
  for (size_t i = 0; i < 3; ++i) {
    if (found[i] == nullptr) fail(ErrorCode::kMismatch, where, "lacks tensor '{}'", kNames[i]);
    const TensorSpec& spec = found[i]->spec;
    const bool fits = i == 0 ? spec.shape.size() == 2 && spec.num_elements() > 0
                             : spec.shape == std::vector{found[0]->spec.shape.front()};
    if (!fits || spec.dtype != Dtype::kF32) {
      fail(ErrorCode::kMismatch, where, "tensor '{}' is {}, expected {}", spec.name, to_string(spec),
           i == 0 ? "F32 [H, D]" : "F32 [H], H the rows of P");
    }
  }
  const int64_t h = found[0]->spec.shape[0], d = found[0]->spec.shape[1];
  PolicyFile policy{{Matrix<float>(h, d), Vector<float>(h), Vector<float>(h)}, metadata};
  read_tensor(file, *found[0], where, policy.network.p);
  read_tensor(file, *found[1], where, policy.network.b);
  read_tensor(file, *found[2], where, policy.network.q);
  return policy;
}

}  // namespace prunenet
