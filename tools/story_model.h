// The trained demo model: its shape, its parameters, and the runtime's forward pass over them, which training
// differentiates. What it learns is in story_corpus.h, how in story_trainer.h.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "model/transformer.h"

namespace prunenet {

struct StoryModelShape {
  int64_t hidden = 128;
  int64_t ffn = 320;  // 30 % less is 224, a multiple of 32 as well
  int64_t layers = 5;
  int64_t heads = 4;
  int64_t kv_heads = 2;
  int64_t vocab = 1024;
  int64_t positions = 256;
};

/// config.json of a Llama of this shape, stored in bf16.
std::string story_config_json(const StoryModelShape& shape);

/// A Llama in f32 whose parameters ask for gradients.
class StoryModel {
 public:
  /// Random weights that depend on the seed alone. Throws kUnsupported or kMismatch for a shape that makes no model.
  StoryModel(const StoryModelShape& shape, uint64_t seed);

  const StoryModelShape& shape() const { return shape_; }
  /// Names as Hugging Face has them, in the order in which they are stored.
  const std::vector<std::pair<std::string, at::Tensor>>& parameters() const { return parameters_; }

  /// int64 ids [rows, length] -> logits [rows, length, vocab].
  at::Tensor logits(const at::Tensor& ids) const;

  /// What Engine::score gives, for requests that are scored from their second id on.
  std::vector<std::vector<TokenScore>> score(std::span<const ScoreRequest> requests) const;

  /// Rounds every parameter to bf16, as it is stored.
  void round_to_bf16();

 private:
  void add(const std::string& name, at::IntArrayRef shape, double deviation, uint64_t seed);
  void add_layer(int64_t layer, uint64_t seed);
  void describe();

  StoryModelShape shape_;
  std::vector<std::pair<std::string, at::Tensor>> parameters_;
  TransformerDescription description_;
};

}  // namespace prunenet
