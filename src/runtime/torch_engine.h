// The engine behind the border: batches of requests become chunks of the transformer, and its tensors plain numbers.
#pragma once

#include "engine/engine.h"
#include "runtime/transformer.h"

namespace prunenet {

class TorchEngine final : public Engine {
 public:
  /// See load_engine. `checkpoint` must outlive it.
  TorchEngine(const Checkpoint& checkpoint, const ModelDescription& model, const EngineOptions& options);

  int64_t vocab() const override { return description_.vocab; }
  int64_t cache_bytes_per_id() const override;
  bool streams() const override { return stream_; }
  std::vector<std::vector<TokenScore>> score(std::span<const ScoreRequest> requests) override;
  Logits logits(std::span<const std::vector<TokenId>> sequences) override;
  std::unique_ptr<Session> open_session(int64_t sequences, int64_t capacity) override;

  std::unique_ptr<LayerWalk> open_walk(std::span<const std::vector<TokenId>> sequences) override;
  void sensitivities(std::span<const std::vector<TokenId>> sequences, const SensitivityVisitor& visit) override;
  std::unique_ptr<KlProbe> open_probe(std::span<const std::vector<TokenId>> sequences) override;

  Transformer& transformer() { return transformer_; }
  /// Throws kBadOption for ids that are no tokens of the model, naming their place.
  void require_ids(std::span<const TokenId> ids, size_t sequence) const;
  /// `length` ids in one sequence; throws kBadOption where that is none or more than the model's context.
  void require_length(int64_t length, size_t sequence) const;
  /// Both for all ids of all sequences; each of at least `least` ids.
  void require_sequences(std::span<const std::vector<TokenId>> sequences, int64_t least) const;
  /// Moments and refits are torch's own operations: on a GPU, or where the options ask for it.
  bool all_in_torch() const { return all_in_torch_; }
  /// As in EngineOptions.
  const std::filesystem::path& scratch_folder() const { return scratch_folder_; }
  /// The model's folder, for errors.
  const std::string& where() const { return where_; }

 private:
  std::vector<std::vector<TokenScore>> compute_scores(std::span<const ScoreRequest> requests);
  Logits compute_logits(std::span<const std::vector<TokenId>> sequences);

  std::string where_;
  TransformerDescription description_;
  CheckpointWeights weights_;
  bool stream_, all_in_torch_;
  std::filesystem::path scratch_folder_;
  Transformer transformer_;
};

/// Throws kUnsupported where torch has no such device, and where its products of f32 could be TF32
/// (runtime/full_precision.h).
at::Device torch_device(const std::string& name);

/// Threads (0: all processors) of torch and of this module's linear algebra, and memory that is kept for the next
/// layer.
void prepare_torch(int threads);

/// Throws kNonFinite, naming the model, when a logit is NaN or infinite.
void require_finite_logits(const at::Tensor& logits, const std::string& where);

}  // namespace prunenet
