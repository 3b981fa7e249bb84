// Planning and writing a Hugging Face folder.
#include "convert/to_folder.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/output_folder.h"
#include "checkpoint/config_text.h"
#include "checkpoint/folder_files.h"
#include "checkpoint/gguf_types.h"
#include "convert/rotary_scaling.h"
#include "convert/vocabulary.h"
#include "model/gguf_config.h"
#include "model/transformer.h"
#include "model/weights.h"

namespace prunenet {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

struct Name {
  std::string_view gguf, folder;
};
// Of a layer, then of the whole model; ".weight" and ".bias" follow.
constexpr std::array<Name, 9> kLayerNames{{{"attn_norm", "input_layernorm"},
                                           {"attn_q", "self_attn.q_proj"},
                                           {"attn_k", "self_attn.k_proj"},
                                           {"attn_v", "self_attn.v_proj"},
                                           {"attn_output", "self_attn.o_proj"},
                                           {"ffn_norm", "post_attention_layernorm"},
                                           {"ffn_gate", "mlp.gate_proj"},
                                           {"ffn_up", "mlp.up_proj"},
                                           {"ffn_down", "mlp.down_proj"}}};
constexpr std::array<Name, 3> kModelNames{
    {{"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}}};

template <size_t count>
std::string find_name(const std::array<Name, count>& names, std::string_view module) {
  const auto found = std::find_if(names.begin(), names.end(), [&](const Name& name) { return name.gguf == module; });
  return found == names.end() ? std::string() : std::string(found->folder);
}

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"; empty for what transformers has no place for.
std::string folder_name(const std::string& name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return {};
  const std::string module = name.substr(0, dot), kind = name.substr(dot);
  if (!module.starts_with("blk.")) {
    const std::string found = find_name(kModelNames, module);
    return found.empty() ? found : found + kind;
  }
  const size_t second = module.find('.', 4);
  if (second == std::string::npos) return {};
  const std::string found = find_name(kLayerNames, module.substr(second + 1));
  return found.empty() ? found : fmt::format("model.layers.{}.{}{}", module.substr(4, second - 4), found, kind);
}

Dtype most_common_type(const Checkpoint& checkpoint) {
  std::vector<TensorSpec> tensors;
  for (const Checkpoint::Entry& entry : checkpoint.tensors()) tensors.push_back(entry.stored.spec);
  const Dtype most = gguf_main_dtype(tensors).value_or(Dtype::kF32);
  return dtype_is_quantised(most) ? Dtype::kF16 : most;
}

std::string torch_name(Dtype type) {
  switch (type) {
    case Dtype::kF64:
      return "float64";
    case Dtype::kF16:
      return "float16";
    case Dtype::kBf16:
      return "bfloat16";
    default:
      return "float32";
  }
}

// Newer configs say "dtype", older ones "torch_dtype".
std::string with_type(const std::string& config_text, Dtype type, const std::string& where) {
  const Json config = Json::parse(config_text, nullptr, false);
  const char* key = config.contains("dtype") && !config.contains("torch_dtype") ? "dtype" : "torch_dtype";
  return with_top_level_value(config_text, key, Json(torch_name(type)).dump(), where);
}

// `type`: nothing where every tensor keeps its own.
FolderPlan retype(const Checkpoint& checkpoint, std::optional<Dtype> type) {
  FolderPlan plan;
  for (const Checkpoint::Entry& entry : checkpoint.tensors()) {
    const TensorSpec& spec = entry.stored.spec;
    ConvertedTensor tensor{spec, whole_tensor(spec)};
    if (type && dtype_is_computable(spec.dtype)) tensor.spec.dtype = *type;
    plan.tensors.push_back(std::move(tensor));
  }
  plan.config_text =
      type ? with_type(checkpoint.config_text(), *type, checkpoint.config_where()) : checkpoint.config_text();
  return plan;
}

// Whether every number of a stored vector is one of `type`, too.
bool is_exact(const Checkpoint& checkpoint, const TensorSpec& spec, Dtype type) {
  std::vector<float> values(static_cast<size_t>(spec.num_elements())), back(values.size());
  read_matrix<float>(checkpoint, whole_tensor(spec), values);
  std::vector<std::byte> bytes(dtype_bytes(type, values.size()));
  if (!narrow(values.data(), values.size(), type, bytes.data())) return false;
  widen<float>(bytes.data(), type, back.size(), back.data());
  return back == values;
}

// transformers wants biases of all four projections or of none.
void add_output_biases(const ModelDescription& model, Dtype type, FolderPlan& plan) {
  const auto stored = [&](const std::string& name) {
    return std::any_of(plan.tensors.begin(), plan.tensors.end(),
                       [&](const ConvertedTensor& t) { return t.spec.name == name; });
  };
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    const std::string attention = fmt::format("model.layers.{}.self_attn.", layer);
    if (!stored(attention + "q_proj.bias") || stored(attention + "o_proj.bias")) continue;
    ConvertedTensor zeros{{attention + "o_proj.bias", type, {model.hidden}}, {}};
    zeros.values.assign(static_cast<size_t>(model.hidden), 0.0f);
    plan.tensors.push_back(std::move(zeros));
  }
}

}  // namespace

FolderPlan plan_folder(const Checkpoint& checkpoint, const ModelDescription& model, std::optional<Dtype> asked) {
  const GgufFile* file = checkpoint.gguf();
  if (file == nullptr && !asked) return retype(checkpoint, asked);
  const Dtype type = asked.value_or(most_common_type(checkpoint));
  if (dtype_is_quantised(type)) {
    fail(ErrorCode::kBadOption, "--type",
         "{} is a type of GGUF files: name the output *.gguf, or choose f32, f16 or bf16", dtype_name(type));
  }
  if (file == nullptr) return retype(checkpoint, type);
  const std::string where = checkpoint.config_where();
  const auto architecture = file->metadata().text("general.architecture", where);
  if (architecture != "llama") {
    fail(ErrorCode::kUnsupported, where,
         "GGUF of architecture '{}' cannot become a Hugging Face folder; 'llama' can (LLaMA, Mistral and what is built "
         "like them){}",
         architecture.value_or(""),
         architecture == "deci"
             ? "; layers of different sizes are what makes it 'deci': pruned with --pad it stays 'llama'"
             : "");
  }
  const TransformerDescription transformer = describe_transformer(checkpoint, model);
  const int64_t turned = rotated(transformer);
  FolderPlan plan;
  for (const Checkpoint::Entry& entry : checkpoint.tensors()) {
    const TensorSpec& spec = entry.stored.spec;
    if (std::find(model.buffers.begin(), model.buffers.end(), spec.name) != model.buffers.end())
      continue;  // in the config
    const std::string name = folder_name(spec.name);
    if (name.empty())
      fail(ErrorCode::kUnsupported, checkpoint.where(entry), "has no place in a Hugging Face folder of a LLaMA");
    ConvertedTensor tensor{{name, type, spec.shape}, whole_tensor(spec)};
    // GGUF holds vectors as F32: those that were so before it are not rounded, unless the user says so.
    if (!asked && spec.shape.size() == 1 && spec.dtype == Dtype::kF32 && !is_exact(checkpoint, spec, type))
      tensor.spec.dtype = Dtype::kF32;
    const int64_t dim = model.layers.front().head_dim;
    if (name.find(".q_proj.") != std::string::npos || name.find(".k_proj.") != std::string::npos) {
      if (tensor.source.rows % dim != 0)
        fail(ErrorCode::kMismatch, checkpoint.where(entry), "is {}: no whole heads of {} rows", to_string(spec), dim);
      tensor.row_order = half_split_from_adjacent(tensor.source.rows / dim, dim, turned);
    }
    plan.tensors.push_back(std::move(tensor));
  }
  if (model.family == "mistral" && checkpoint.find("blk.0.attn_q.bias") != nullptr)
    fail(ErrorCode::kUnsupported, where,
         "has a sliding window and biases of its attention, which no LLaMA or Mistral of transformers has");
  const auto quantised = std::count_if(checkpoint.tensors().begin(), checkpoint.tensors().end(),
                                       [](const auto& entry) { return dtype_is_quantised(entry.stored.spec.dtype); });
  if (quantised > 0) plan.warnings.push_back(quantised_before(quantised));
  add_output_biases(model, type, plan);
  Json config = Json::parse(config_of(checkpoint));
  config.erase(kGgufArchitectureKey);
  plan.config_text = with_type(config.dump(2) + "\n", type, where);
  if (has_vocabulary(file->metadata(), where)) {
    plan.files = tokenizer_files(vocabulary_of(file->metadata(), where), where);
  } else {
    plan.warnings.push_back("the file holds no vocabulary, so the folder gets no tokenizer");
  }
  return plan;
}

uint64_t write_folder(const Checkpoint& checkpoint, const FolderPlan& plan, const fs::path& target, bool overwrite,
                      uint64_t max_shard_bytes, Progress& progress) {
  const fs::path out = resolved_path(target);
  require_apart(checkpoint, out);
  OutputFolder folder(out, overwrite);
  const Checkpoint::SideFiles side = checkpoint.side_files();
  CheckpointWriter writer(folder.staging(), specs_of(plan.tensors), checkpoint.metadata(), max_shard_bytes);
  folder.require_space(writer.total_bytes() + size_bytes(side));
  write_tensors(checkpoint, plan.tensors, writer, progress);
  write_new_file(folder.staging() / "config.json", plan.config_text);
  for (const auto& [name, bytes] : plan.files) write_new_file(folder.staging() / name, bytes);
  copy_side_files(side, folder.staging());
  folder.commit();
  return writer.total_bytes();
}

}  // namespace prunenet
