// Counting a run of self-calibrated pruning. The formulas follow calibrate, runtime and surgeon: where those change,
// these do.
#include "cost/self_cost.h"

#include <algorithm>
#include <cmath>

#include "cost/disk.h"
#include "cost/engine_speed.h"
#include "surgeon/damping.h"

namespace prunenet {

namespace {
constexpr double kNeuronRefitBytes = 2.0 * (1 << 30);  // of the text that it works on
constexpr double kChunkTokens = 2048;                  // that the engine computes together
constexpr double kF64UpToOrder = 4096;                 // of what the refit of neurons inverts

// Tokens of a chunk: whole sequences.
double chunk_tokens(double length) {
  return std::max(length, std::floor(kChunkTokens / std::max(1.0, length)) * length);
}
}  // namespace

double moment_flops(double inputs, double outputs, double tokens, bool targets) {
  return inputs * inputs * tokens + (targets ? 2 * outputs * inputs * tokens : 0);
}

double elimination_flops(double inputs, double outputs, double removed, bool weighted) {
  return inputs * inputs * inputs + outputs * inputs * inputs + (weighted ? 2 * outputs * outputs * inputs : 0) +
         3 * inputs * inputs * removed;
}

double refit_flops(double inputs, double outputs, double kept, bool target) {
  return kept * kept * kept / 3 + 2 * outputs * kept * kept +
         (target ? 2 * outputs * kept * kept : outputs * inputs * inputs + 2 * outputs * kept * (inputs - kept));
}

Work gaussian_moments_work(const LayerShape& layer, double hidden, double tokens) {
  const double f = static_cast<double>(layer.width), up = (layer.gated ? 2 : 1) * hidden * f;
  Work work;
  work[WorkKind::kProductF32] = moment_flops(f, 0, tokens, false) + tokens * 2 * up;
  work[WorkKind::kFunction] =
      tokens * (2 * hidden + f);  // for each number drawn, half of log, cosine and sine and its stream
  work[WorkKind::kMemory] = tokens * 4 * 3 * f + 4 * 4 * f * f + 4 * up;
  return work;
}

NeuronRefitFlops neuron_refit_flops(const NeuronRefitCount& count) {
  const double k = count.kept, d = count.outputs, up = count.gated ? 2 : 1;
  const double inner = 2 * up * d * k, errors = inner + 2 * d * k, metric = 2 * d * d;
  const double gradient = metric + 2 * d * k * (1 + up + 1);  // weighed errors, back, and a matrix each
  const double moved = 2 * d * k * (up + 2);
  const double moments = 2 * d * d + 2 * k * k;
  const double preconditioner = 2 * k * d * (up * d + k + d), worth = 2 * d * d * k;
  const double linearisation = inner + moments + (2 * d * k + metric) + gradient + errors + metric;
  NeuronRefitFlops flops;
  flops.products = count.tokens * (count.linearisations * linearisation + count.iterations * (moved + gradient) +
                                   3 * errors + 2 * metric) +
                   (count.iterations + count.linearisations) * preconditioner + count.linearisations * worth;
  const auto invert = [&flops](double order, double times) {
    (order <= kF64UpToOrder ? flops.f64 : flops.f32) += times * order * order * order;
  };
  invert(d, 1 + count.linearisations);
  invert(k, count.linearisations);
  return flops;
}

double neuron_refit_tokens(double kept, double outputs, double tokens, double length, double number_bytes) {
  const double bytes = outputs * (4 + number_bytes) + 3 * kept * number_bytes;
  const double chunk = chunk_tokens(length);
  if (tokens * bytes <= kNeuronRefitBytes) return tokens;
  return std::min(tokens, std::max(1.0, std::floor(kNeuronRefitBytes / bytes / chunk)) * chunk);
}

namespace {

constexpr double kKeptInputBytes = 1 << 30;  // of a walk
constexpr double kSpillBytes = 1 << 29;      // streams before every layer: beyond it they wait on the disk
constexpr double kCurveShare = 0.6;          // of the width, on average, at the points of a curve

class SelfCounter {
 public:
  SelfCounter(const ModelShape& shape, const SelfTask& task)
      : shape_(shape), task_(task), d_(static_cast<double>(shape.hidden)), layers_(shape.layers.size()) {
    tokens_ = task.source == SelfTask::Source::kGaussian ? task.gaussian_tokens : task.sequences * task.length;
    if (!task.runs) return;
    resident_ = task.converted_bytes;
    if (task.stream) resident_ = std::min(resident_, task.number_bytes * 2 * largest_layer_params());
  }

  RunCost count() {
    if (task_.runs) load();
    if (task_.source == SelfTask::Source::kOwnText) sample("own text", task_.sequences, task_.length, task_.capacity);
    if (task_.runs && task_.loss_tokens > 0) weigh_by_loss();
    if (task_.dropped_layers > 0) choose_layers();
    if (task_.adaptive) measure_curves();
    walk();
    if (task_.runs && task_.check_sequences > 0) check();
    keep(0);  // the last word of the walk
    cost_.disk_bytes += spilled_bytes_;
    return std::move(cost_);
  }

 private:
  double largest_layer_params() const {
    double most = 0;
    for (const LayerShape& layer : shape_.layers) most = std::max(most, layer.params(shape_.hidden));
    return most;
  }

  // Parts of the journal, which stay until the output is there.
  void keep(double bytes, double parts = 1) { cost_.disk_bytes += parts * part_disk_bytes(bytes); }

  // Texts that are sampled: eight bytes an id, a part for each batch.
  void keep_texts(double sequences, double capacity) {
    const double parts = std::ceil(sequences / task_.batch);
    keep(8 * (1 + std::min(sequences, task_.batch) * (1 + capacity)), parts);
  }

  void add(std::string name, Work work, double bytes) {
    cost_.phases.push_back({std::move(name), work, bytes + resident_});  // what a phase leaves free goes back
  }

  // Every pass of a streaming engine makes its weights ready anew.
  void stream_layers(Work& work, double passes = 1) const {
    if (task_.stream) work[WorkKind::kLoad] += passes * task_.number_bytes * shape_.layer_params();
  }

  double forward(double length) const { return forward_flops_per_token(shape_, layers_, length); }

  void load() {
    Work work;
    if (!task_.stream) work[WorkKind::kLoad] = task_.number_bytes * (shape_.layer_params() + shape_.head_params());
    add("loading the model", work, 0);
  }

  void sample(const char* name, double sequences, double length, double capacity) {
    Work work;
    count_sampling(work, sequences, length, capacity);
    add(name, work, sampling_bytes(sequences, capacity));
    keep_texts(sequences, capacity);
  }

  // The cache of a batch, widened for the layer that reads it; logits, once more as numbers; and a head in f32.
  double sampling_bytes(double sequences, double capacity) const {
    const double batch = std::min(sequences, task_.batch);
    double cache = 0, widest = 0;
    for (const LayerShape& layer : shape_.layers) {
      cache += 2 * static_cast<double>(layer.kv_width) * task_.number_bytes;
      widest = std::max(widest, 2 * 4 * static_cast<double>(layer.kv_width));
    }
    return wide_head_bytes() + batch * ((cache + widest) * capacity + 3 * 4 * static_cast<double>(shape_.vocab) +
                                        4 * 4 * (d_ + static_cast<double>(shape_.widest())));
  }

  // Logits are f32. A streaming engine makes the head anew, a part at a time.
  double wide_head_bytes() const {
    if (task_.stream) return 4 * std::min(static_cast<double>(shape_.vocab), 4096.0) * d_;
    return task_.is_bf16() ? 4 * shape_.head_params() : 0;
  }

  void count_sampling(Work& work, double sequences, double length, double capacity) const {
    const double drawn = sequences * (length - 1);
    work[WorkKind::kDecode] += drawn * 2 * (shape_.layer_params() + shape_.head_params());
    work[WorkKind::kDraw] += drawn * static_cast<double>(shape_.vocab);
    // A batch goes on until its longest text ends; where texts end early, that is near the most there may be.
    const double steps = std::ceil(sequences / task_.batch) * (capacity - 1);
    work[WorkKind::kStep] += steps * task_.number_bytes * (shape_.layer_params() + shape_.head_params());
    for (const LayerShape& layer : shape_.layers)
      work[WorkKind::kCache] += drawn * length / 2 * 2 * static_cast<double>(layer.kv_width) * task_.number_bytes;
    stream_layers(work, std::ceil(sequences / task_.batch) * capacity);
  }

  void weigh_by_loss() {
    Work work;
    const double felt = std::min(tokens_, task_.loss_tokens);
    const double layers = static_cast<double>(layers_);
    work[WorkKind::kBackward] = felt * backward_flops_per_token(shape_, task_.length);
    stream_layers(work, 2);
    keep(8 + d_ * d_ * 4, 2 * layers);
    keep(2 * 16 * layers);
    // Rows of all sequences: those before every layer, and gradients. Each thread has one sequence with all that its
    // gradient needs; of a head that is not kept in f32, too.
    const double f = static_cast<double>(shape_.widest()), vocab = static_cast<double>(shape_.vocab);
    const double stream = felt * 4 * d_, before = kept_streams_bytes(layers * stream);
    const double at_head = 2 * stream + task_.threads * task_.length * 4 * 6 * vocab +
                           (task_.stream ? task_.threads : 1) * (task_.is_bf16() ? 4 * shape_.head_params() : 0);
    const double in_layer =
        3 * stream + task_.threads * task_.length * task_.number_bytes * (8 * f + 20 * d_) + 3 * 4 * d_ * d_;
    add("what the loss feels", work, before + std::max(at_head, in_layer));
  }

  // Of streams that are kept before every layer: those in memory. Others are on the disk while the phase lasts.
  double kept_streams_bytes(double bytes) {
    if (bytes <= kSpillBytes) return bytes;
    spilled_bytes_ = std::max(spilled_bytes_, bytes);
    return 0;
  }

  void count_kl(Work& work, double tokens) const {
    work[WorkKind::kForward] += tokens * 4 * shape_.head_params();
    work[WorkKind::kDivergence] += tokens * static_cast<double>(shape_.vocab);
  }

  // Bytes of logits that are compared together.
  double logits_at_once(double tokens) const {
    return 4 * std::min(static_cast<double>(1 << 25), tokens * static_cast<double>(shape_.vocab));
  }

  // Memory of a probe: the states before every layer and where it stands, the dense logits, and a chunk's.
  double probe_bytes() {
    const double stream = task_.probe_tokens * 4 * d_, chunk = std::min(kChunkTokens, task_.probe_tokens);
    return kept_streams_bytes(stream * static_cast<double>(layers_ + 1)) + 2 * stream + wide_head_bytes() +
           (task_.probe_tokens + 2 * chunk) * 4 * static_cast<double>(shape_.vocab) + chunk_bytes(chunk);
  }

  void choose_layers() {
    Work work;
    const double layers = static_cast<double>(layers_), gone = static_cast<double>(task_.dropped_layers);
    const double trials = gone * layers - gone * (gone - 1) / 2;
    work[WorkKind::kForward] = task_.probe_tokens * forward(task_.length) * (1 + trials * 0.6);
    for (double i = 0; i < trials; ++i) count_kl(work, task_.probe_tokens);
    stream_layers(work, 1 + trials * 0.6);
    add("which layers can go", work, probe_bytes());
    keep(8, trials);
  }

  WorkKind surgeon_kind(double width) const {
    return width <= static_cast<double>(kF64UpToWidth) ? WorkKind::kProductF64 : WorkKind::kProductF32;
  }

  WorkKind squares_kind(double width) const {
    return width <= static_cast<double>(kF64UpToWidth) ? WorkKind::kSquaresF64 : WorkKind::kSquaresF32;
  }

  void count_elimination(Work& work, double inputs, double removed) const {
    work[surgeon_kind(inputs)] += elimination_flops(inputs, d_, removed, task_.loss_tokens > 0);
    work[squares_kind(inputs)] += inputs * inputs;
  }

  void count_refit(Work& work, double inputs, double kept, bool target) const {
    work[surgeon_kind(inputs)] += refit_flops(inputs, d_, kept, target);
    work[squares_kind(inputs)] += kept * kept;
  }

  // Moments of an FFN, wherever they come from; 0 flops where they are read.
  void count_ffn_moments(Work& work, const LayerShape& layer, bool targets) const {
    const double f = static_cast<double>(layer.width);
    if (task_.source == SelfTask::Source::kStored && !task_.follows) {
      work[WorkKind::kRead] += 2 * f * f;
      return;
    }
    if (task_.source == SelfTask::Source::kGaussian) {
      work += gaussian_moments_work(layer, shape_.hidden, tokens_);
      return;
    }
    work[WorkKind::kProductF32] += moment_flops(f, d_, tokens_, targets);
    work[WorkKind::kMemory] += tokens_ * 4 * 3 * f + 4 * 4 * f * f;
  }

  void measure_curves() {
    Work work;
    for (size_t l = 0; l < layers_; ++l) {
      const LayerShape& layer = shape_.layers[l];
      const double f = static_cast<double>(layer.width), k = kCurveShare * f;
      count_ffn_moments(work, layer, false);
      count_elimination(work, f, f);
      for (int64_t point = 0; point < task_.curve_points; ++point) {
        count_refit(work, f, k, false);
        const double behind = static_cast<double>(layers_ - l) / static_cast<double>(layers_);
        work[WorkKind::kForward] += task_.probe_tokens * forward(task_.length) * behind;
        count_kl(work, task_.probe_tokens);
        stream_layers(work, behind);
      }
    }
    if (task_.runs) work[WorkKind::kForward] += tokens_ * forward(task_.length);
    keep(8, static_cast<double>(layers_) * static_cast<double>(1 + task_.curve_points));
    add("how much each layer can lose", work, surgeon_bytes() + walk_bytes() + (task_.runs ? probe_bytes() : 0));
  }

  double kept_width() const {
    int64_t k = 0;
    for (const int64_t kept : task_.kept) k = std::max(k, kept);
    return static_cast<double>(k);
  }

  double widest_inner() const { return static_cast<double>(std::max(shape_.widest(), shape_.widest_attention())); }

  // What a layer computes for a chunk.
  double chunk_bytes(double tokens) const { return tokens * (task_.number_bytes * 3 * widest_inner() + 4 * 6 * d_); }

  bool keeps_inputs() const { return 4 * tokens_ * widest_inner() <= kKeptInputBytes; }

  // Streams of a walk: the dense model's, the changed one's, this one's after attention, and a fourth: what is freed of
  // one chunk is not all used by the next (found with 65536 and 131072 tokens of 128 numbers: 4.2 of them). And a
  // site's inputs where they are kept.
  double walk_bytes() const {
    if (!task_.runs) return 0;
    const double inputs = keeps_inputs() ? task_.number_bytes * tokens_ * widest_inner() : 0;
    return 4 * 4 * tokens_ * d_ + inputs + chunk_bytes(std::min(chunk_tokens(task_.length), tokens_));
  }

  // Moments, and the matrix that they are of: from measuring to the end of a site.
  double moment_bytes() const {
    const double f = static_cast<double>(shape_.widest());
    return 4 * f * f + (task_.follows ? 4 * d_ * f : 0) + 4 * d_ * f;
  }

  double choosing_bytes() const {
    const double f = static_cast<double>(shape_.widest());
    const double real = surgeon_kind(f) == WorkKind::kProductF64 ? 8 : 4;
    const double weighed = task_.loss_tokens > 0 ? d_ * f + d_ * d_ : 0;
    return moment_bytes() + 4 * d_ * d_ + real * std::max(f * f + d_ * f + weighed, 2 * f * f + 3 * 128 * f);
  }

  double refitting_bytes() const {
    const double f = static_cast<double>(shape_.widest()), k = kept_width();
    const double real = surgeon_kind(f) == WorkKind::kProductF64 ? 8 : 4;
    return moment_bytes() + 4 * d_ * k + real * (f * f + k * k + d_ * f + 3 * d_ * k);
  }

  double surgeon_bytes() const { return std::max(choosing_bytes(), refitting_bytes()); }

  // The text that it works on, of which the inputs are in walk_bytes until then; gate, up and down, five times in f32
  // (themselves, the solution, its residual, direction and image) and twice in the type of the products.
  double neuron_refit_bytes() const {
    const double k = kept_width(), number = task_.number_bytes, up = shape_.layers.front().gated ? 2 : 1;
    const double tokens = neuron_refit_tokens(k, d_, tokens_, task_.length, number);
    const double text = tokens * (d_ * (4 + number) + (up + 1) * k * number);
    const double matrices = (up + 1) * k * d_, inverted = (k <= kF64UpToOrder ? 8 : 4) * k * k + 4 * k * k;
    const double solving = matrices * (5 * 4 + 2 * number) + number * (d_ * d_ + k * k);
    const double preparing = matrices * (4 + number) + 2 * 4 * k * k + inverted;
    const double chunk = std::min(chunk_tokens(task_.length), tokens) * (number * 4 * k + 4 * 4 * d_);
    const double inputs = keeps_inputs() ? number * tokens_ * widest_inner() : 0;
    return moment_bytes() + 2 * 4 * d_ * k + 3 * 4 * d_ * d_ + text + chunk + std::max(solving, preparing) - inputs;
  }

  void walk() {
    Work measuring, choosing, refitting, neurons, applying;
    bool diverged = false;
    // Layers are alike: those that go are taken to be spread evenly, and cost their dense pass.
    const double share =
        1 - static_cast<double>(task_.dropped_layers) / static_cast<double>(std::max<size_t>(1, layers_));
    for (size_t l = 0; l < layers_; ++l) {
      Work m, c, r, n, a;
      count_layer(l, diverged, m, c, r, n, a);
      measuring += share * m;
      choosing += share * c;
      refitting += share * r;
      neurons += share * n;
      applying += share * a;
    }
    if (task_.follows) {
      Work last;
      count_kl(last, tokens_);
      applying += last;
    }
    const double held = walk_bytes();
    add("measuring", measuring, held + moment_bytes());
    add("choosing", choosing, held + choosing_bytes());
    if (task_.refits) add("refitting", refitting, held + refitting_bytes());
    if (task_.neuron_steps > 0 && task_.runs) add("refitting neurons", neurons, held + neuron_refit_bytes());
    if (task_.follows) {
      // At the end two streams are left, and their logits are compared.
      const double comparing =
          (task_.runs ? 2 * 4 * tokens_ * d_ : 0) + 2 * logits_at_once(tokens_) + wide_head_bytes();
      add("applying", applying, std::max(held + changed_bytes(), comparing));
    }
    count_disk();
  }

  // A layer's new matrices, as they came and as the engine takes them.
  double changed_bytes() const {
    const double up = shape_.layers.front().gated ? 2 : 1;
    return (task_.neuron_steps > 0 ? up + 1 : 1) * kept_width() * d_ * (4 + task_.number_bytes);
  }

  void count_layer(size_t l, bool& diverged, Work& measuring, Work& choosing, Work& refitting, Work& neurons,
                   Work& applying) const {
    const LayerShape& layer = shape_.layers[l];
    const double f = static_cast<double>(layer.width), k = static_cast<double>(task_.kept[l]);
    const double a = static_cast<double>(layer.attention_width);
    const double o = 2 * layer.output_params(shape_.hidden), up = 2 * layer.up_params(shape_.hidden),
                 down = 2 * layer.down_params(shape_.hidden);
    const double attention = 2 * layer.attention_params(shape_.hidden) + 2 * task_.length * a;
    const bool text = task_.runs && (task_.follows || task_.source == SelfTask::Source::kOwnText ||
                                     task_.source == SelfTask::Source::kOtherText);
    const bool keeps = 4 * tokens_ * std::max(f, a) <= kKeptInputBytes;  // as the walk has it
    const double again = keeps ? 1 : 2;  // inputs that are not kept are computed for measuring and for applying
    if (text) {
      measuring[WorkKind::kForward] += tokens_ * (attention + up + down);  // the dense model's
      stream_layers_once(measuring, layer);
    }
    // Attention: cut, or repaired.
    const double kept_a = task_.kept_kv_share.empty() ? a : static_cast<double>(task_.kept_kv_share[l]);
    const bool cuts_heads = kept_a < a;
    if (layer.has_attention && (cuts_heads || (task_.refits && diverged && task_.follows && task_.refits_attention))) {
      measuring[WorkKind::kProductF32] += moment_flops(a, d_, tokens_, task_.follows);
      measuring[WorkKind::kMemory] += tokens_ * 4 * 3 * (a + d_);
      if (task_.follows) measuring[WorkKind::kForward] += tokens_ * (o + (diverged ? attention - o : 0));
      if (cuts_heads) count_elimination(choosing, a, a - kept_a);
      if (task_.refits) count_refit(refitting, a, kept_a, task_.follows);
      if (task_.follows) applying[WorkKind::kForward] += tokens_ * (o * kept_a / a + (again - 1) * (attention - o));
      diverged = true;
    } else if (text && diverged && task_.follows) {
      measuring[WorkKind::kForward] += tokens_ * attention;
    }
    if (k >= f && !(task_.refits && diverged && task_.follows)) return;
    count_ffn_moments(measuring, layer, task_.follows);
    if (task_.follows) measuring[WorkKind::kForward] += tokens_ * (up + down);
    if (k < f) count_elimination(choosing, f, f - k);
    count_refit(refitting, f, k, task_.follows);
    if (task_.neuron_steps > 0 && task_.runs) count_neurons(layer, k, neurons, up, down, again);
    if (task_.follows)
      applying[WorkKind::kForward] +=
          tokens_ * (down * k / f + (task_.neuron_steps > 0 ? up * k / f : (again - 1) * up));
    diverged = true;
  }

  void count_neurons(const LayerShape& layer, double k, Work& work, double up, double down, double again) const {
    const double tokens = neuron_refit_tokens(k, d_, tokens_, task_.length, task_.number_bytes),
                 steps = static_cast<double>(task_.neuron_steps),
                 iterations = steps * static_cast<double>(task_.neuron_iterations);
    const NeuronRefitFlops flops = neuron_refit_flops({k, d_, tokens, layer.gated, steps, iterations});
    // In f32 they go as those of linear algebra do; in bf16 the forward pass is what was measured.
    work[task_.is_bf16() ? WorkKind::kForward : WorkKind::kProductF32] += flops.products;
    work[WorkKind::kForward] += tokens * (down + (again - 1) * up);
    work[WorkKind::kProductF32] += flops.f32;
    work[WorkKind::kProductF64] += flops.f64;
    // What stands between the products, an iteration: sums, products element by element, on [N, K] and [N, D].
    work[WorkKind::kMemory] +=
        (iterations + 2 * steps) * (tokens * (task_.number_bytes * 14 * k + 4 * 8 * d_) + 30 * 4 * k * d_);
  }

  void stream_layers_once(Work& work, const LayerShape& layer) const {
    if (task_.stream) work[WorkKind::kLoad] += task_.number_bytes * layer.params(shape_.hidden);
  }

  // Refitted matrices wait in the journal, each a part, and so does what is said of a site, with what it keeps.
  void count_disk() {
    constexpr double kSiteNumbers = 20;
    const double bytes = shape_.stored_bytes / std::max(1.0, shape_.params);
    for (size_t l = 0; l < layers_; ++l) {
      const LayerShape& layer = shape_.layers[l];
      const auto kept = static_cast<double>(task_.kept[l]);
      const double stays = kept / static_cast<double>(layer.width);
      keep(8 * (kSiteNumbers + kept));
      const bool cuts_heads = !task_.kept_kv_share.empty();
      // Nothing is off yet before the first layer's attention.
      const bool repairs = l > 0 && task_.refits && task_.refits_attention && task_.follows;
      if (cuts_heads || repairs) keep(8 * (kSiteNumbers + static_cast<double>(layer.attention_width)));
      if (task_.refits && (cuts_heads || repairs)) keep(bytes * layer.output_params(shape_.hidden));
      if (!task_.refits) continue;
      keep(bytes * stays * layer.down_params(shape_.hidden));
      const double up = layer.gated ? 2 : 1;
      if (task_.neuron_steps > 0 && task_.runs) keep(bytes * stays * layer.up_params(shape_.hidden) / up, up);
    }
  }

  void check() {
    Work work;
    count_sampling(work, task_.check_sequences, task_.check_length, task_.check_capacity);
    keep_texts(task_.check_sequences, task_.check_capacity);
    keep(8);
    const double tokens = task_.check_sequences * task_.check_length;
    work[WorkKind::kForward] += tokens * 1.9 * forward(task_.check_length);
    count_kl(work, tokens);
    stream_layers(work, 1);
    const double comparing = 3 * 4 * tokens * d_ + 2 * logits_at_once(tokens) + wide_head_bytes() + changed_bytes() +
                             chunk_bytes(std::min(kChunkTokens, tokens));
    add("checking the result", work, std::max(sampling_bytes(task_.check_sequences, task_.check_capacity), comparing));
    if (!task_.measures_layers) return;
    Work each;
    const double layers = static_cast<double>(layers_);
    each[WorkKind::kForward] = task_.probe_tokens * forward(task_.check_length) * (1 + (layers + 1) / 2);
    for (size_t l = 0; l < layers_; ++l) count_kl(each, task_.probe_tokens);
    stream_layers(each, 1 + (layers + 1) / 2);
    keep(8, layers);
    add("what each layer costs", each, probe_bytes());
  }

  const ModelShape& shape_;
  const SelfTask& task_;
  double d_;
  size_t layers_;
  double tokens_ = 0, resident_ = 0, spilled_bytes_ = 0;
  RunCost cost_;
};

}  // namespace

RunCost cost_of_self(const ModelShape& shape, const SelfTask& task) {
  return SelfCounter(shape, task).count();
}

}  // namespace prunenet
