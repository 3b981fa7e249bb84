// The engine on libtorch.
#include "runtime/torch_engine.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "base/error.h"
#include "engine/streaming.h"
#include "linalg/parallel.h"
#include "runtime/chunks.h"
#include "runtime/full_precision.h"
#include "runtime/guard.h"
#include "runtime/memory.h"
#include "runtime/pieces.h"
#include "runtime/sensitivity.h"
#include "runtime/torch_probe.h"
#include "runtime/torch_session.h"
#include "runtime/torch_walk.h"

namespace prunenet {
namespace {

constexpr int64_t kMostLogits = int64_t{1} << 25;  // at once: 128 MiB

at::ScalarType scalar_type(ComputeType type) {
  return type == ComputeType::kF32 ? at::kFloat : at::kBFloat16;
}

// What must be settled before the first weight is fetched; gives the description back.
const TransformerDescription& prepared(const TransformerDescription& description, const EngineOptions& options) {
  prepare_torch(options.threads);
  return description;
}

}  // namespace

void prepare_torch(int threads) {
  keep_memory();
  const int processors = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  at::set_num_threads(threads > 0 ? threads : processors);
  set_num_threads(threads);  // of this module's linear algebra: moments
}

at::Device torch_device(const std::string& name) {
  forbid_tf32();
  if (name == "cpu") return at::kCPU;
  if (name == "privateuseone:0") return at::Device(name);  // torch's name for a device of the process's own: of tests
  const bool is_cuda = name == "cuda" || name.starts_with("cuda:");
  if (!is_cuda) fail(ErrorCode::kBadOption, "--device", "'{}' is no device; there are cpu, cuda and cuda:N", name);
  require_no_tf32_of_cublas();
  if (!at::hasCUDA()) {
    fail(ErrorCode::kUnsupported, "--device " + name,
         "there is none: no NVIDIA GPU that works, or a libtorch built without CUDA (as Debian's is)");
  }
  try {
    const at::Device device(name);
    at::empty({1}, at::TensorOptions(at::kFloat).device(device));
    return device;
  } catch (const c10::Error& error) {
    fail(ErrorCode::kUnsupported, "--device " + name, "cannot be used: {}", error.what_without_backtrace());
  }
}

void require_finite_logits(const at::Tensor& logits, const std::string& where) {
  // One sum tells: it is finite only if every term is, and no sum of finite f32 logits overflows an f64.
  if (std::isfinite(at::sum(logits, at::kDouble).item<double>())) return;
  fail(ErrorCode::kNonFinite, where,
       "the model computes {} for some token: its weights are damaged, or overflow in this --dtype",
       at::isnan(logits).any().item<bool>() ? "NaN" : "infinity");
}

TorchEngine::TorchEngine(const Checkpoint& checkpoint, const ModelDescription& model, const EngineOptions& options)
    : where_(checkpoint.folder().string()),
      description_(describe_transformer(checkpoint, model)),
      weights_(checkpoint, torch_device(options.device)),
      stream_(
          engine_streams(options, converted_weight_bytes(checkpoint, model, options.compute), usable_memory_bytes())),
      all_in_torch_(options.all_in_torch || !weights_.device().is_cpu()),
      scratch_folder_(options.scratch_folder),
      transformer_(prepared(description_, options), weights_, weights_.device(),
                   {scalar_type(options.compute), stream_, options.throw_if_cancelled}) {}

int64_t TorchEngine::cache_bytes_per_id() const {
  return cache_bytes_per_token(description_, transformer_.type() == at::kFloat ? 4 : 2);
}

void TorchEngine::require_ids(std::span<const TokenId> ids, size_t sequence) const {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= description_.vocab) {
      fail(ErrorCode::kBadOption, where_, "id {} at place {} of sequence {} is no token: the vocabulary has {}", ids[i],
           i, sequence, description_.vocab);
    }
  }
}

void TorchEngine::require_length(int64_t length, size_t sequence) const {
  if (length == 0) fail(ErrorCode::kBadOption, where_, "sequence {} is empty", sequence);
  if (description_.max_context > 0 && length > description_.max_context) {
    fail(ErrorCode::kBadOption, where_, "sequence {} has {} ids, more than the model's context of {}", sequence, length,
         description_.max_context);
  }
}

void TorchEngine::require_sequences(std::span<const std::vector<TokenId>> sequences, int64_t least) const {
  for (size_t i = 0; i < sequences.size(); ++i) {
    require_length(static_cast<int64_t>(sequences[i].size()), i);
    require_ids(sequences[i], i);
    if (static_cast<int64_t>(sequences[i].size()) < least) {
      fail(ErrorCode::kBadOption, where_, "sequence {} has {} ids, at least {} are needed", i, sequences[i].size(),
           least);
    }
  }
}

std::vector<std::vector<TokenScore>> TorchEngine::score(std::span<const ScoreRequest> requests) {
  return guarded(where_, [&] { return compute_scores(requests); });
}

Logits TorchEngine::logits(std::span<const std::vector<TokenId>> sequences) {
  return guarded(where_, [&] { return compute_logits(sequences); });
}

std::vector<std::vector<TokenScore>> TorchEngine::compute_scores(std::span<const ScoreRequest> requests) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < requests.size(); ++i) {
    require_length(static_cast<int64_t>(requests[i].ids.size()), i);
    require_ids(requests[i].ids, i);
    PRUNENET_CHECK(requests[i].first_scored >= 1 &&
                   requests[i].first_scored <= static_cast<int64_t>(requests[i].ids.size()));
  }
  std::vector<std::vector<TokenScore>> scores(requests.size());
  const auto ids = [&](size_t i) { return std::span<const TokenId>(requests[i].ids); };
  const auto length = [&](size_t i) { return static_cast<int64_t>(requests[i].ids.size()); };

  // From hidden states to scores, a bounded number of logits at a time.
  const auto finish = [&](const at::Tensor& hidden, size_t begin, size_t end) {
    std::vector<int64_t> rows, targets;  // a row of `hidden`, and the id that follows it
    int64_t first = 0;
    for (size_t i = begin; i < end; first += length(i++)) {
      for (int64_t t = requests[i].first_scored; t < length(i); ++t) {
        rows.push_back(first + t - 1);
        targets.push_back(requests[i].ids[static_cast<size_t>(t)]);
      }
    }
    std::vector<TokenScore> flat;
    const int64_t at_once = std::max<int64_t>(1, kMostLogits / description_.vocab);
    for (int64_t from = 0; from < static_cast<int64_t>(rows.size()); from += at_once) {
      const int64_t count = std::min(at_once, static_cast<int64_t>(rows.size()) - from);
      const auto part = [&](std::vector<int64_t>& values) {
        return at::from_blob(values.data() + from, {count}, at::TensorOptions(at::kLong)).to(hidden.device());
      };
      const at::Tensor logits = transformer_.logits(hidden.index_select(0, part(rows)));  // [count, vocab]
      require_finite_logits(logits, where_);
      const at::Tensor largest = at::amax(logits, 1);
      const at::Tensor target = logits.gather(1, part(targets).unsqueeze(1)).squeeze(1);
      const at::Tensor total = by_rows(largest, logits.size(1), [&](int64_t row, int64_t n) {
        return at::sum((logits.narrow(0, row, n) - largest.narrow(0, row, n).unsqueeze(1)).exp_(), 1);
      });
      const at::Tensor log_prob =
          (target - largest -
           by_rows(total, 1, [&](int64_t row, int64_t n) { return at::log(total.narrow(0, row, n)); }))
              .cpu()
              .contiguous();
      const at::Tensor greedy = target.ge(largest).cpu().contiguous();
      for (int64_t i = 0; i < count; ++i) flat.push_back({log_prob.data_ptr<float>()[i], greedy.data_ptr<bool>()[i]});
    }
    auto next = flat.begin();
    for (size_t i = begin; i < end; ++i) {
      const auto scored = length(i) - requests[i].first_scored;
      scores[i].assign(next, next + scored);
      next += scored;
    }
  };

  const auto runs = runs_of(requests.size(), length);
  if (stream_) {  // every layer is read once for all requests
    std::vector<Chunk> chunks;
    for (const auto& [begin, end] : runs) chunks.push_back(make_chunk(begin, end, ids));
    const std::vector<at::Tensor> hidden = transformer_.hidden(chunks);
    for (size_t i = 0; i < runs.size(); ++i) finish(hidden[i], runs[i].first, runs[i].second);
  } else {
    for (const auto& [begin, end] : runs)
      finish(transformer_.hidden({make_chunk(begin, end, ids)}).front(), begin, end);
  }
  return scores;
}

Logits TorchEngine::compute_logits(std::span<const std::vector<TokenId>> sequences) {
  const at::NoGradGuard no_grad;
  Logits result{0, description_.vocab, {}};
  require_sequences(sequences, 1);
  for (const auto& ids : sequences) result.rows += static_cast<int64_t>(ids.size());
  result.values.resize(static_cast<size_t>(result.rows * result.vocab));
  float* out = result.values.data();
  const std::vector<Chunk> chunks = make_chunks(sequences);
  const int64_t at_once = std::max<int64_t>(1, kMostLogits / description_.vocab);
  const auto write = [&](const at::Tensor& hidden) {
    for (int64_t from = 0; from < hidden.size(0); from += at_once) {
      const at::Tensor logits =
          transformer_.logits(hidden.narrow(0, from, std::min(at_once, hidden.size(0) - from))).cpu().contiguous();
      require_finite_logits(logits, where_);
      out = std::copy_n(logits.data_ptr<float>(), logits.numel(), out);
    }
  };
  if (stream_) {
    for (const at::Tensor& hidden : transformer_.hidden(chunks)) write(hidden);
  } else {
    for (const Chunk& chunk : chunks) write(transformer_.hidden({chunk}).front());
  }
  return result;
}

std::unique_ptr<Session> TorchEngine::open_session(int64_t sequences, int64_t capacity) {
  PRUNENET_CHECK(sequences >= 1);
  require_length(capacity, 0);
  return std::make_unique<TorchSession>(*this, sequences, capacity);
}

std::unique_ptr<LayerWalk> TorchEngine::open_walk(std::span<const std::vector<TokenId>> sequences) {
  require_sequences(sequences, 1);
  return guarded(where_, [&] { return std::make_unique<TorchWalk>(*this, sequences); });
}

void TorchEngine::sensitivities(std::span<const std::vector<TokenId>> sequences, const SensitivityVisitor& visit) {
  require_sequences(sequences, 2);
  guarded(where_, [&] { compute_sensitivities(*this, sequences, visit); });
}

std::unique_ptr<KlProbe> TorchEngine::open_probe(std::span<const std::vector<TokenId>> sequences) {
  require_sequences(sequences, 2);
  if (sequences.empty()) fail(ErrorCode::kBadOption, where_, "there is no text to measure changes on");
  return guarded(where_, [&] { return std::make_unique<TorchProbe>(*this, sequences); });
}

}  // namespace prunenet
