// The cost model: counts of operations and bytes over measured speeds.
#include "cli/estimate.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/system.h"
#include "linalg/gram.h"

namespace prunenet::cli {
namespace {

// Half of the tridiagonalisation runs at memory speed: its operations count about three times (measured at n = 4096).
constexpr double kEigenPenalty = 3;
constexpr double kProgramBytes = 12e6;  // code, libraries, buffers

template <typename Real>
double measure_flops() {
  const int64_t n = 768;
  const Matrix<Real> a = Matrix<Real>::Constant(2 * n, n, Real(0.5));
  gram_of_columns(a);  // threads and buffers come up
  const Stopwatch watch;
  gram_of_columns(a);
  gram_of_columns(a);
  return 2 * 2.0 * static_cast<double>(n * n * n) * 1.15 / watch.elapsed_s();  // 1.15: whole tiles on the diagonal
}

double measure_memory() {
  std::vector<char> from(64u << 20, 1), to(64u << 20);
  const Stopwatch watch;
  std::copy(from.begin(), from.end(), to.begin());
  return 2.0 * static_cast<double>(from.size()) / watch.elapsed_s();
}

// Into a nameless file of the same file system; where that is not possible, a common disk's speed is assumed.
double measure_writing(std::filesystem::path folder) {
  constexpr double kAssumed = 500e6;
  std::error_code error;
  while (!folder.empty() && !std::filesystem::is_directory(folder, error) && folder != folder.parent_path()) folder = folder.parent_path();
  const int descriptor = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (descriptor < 0) return kAssumed;
  const std::vector<char> block(8u << 20, 1);
  const Stopwatch watch;
  double written = 0;
  for (int i = 0; i < 16 && watch.elapsed_s() < 0.3; ++i) {
    const ssize_t count = ::write(descriptor, block.data(), block.size());
    if (count <= 0) break;
    written += static_cast<double>(count);
  }
  const double elapsed_s = watch.elapsed_s();
  ::close(descriptor);
  return written > 0 ? written / elapsed_s : kAssumed;
}

}  // namespace

MachineSpeed measure_machine(bool f64, const std::filesystem::path& output_folder) {
  return {f64 ? measure_flops<double>() : measure_flops<float>(), measure_memory(), measure_writing(output_folder)};
}

namespace {

// Self-calibrated pruning: passes of the text through the model, and what is done with the moments of each layer.
void estimate_self(const OpenModel& open, const SelfVerbOptions& self, const EngineVerbOptions& engine,
                   const std::vector<int64_t>& widths, const MachineSpeed& speed, CostEstimate& cost) {
  const bool is_measured = !self.moments.empty() && std::filesystem::exists(self.moments);
  const bool runs = needs_engine(self) && !(is_measured && resolved_refit(self) != "sequential");
  const bool sequential = resolved_refit(self) == "sequential";
  const double flops = static_cast<double>(open.size().flops_per_token), d = static_cast<double>(open.model.hidden);
  double tokens = 4096, operations = 0, largest = 0, states = 0;
  for (int64_t width : open.model.ffn_widths()) tokens = std::max(tokens, static_cast<double>(width));  // of Gaussian inputs
  const auto layers = static_cast<double>(open.model.layers.size());
  if (runs) {
    const double length = open.model.max_context > 0 ? std::min<double>(static_cast<double>(self.tokens), static_cast<double>(open.model.max_context))
                                                     : static_cast<double>(self.tokens);
    tokens = static_cast<double>(own_text_sequences(self, open)) * length;
    // Sampling goes token by token, at a third of the speed; a dense pass, one of the model in the making with targets
    // (1.5), and the check.
    operations += flops * (3 * tokens + (sequential ? 2.5 : 1) * tokens + static_cast<double>(self.check) * length * 5);
    if (self.weighting != "plain") {
      const double felt = std::min(tokens, static_cast<double>(self.sensitivity_tokens));
      operations += 4 * flops * felt;
      states = 4 * felt * d * (layers + 1);  // the stream before every layer
    }
  }
  const auto steps = runs ? static_cast<double>(neuron_steps(self, open)) : 0.0;
  for (size_t i = 0; i < widths.size(); ++i) {
    const double f = static_cast<double>(open.model.layers[i].ffn.neurons.width), k = static_cast<double>(widths[i]);
    if (!is_measured) operations += f * f * tokens + 2 * d * f * tokens;      // moments and cross moments
    operations += f * f * f + d * f * f + 3 * f * f * (f - k);                // elimination
    operations += k * k * k / 3 + 4 * d * k * k;                              // refit
    operations += steps * (static_cast<double>(self.neuron_iterations) + 2) * 16 * k * d * tokens;
    if (!needs_engine(self) && !is_measured) operations += 6 * f * d * tokens;
    largest = std::max(largest, 4 * (2 * f * f + 4 * d * f));
  }
  cost.training_s = operations / speed.flops_per_s;
  // The walk: seven streams, one site's inputs up to a GiB, the text of a refit of neurons up to two.
  const double widest = widths.empty() ? 0 : static_cast<double>(*std::max_element(widths.begin(), widths.end()));
  const double walk = 7 * 4 * tokens * d + std::min(4 * tokens * 1.4 * widest, 1.1e9) +
                      (steps > 0 ? std::min(4 * tokens * (2 * d + 3 * widest), 2.1e9) + 60 * widest * d : 0);
  // Weights that are stored as they are computed with lie in the mapping; others are converted. Streaming holds a layer.
  const double number = engine.dtype == "bf16" ? 2 : 4;
  const double weights = number * static_cast<double>(open.size().params) / (engine.stream ? std::max(1.0, layers) : 1.0);
  cost.peak_bytes += std::max(largest + walk * (runs ? 1 : 0), states) + (runs ? weights + 250e6 : 0);
}

}  // namespace

CostEstimate estimate_cost(const OpenModel& open, const SelectionOptions& selection, const TrainingOptions& training,
                           const SelfVerbOptions* self, const EngineVerbOptions& engine,
                           const std::vector<int64_t>& widths, const SizeChange& change, const MachineSpeed& speed) {
  CostEstimate cost;
  uint64_t largest = 0;
  for (const auto& entry : open.checkpoint.tensors()) largest = std::max(largest, entry.stored.spec.size_bytes());
  cost.peak_bytes = kProgramBytes + static_cast<double>(largest);
  cost.writing_s = static_cast<double>(change.after.bytes) / speed.write_bytes_per_s +
                   2 * static_cast<double>(change.before.bytes) / speed.memory_bytes_per_s;
  const bool policy = selection.mask.empty() && selection.method == "prunenet";
  if (self != nullptr) estimate_self(open, *self, engine, widths, speed, cost);
  if (!policy) return cost;

  const double element = uses_f64(training, open.model) ? 8 : 4;
  const double d = static_cast<double>(open.model.hidden);
  const double episodes = selection.policy.empty() ? static_cast<double>(training.episodes) : 0;
  double hidden_units = 0, widest_gram = 0, operations = 0, traffic = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    const double f = static_cast<double>(open.model.layers[i].ffn.neurons.width), k = static_cast<double>(widths[i]);
    const double order = std::min(f, d), kept_order = std::min(k, d);
    const double eigen = 4.0 / 3 * kEigenPenalty;
    const double whole = f * d * order + eigen * order * order * order;
    const double gram = f <= d ? 0 : k <= d ? k * k * d : std::min(k, f - k) * d * d;
    operations += whole + (episodes + 1) * (gram + eigen * kept_order * kept_order * kept_order);
    traffic += (episodes + 1) * f * d * 10 * 4;  // load and widen twice, logits, gradient
    hidden_units = std::max(hidden_units, f);
    widest_gram = std::max(widest_gram, order);
  }
  traffic += episodes * static_cast<double>(widths.size()) * hidden_units * d * element * 7;  // AdamW: 3 read and written, P again
  cost.training_s = operations / speed.flops_per_s + traffic / speed.memory_bytes_per_s;
  cost.peak_bytes = kProgramBytes + element * (4 * hidden_units * d + hidden_units * d * 1.3 + 3 * widest_gram * widest_gram) +
                    static_cast<double>(std::min(largest, static_cast<uint64_t>(hidden_units * d * 4)));
  return cost;
}

}  // namespace prunenet::cli
