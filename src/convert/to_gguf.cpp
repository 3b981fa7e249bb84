// Planning and writing a GGUF file.
#include "convert/to_gguf.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"
#include "base/output_file.h"
#include "checkpoint/folder_files.h"
#include "checkpoint/gguf_types.h"
#include "convert/architecture.h"
#include "convert/rotary_scaling.h"
#include "convert/vocabulary.h"
#include "model/gguf_config.h"

namespace prunenet {
namespace fs = std::filesystem;
namespace {

// The type that a tensor is stored in, and how many matrices could not have the one that was asked for.
class TypeChoice {
 public:
  explicit TypeChoice(std::optional<Dtype> asked) : asked_(asked) {}

  /// `source` is the stored type; `cols` the length of a row.
  Dtype of_matrix(Dtype source, int64_t cols) {
    const Dtype wanted = asked_.value_or(source == Dtype::kF64 ? Dtype::kF32 : source);
    const bool fits = cols % dtype_block_elements(wanted) == 0;
    if (!fits) ++not_blocks_;
    return fits ? wanted : Dtype::kF16;
  }
  void warn(std::vector<std::string>& warnings) const {
    if (not_blocks_ == 0) return;
    warnings.push_back(fmt::format("{} matrices are F16 instead of {}: their rows are no whole blocks of {}",
                                   not_blocks_, dtype_name(*asked_), dtype_block_elements(*asked_)));
  }

 private:
  std::optional<Dtype> asked_;
  int64_t not_blocks_ = 0;
};

// The tensors of a folder's model, in the order in which llama.cpp's own converter has them.
class TensorPlanner {
 public:
  TensorPlanner(const Checkpoint& checkpoint, const TransformerDescription& transformer,
                const GgufArchitecture& architecture, TypeChoice& types)
      : checkpoint_(checkpoint), transformer_(transformer), architecture_(architecture), types_(types) {}

  std::vector<ConvertedTensor> take(const std::vector<RotaryFactors>& factors, bool tied) {
    whole_matrix("token_embd.weight", transformer_.embedding);
    if (transformer_.learned) {
      const LearnedPositions& learned = *transformer_.learned;
      const int64_t width = checkpoint_.at(learned.weight).stored.spec.shape.at(1);
      const int64_t rows = learned.rows - learned.offset;
      tensors_.push_back(
          {{"position_embd.weight", Dtype::kF32, {rows, width}}, {learned.weight, learned.offset, rows, width, false}});
    }
    for (const RotaryFactors& entry : factors) {
      ConvertedTensor tensor{{entry.name, Dtype::kF32, {static_cast<int64_t>(entry.factors.size())}}, {}};
      tensor.values = entry.factors;
      tensors_.push_back(std::move(tensor));
    }
    for (size_t index = 0; index < transformer_.blocks.size(); ++index)
      block(transformer_.blocks[index], fmt::format("blk.{}.", index));
    if (transformer_.final_norm) norm("output_norm", *transformer_.final_norm);
    if (!tied) linear("output", transformer_.head);
    return std::move(tensors_);
  }

 private:
  Dtype stored(const std::string& name) const { return checkpoint_.at(name).stored.spec.dtype; }

  void whole_matrix(const std::string& name, const std::string& source) {
    const TensorSpec& spec = checkpoint_.at(source).stored.spec;
    tensors_.push_back({{name, types_.of_matrix(spec.dtype, spec.shape.at(1)), spec.shape}, whole_tensor(spec)});
  }

  void vector(const std::string& name, const std::string& source, const std::vector<int64_t>& order = {},
              float add = 0) {
    const TensorSpec& spec = checkpoint_.at(source).stored.spec;
    tensors_.push_back({{name, Dtype::kF32, spec.shape}, whole_tensor(spec), order, add});
  }

  void linear(const std::string& name, const LinearDescription& linear, const std::vector<int64_t>& order = {}) {
    const MatrixRef& matrix = linear.weight;
    tensors_.push_back(
        {{name + ".weight", types_.of_matrix(stored(matrix.tensor), matrix.cols), {matrix.rows, matrix.cols}},
         matrix,
         order});
    if (linear.bias) vector(name + ".bias", *linear.bias, order);
  }

  void norm(const std::string& name, const NormDescription& norm) {
    vector(name + ".weight", norm.weight, {}, static_cast<float>(transformer_.norm_gain_offset));
    if (norm.bias) vector(name + ".bias", *norm.bias);
  }

  void block(const BlockDescription& block, const std::string& prefix) {
    norms(block, prefix);
    attention(block.attention, prefix);
    if (block.ffn_norm && transformer_.block == BlockKind::kSequential) norm(prefix + "ffn_norm", *block.ffn_norm);
    const bool stacked = block.gate && block.gate->weight.tensor == block.up.weight.tensor;
    if (stacked) {
      LinearDescription both = block.up;
      both.weight.first_row = 0;
      both.weight.rows *= 2;
      linear(prefix + "ffn_up", both);
    } else {
      if (block.gate) linear(prefix + "ffn_gate", *block.gate);
      linear(prefix + "ffn_up", block.up);
    }
    linear(prefix + "ffn_down", block.down);
  }

  // Falcon with two norms calls the one of attention the second; elsewhere a second one is the FFN's.
  void norms(const BlockDescription& block, const std::string& prefix) {
    const bool parallel = transformer_.block == BlockKind::kParallel;
    if (architecture_.name == "falcon" && block.ffn_norm) {
      norm(prefix + "attn_norm", *block.ffn_norm);
      norm(prefix + "attn_norm_2", *block.attention_norm);
      return;
    }
    norm(prefix + "attn_norm", *block.attention_norm);
    if (parallel && block.ffn_norm) norm(prefix + "ffn_norm", *block.ffn_norm);
  }

  void attention(const AttentionDescription& attention, const std::string& prefix) {
    const int64_t dim = attention.head_dim;
    if (attention.fused) {
      const int64_t groups = attention.fused_groups;
      const auto order = groups == 1 ? std::vector<int64_t>{}
                                     : separated_from_grouped(groups, attention.heads / groups * dim,
                                                              attention.kv_heads / groups * dim);
      linear(prefix + "attn_qkv", *attention.fused, order);
    } else {
      const int64_t turned = rotated(transformer_);
      const auto order = [&](int64_t heads) {
        return architecture_.adjacent_pairs ? adjacent_from_half_split(heads, dim, turned) : std::vector<int64_t>{};
      };
      linear(prefix + "attn_q", *attention.query, order(attention.heads));
      linear(prefix + "attn_k", *attention.key, order(attention.kv_heads));
      linear(prefix + "attn_v", *attention.value);
    }
    linear(prefix + "attn_output", attention.output);
  }

  const Checkpoint& checkpoint_;
  const TransformerDescription& transformer_;
  const GgufArchitecture& architecture_;
  TypeChoice& types_;
  std::vector<ConvertedTensor> tensors_;
};

void put_type(GgufMetadata& metadata, const std::vector<ConvertedTensor>& tensors) {
  const auto type = gguf_main_dtype(specs_of(tensors));
  if (type && gguf_file_type(*type)) metadata.set("general.file_type", GgufValue::of_u32(*gguf_file_type(*type)));
  metadata.set("general.quantization_version", GgufValue::of_u32(2));
}

// No tokens, but the ids at which texts begin and end: the model's own text needs them.
void drop_vocabulary(const ModelDescription& model, GgufMetadata& metadata) {
  const std::vector<GgufMetadata::Item> items = metadata.items();
  for (const auto& [key, value] : items) {
    if (key.starts_with("tokenizer.")) metadata.erase(key);
  }
  metadata.set("tokenizer.ggml.model", GgufValue::of_text("none"));
  const auto put = [&](const char* key, TokenId id) {
    metadata.set(key, GgufValue::of_u32(static_cast<uint32_t>(id)));
  };
  if (model.bos) put("tokenizer.ggml.bos_token_id", *model.bos);
  if (!model.eos.empty()) put("tokenizer.ggml.eos_token_id", model.eos.front());
}

// Chat models end at several tokens. GGUF has a key for one, and two others at which llama.cpp ends as well.
void put_further_ends(const ModelDescription& model, GgufMetadata& metadata) {
  std::vector<TokenId> others;
  const auto first = metadata.integer("tokenizer.ggml.eos_token_id", "");
  for (TokenId id : model.eos) {
    if (id != first) others.push_back(id);
  }
  constexpr std::array<const char*, 2> kKeys{"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
  for (size_t i = 0; i < std::min(others.size(), kKeys.size()); ++i)
    metadata.set(kKeys[i], GgufValue::of_u32(static_cast<uint32_t>(others[i])));
}

// What is stored and not written: it may be a part that neither this program nor llama.cpp computes.
void note_unused(const Checkpoint& checkpoint, const ModelDescription& model, GgufPlan& plan) {
  std::set<std::string> known(model.buffers.begin(), model.buffers.end());
  for (const ConvertedTensor& tensor : plan.tensors) known.insert(tensor.source.tensor);
  std::vector<std::string> unused;
  for (const Checkpoint::Entry& entry : checkpoint.tensors()) {
    if (!known.contains(entry.stored.spec.name)) unused.push_back(entry.stored.spec.name);
  }
  if (unused.empty()) return;
  plan.warnings.push_back(
      fmt::format("{} stored {} no part of the model as llama.cpp computes it and {} left out: '{}'{}", unused.size(),
                  unused.size() == 1 ? "tensor is" : "tensors are", unused.size() == 1 ? "is" : "are", unused.front(),
                  unused.size() == 1 ? "" : " and others"));
}

// The name decides on more than itself.
void set_name(const Checkpoint& checkpoint, const ToGgufOptions& options, GgufPlan& plan) {
  const std::string where = checkpoint.config_where();
  const bool before = special_tokens_take_spaces(plan.metadata.text("general.name", where).value_or(""));
  const bool after = special_tokens_take_spaces(options.name);
  plan.metadata.set("general.name", GgufValue::of_text(options.name));
  if (before == after || !options.vocabulary || !has_vocabulary(plan.metadata, where)) return;
  plan.warnings.push_back(
      fmt::format("by the name '{}', which {} 'phi-3', special tokens {} along the spaces that follow in "
                  "llama.cpp; by the old name they {}",
                  options.name, after ? "contains" : "does not contain", after ? "take" : "do not take",
                  before ? "did" : "did not"));
}

GgufPlan plan_from_gguf(const Checkpoint& checkpoint, const ModelDescription& model, const ToGgufOptions& options) {
  GgufPlan plan;
  plan.metadata = checkpoint.gguf()->metadata();
  if (!options.name.empty()) set_name(checkpoint, options, plan);
  if (!options.vocabulary) drop_vocabulary(model, plan.metadata);
  TypeChoice types(options.type);
  int64_t coarser = 0;
  for (const Checkpoint::Entry& entry : checkpoint.tensors()) {
    const TensorSpec& spec = entry.stored.spec;
    ConvertedTensor tensor{spec, whole_tensor(spec)};
    // Positions and the like are looked up and stay as they are, as do vectors.
    if (spec.shape.size() == 2 && dtype_is_computable(spec.dtype) && !spec.name.starts_with("position_embd")) {
      tensor.spec.dtype = types.of_matrix(spec.dtype, spec.shape[1]);
      if (dtype_is_quantised(spec.dtype) && tensor.spec.dtype != spec.dtype) ++coarser;
    }
    plan.tensors.push_back(std::move(tensor));
  }
  if (options.type) put_type(plan.metadata, plan.tensors);
  types.warn(plan.warnings);
  if (coarser > 0) plan.warnings.push_back(quantised_before(coarser));
  return plan;
}

}  // namespace

GgufPlan plan_gguf(const Checkpoint& checkpoint, const ModelDescription& model, const ToGgufOptions& options) {
  if (checkpoint.gguf() != nullptr) return plan_from_gguf(checkpoint, model, options);
  const Config config(config_of(checkpoint), checkpoint.config_where());
  const TransformerDescription transformer = describe_transformer(checkpoint, model);
  const GgufArchitecture architecture = find_architecture(model, transformer, config);
  GgufPlan plan;
  std::string name = options.name;
  if (name.empty()) name = resolved_path(checkpoint.folder()).filename().string();
  plan.metadata = architecture_metadata(architecture, model, transformer, config, name);
  TypeChoice types(options.type);
  // Gemma's head is always the embedding, whatever else is stored.
  const bool tied = model.tied_head || architecture.name == "gemma";
  plan.tensors =
      TensorPlanner(checkpoint, transformer, architecture, types).take(rotary_factors(transformer, config), tied);
  put_type(plan.metadata, plan.tensors);
  if (options.vocabulary && !has_tokenizer(checkpoint)) {
    fail(ErrorCode::kNotFound, checkpoint.folder().string(),
         "has no tokenizer (tokenizer.json, tokenizer.model, or vocab.json and merges.txt); --no-vocabulary writes the "
         "file without one");
  }
  if (options.vocabulary) {
    const GgufVocabulary vocabulary = gguf_vocabulary(checkpoint.folder(), transformer.vocab, name);
    put_vocabulary(vocabulary, plan.metadata);
    plan.warnings = vocabulary.notes;
    put_further_ends(model, plan.metadata);
  } else {
    drop_vocabulary(model, plan.metadata);
  }
  for (const auto& [key, text] : options.extra) plan.metadata.set(key, GgufValue::of_text(text));
  for (const std::string& note : architecture.notes) plan.notes.push_back(note);
  for (const std::string& warning : architecture.warnings) plan.warnings.push_back(warning);
  note_unused(checkpoint, model, plan);
  types.warn(plan.warnings);
  return plan;
}

void require_gguf_possible(const Checkpoint& checkpoint, const fs::path& target, bool overwrite) {
  const fs::path out = resolved_path(target);
  require_apart(checkpoint, out);
  const OutputFile trial(out, overwrite, is_gguf_file);
}

uint64_t write_gguf(const Checkpoint& checkpoint, const GgufPlan& plan, const fs::path& target, bool overwrite,
                    Progress& progress) {
  require_gguf_possible(checkpoint, target, overwrite);
  OutputFile file(resolved_path(target), overwrite, is_gguf_file);
  return write_gguf(checkpoint, plan, file, progress);
}

uint64_t write_gguf(const Checkpoint& checkpoint, const GgufPlan& plan, OutputFile& file, Progress& progress) {
  GgufWriter writer(file.staging(), plan.metadata, specs_of(plan.tensors));
  file.require_space(writer.total_bytes());
  write_tensors(checkpoint, plan.tensors, writer, progress);
  file.commit();
  return writer.total_bytes();
}

}  // namespace prunenet
