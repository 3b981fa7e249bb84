// The border between the program and whatever runs a model: token ids in; log-probabilities and logits out, as plain
// numbers. Nothing here knows torch; the engine behind it is a module that is loaded when a verb needs it (load.h), so
// that verbs which only read weights start at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/token_id.h"
#include "checkpoint/checkpoint.h"
#include "engine/walk.h"
#include "model/description.h"

namespace prunenet {

/// A matrix of f32, row-major.
struct Logits {
  int64_t rows = 0, vocab = 0;
  std::vector<float> values;  // [rows, vocab]

  std::span<const float> row(int64_t index) const {
    return std::span<const float>(values).subspan(static_cast<size_t>(index * vocab), static_cast<size_t>(vocab));
  }
};

/// What the model says of one token, given those before it.
struct TokenScore {
  float log_prob = 0;      // natural logarithm
  bool is_greedy = false;  // no other token has a larger logit: greedy decoding would have chosen it
};

/// A sequence to be scored. Starts with BOS where the model wants one: nothing is added.
struct ScoreRequest {
  std::vector<TokenId> ids;
  int64_t first_scored = 1;  // at least 1: the first token has nothing before it. ids.size() scores nothing
};

/// Sequences being continued together, each with its own history (the cache of keys and values).
class Session {
 public:
  virtual ~Session() = default;

  /// Feeds at least one new id to every sequence, in the order of the sequences. Gives the logits that follow the last
  /// id of each, [sequences, vocab]. Lengths may differ. Throws kBadOption when a sequence would outgrow `capacity`.
  virtual Logits append(std::span<const std::vector<TokenId>> new_ids) = 0;
  /// Keeps these sequences (indices into the present ones, ascending) and forgets the others.
  virtual void keep(std::span<const int64_t> sequences) = 0;
};

/// A model that can be run. Ids outside [0, vocab), sequences that are empty or longer than max_context throw
/// kBadOption; logits that are not finite throw kNonFinite. One call at a time.
class Engine {
 public:
  virtual ~Engine() = default;

  virtual int64_t vocab() const = 0;
  /// Whether one layer at a time is in memory: as asked, or because not all of them would fit.
  virtual bool streams() const { return false; }
  /// What a session keeps of each id of each of its sequences.
  virtual int64_t cache_bytes_per_id() const = 0;

  /// The scores of ids[first_scored ..] of each request. Sequences of equal length that stand beside each other are
  /// computed fastest. Memory: activations grow with the number of ids of all requests together.
  virtual std::vector<std::vector<TokenScore>> score(std::span<const ScoreRequest> requests) = 0;

  /// Logits at every position of every sequence, stacked in order: [sum of lengths, vocab].
  virtual Logits logits(std::span<const std::vector<TokenId>> sequences) = 0;

  /// Begins `sequences` empty sequences of at most `capacity` ids each. The engine must outlive it.
  virtual std::unique_ptr<Session> open_session(int64_t sequences, int64_t capacity) = 0;

  // What shrinking asks of an engine (walk.h). One that cannot do it throws kUnsupported, as these do.

  /// Begins a walk over these sequences. The engine must outlive it. Memory: about five numbers a token and hidden
  /// unit, and one layer's activations.
  virtual std::unique_ptr<LayerWalk> open_walk(std::span<const std::vector<TokenId>> sequences);

  /// How much the loss feels what each site adds to the residual stream. Memory: four times the residual stream of all
  /// the sequences; that before every layer waits on the disk when it is large. Cost: a forward and about two more
  /// through every layer.
  virtual void sensitivities(std::span<const std::vector<TokenId>> sequences, const SensitivityVisitor& visit);

  /// A probe over these sequences, each of at least two ids. The engine must outlive it. Memory: the logits; the
  /// residual stream before every layer, which waits on the disk when it is large.
  virtual std::unique_ptr<KlProbe> open_probe(std::span<const std::vector<TokenId>> sequences);
};

enum class ComputeType { kF32, kBf16 };

struct EngineOptions {
  ComputeType compute = ComputeType::kF32;  // of the matrix products; norms, softmax and losses are f32 always
  std::string device = "cpu";               // "cpu", "cuda" or "cuda:N"
  bool stream = false;                      // keep one layer in memory at a time; so too where streaming.h says so
  int threads = 0;                          // 0: all processors
  bool all_in_torch = false;  // on the CPU, too, moments and refits as on a GPU: for tests, slower, other last bits
  void (*throw_if_cancelled)() = nullptr;     // asked between layers and iterations
  std::filesystem::path scratch_folder = {};  // for what waits on the disk; empty: TMPDIR or /var/tmp
};

}  // namespace prunenet
