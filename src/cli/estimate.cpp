// From options to tasks.
#include "cli/estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/cancel.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/scratch_file.h"
#include "calibrate/shrink.h"
#include "calibrate/text.h"
#include "cli/format.h"
#include "cli/plan_output.h"
#include "cost/disk.h"
#include "cost/engine_speed.h"
#include "cost/machine_room.h"
#include "cost/machine_speed.h"
#include "cost/policy_cost.h"
#include "cost/self_cost.h"
#include "cost/surgeon_speed.h"
#include "engine/streaming.h"
#include "generate/own_text.h"
#include "linalg/parallel.h"
#include "policy/prunenet_scorer.h"

namespace prunenet::cli {
namespace {

constexpr double kProgramBytes = 4e6;                                 // buffers, and the headers of the checkpoint
constexpr double kEngineBytes = 150e6;                                // those of libtorch, and its buffers
constexpr const char* kSpectraOfTheChoice = "spectra of the choice";  // on the host, whatever the device
constexpr const char* kScoring = "scoring";                           // likewise
constexpr const char* kLossPhase = "what the loss feels";
constexpr double kFreshTokens = 256;
constexpr double kIdentityBytes = 2000;  // of a journal: options in words
constexpr double kRatesSeconds = 0.2;    // phase_rows measures two of them
constexpr double kLayerSequences = 16;

double number_bytes(const EngineVerbOptions& engine) {
  return engine.dtype == "bf16" ? 2 : 4;
}

bool has_moments(const SelfVerbOptions& self) {
  return !self.moments.empty() && std::filesystem::exists(self.moments);
}

// As the runner of --method self decides it.
bool measures_result(const SelfVerbOptions& self) {
  if (!needs_engine(self)) return false;
  return self.moments.empty() || resolved_refit(self) == "sequential" || (self.check_said && self.check > 0);
}

bool runs_engine(const SelfVerbOptions& self) {
  return needs_engine(self) && (!has_moments(self) || runs_model_always(self));
}

ComputeType compute_type(const EngineVerbOptions& engine) {
  return engine.dtype == "bf16" ? ComputeType::kBf16 : ComputeType::kF32;
}

bool is_on_device(const CostRequest& request) {
  return request.engine->device != "cpu";
}

// As the engine itself decides it.
bool will_stream(const EngineVerbOptions& asked, int64_t converted_bytes) {
  EngineOptions engine;
  engine.device = asked.device;
  engine.stream = asked.stream;
  return engine_streams(engine, converted_bytes, usable_memory_bytes());
}

double capacity_of(const SelfVerbOptions& self, const OpenModel& open) {
  return static_cast<double>(open.model.max_context > 0 ? std::min(self.tokens, open.model.max_context) : self.tokens);
}

double check_capacity(const OpenModel& open) {
  const auto context = static_cast<double>(open.model.max_context);
  return context > 0 ? std::min(kFreshTokens, context) : kFreshTokens;
}

// Of texts that end where the model ends them, but not beyond `most` ids.
double mean_length(std::span<const double> own_lengths, double most) {
  if (own_lengths.empty()) return most;
  double ids = 0;
  for (const double length : own_lengths) ids += std::min(length, most);
  return ids / static_cast<double>(own_lengths.size());
}

SelfTask task_of(const CostRequest& request, std::span<const double> own_lengths = {}) {
  const SelfVerbOptions& self = *request.self;
  const OpenModel& open = *request.open;
  SelfTask task;
  const bool is_stored = has_moments(self);
  task.runs = runs_engine(self);
  task.source = !needs_engine(self)              ? SelfTask::Source::kGaussian
                : is_stored                      ? SelfTask::Source::kStored
                : self.calibration == "own-text" ? SelfTask::Source::kOwnText
                                                 : SelfTask::Source::kOtherText;
  task.capacity = capacity_of(self, open);
  task.length = self.calibration == "own-text" ? mean_length(own_lengths, task.capacity) : task.capacity;
  task.sequences = static_cast<double>(own_text_sequences(self, open));
  for (int64_t width : open.model.ffn_widths())
    task.gaussian_tokens = std::max(task.gaussian_tokens, static_cast<double>(width));
  const bool weighs = self.weighting != "plain" && needs_engine(self) && !is_stored;
  task.loss_tokens = weighs ? static_cast<double>(self.sensitivity_tokens) : 0;
  task.kept = request.widths;
  if (self.heads > 0) {
    for (const LayerDescription& layer : open.model.layers) {
      const auto groups = static_cast<double>(layer.attention.kv_groups.width);
      const double kept = std::max(1.0, groups - std::floor(self.heads * groups + 1e-9));
      task.kept_kv_share.push_back(
          static_cast<int64_t>(kept / groups * static_cast<double>(layer.heads * layer.head_dim)));
    }
  }
  task.dropped_layers = self.layers;
  const std::string refit = resolved_refit(self);
  task.refits = refit != "none";
  task.follows = refit == "sequential";
  task.refits_attention = !keeps_output(self, open);
  task.neuron_steps = task.runs && task.refits && !is_stored ? neuron_steps(self, open) : 0;
  task.neuron_iterations = self.neuron_iterations;
  task.adaptive = self.allocate == "adaptive";
  task.curve_points = task.adaptive && self.curves == "kl" ? 5 : 0;
  task.check_sequences = measures_result(self) ? static_cast<double>(self.check) : 0;
  task.check_capacity = check_capacity(open);
  task.check_length = mean_length(own_lengths, task.check_capacity);
  task.measures_layers = request.reports && task.runs && self.moments.empty();
  if (task.measures_layers) task.probe_tokens = kLayerSequences * task.check_length;
  task.number_bytes = number_bytes(*request.engine);
  task.threads = num_threads();
  if (task.runs) {
    const int64_t converted = converted_weight_bytes(open.checkpoint, open.model, compute_type(*request.engine));
    task.converted_bytes = static_cast<double>(converted);
    task.stream = will_stream(*request.engine, converted);
    const TransformerDescription transformer = describe_transformer(open.checkpoint, open.model);
    const int64_t cache = cache_bytes_per_token(transformer, static_cast<int64_t>(task.number_bytes));
    task.batch = static_cast<double>(generation_batch(cache, static_cast<int64_t>(task.capacity)));
  }
  return task;
}

double matrices_scored(const SelectionOptions& selection, const ModelDescription& model) {
  const std::string& method = selection.method;
  if (!selection.mask.empty() || method == "random") return 0;
  return method == "product" ? (model.layers.front().ffn.gate ? 3 : 2) : 1;
}

bool is_policy(const CostRequest& request) {
  return request.selection->mask.empty() && request.selection->method == "prunenet";
}

bool trains(const CostRequest& request) {
  return is_policy(request) && request.selection->policy.empty();
}

}  // namespace

PlannedCut planned_cut(const SelectionOptions& selection, const SelfVerbOptions& self, const OpenModel& open,
                       Progress& progress) {
  PlannedCut cut;
  const auto of_mask = [&](const Mask& mask) {
    SlicePlan plan = plan_slice(open.checkpoint, open.model, mask);
    cut.change = size_change(open, plan);
    cut.tensors = std::move(plan.tensors);
  };
  if (!selection.mask.empty()) {
    const Mask mask = read_mask(selection.mask, open.model);
    cut.widths = mask.kept_widths();
    of_mask(mask);
  } else if (selection.method == "self" && self.ratio_total) {
    for (const int64_t width : open.model.ffn_widths())
      cut.widths.push_back(std::max<int64_t>(1, std::lround((1 - *self.ratio_total) * static_cast<double>(width))));
    cut.change.before = cut.change.after = open.size();
    cut.change.after.bytes = std::lround((1 - *self.ratio_total) * static_cast<double>(cut.change.before.bytes));
  } else if (selection.method == "self") {
    const ShrinkPlan plan = planned_sizes(self, selection, open);
    cut.widths = plan.widths;
    cut.left_widths = plan.widths;
    cut.left_widths.resize(plan.widths.size() - plan.dropped_layers.size());  // the last ones stand for those that go
    of_mask(mask_of_sizes(open.model, plan));
  } else {
    ShrinkPlan plan;
    cut.widths = plan.widths = planned_widths(selection, open, progress);
    of_mask(mask_of_sizes(open.model, plan));
  }
  if (cut.left_widths.empty()) cut.left_widths = cut.widths;
  return cut;
}

CostRequest cost_of_cut(const OpenModel& open, const PlannedCut& cut, const SelectionOptions& selection,
                        const TrainingOptions& training, const SelfVerbOptions* self, const EngineVerbOptions& engine) {
  CostRequest request;
  request.open = &open;
  request.selection = &selection;
  request.training = &training;
  request.self = self;
  request.engine = &engine;
  request.widths = cut.widths;
  request.output_bytes = written_bytes(open, cut, self != nullptr);
  request.artefact_bytes = artefact_bytes(open, cut, self != nullptr);
  return request;
}

RunCost count_run(const CostRequest& request, std::span<const double> own_lengths) {
  const ModelShape shape = shape_of(request.open->checkpoint, request.open->model);
  RunCost cost;
  if (request.self != nullptr) {
    const SelfTask task = task_of(request, own_lengths);
    cost = cost_of_self(shape, task);
    if (task.runs)
      for (Phase& phase : cost.phases) phase.peak_bytes += kEngineBytes;
  } else if (is_policy(request) || request.reports) {
    PolicyTask task;
    task.kept = request.widths;
    task.episodes = trains(request) ? static_cast<double>(request.training->episodes) : 0;
    task.f64 = uses_f64(*request.training, request.open->model);
    task.estimates = spectrum_method(*request.training, request.open->model) == SpectrumMethod::kEstimate;
    task.spectra_after = !request.trains_only;
    task.caches = !request.training->no_cache;
    task.is_cached = request.is_cached;
    task.on_device = is_on_device(request);
    cost = cost_of_policy(shape, task);
  } else if (request.selection->mask.empty() && request.selection->method == "gaussian") {
    cost.phases.push_back(cost_of_energy_scoring(shape));
  } else {
    cost.phases.push_back(cost_of_scoring(shape, matrices_scored(*request.selection, request.open->model)));
  }
  if (is_on_device(request)) {
    for (Phase& phase : cost.phases) phase.on_device = phase.name != kSpectraOfTheChoice && phase.name != kScoring;
  }
  if (request.self != nullptr && request.reports) {
    PolicyTask task;
    task.kept = request.widths;
    task.episodes = 0;
    task.f64 = uses_f64(*request.training, request.open->model);
    task.caches = !request.training->no_cache;
    task.is_cached = request.is_cached;
    RunCost spectra = cost_of_policy(shape, task);
    cost.phases.push_back(std::move(spectra.phases.back()));
    cost.disk_bytes += spectra.disk_bytes;
  }
  if (request.output_bytes > 0) {
    const double gguf_bytes = request.to_gguf ? request.gguf_bytes : 0;
    cost.phases.push_back(cost_of_writing(shape, request.output_bytes, gguf_bytes, unwritten_bytes_at_most()));
    cost.disk_bytes += request.output_bytes + gguf_bytes;
  }
  cost.disk_bytes = std::max(cost.disk_bytes, cost.passing_disk_bytes);
  if (request.self != nullptr || trains(request)) {  // the journal's folder, and what it keeps of every run
    cost.disk_bytes += kDiskBlock + part_disk_bytes(kIdentityBytes) + part_disk_bytes(request.artefact_bytes);
    if (request.reports) cost.disk_bytes += part_disk_bytes(0);
  }
  if (request.phases && !is_on_device(request)) {
    Phase rates;
    rates.name = "rates for --phases";
    rates.work[WorkKind::kFixed] = kRatesSeconds;
    cost.phases.push_back(rates);
  }
  Phase starting = cost_of_starting();
  cost.phases.insert(cost.phases.begin(), starting);
  for (Phase& phase : cost.phases) phase.peak_bytes += kProgramBytes;
  return cost;
}

namespace {

// Whether there is room for measuring the engine: its first layer and its head.
bool probe_fits(const OpenModel& open, const SelfTask& task) {
  const ModelShape shape = shape_of(open.checkpoint, open.model);
  const double bytes = task.number_bytes * (shape.layers.front().params(shape.hidden) + shape.head_params());
  const double room = machine_room(std::filesystem::temp_directory_path()).memory_bytes;
  return room == 0 || 2 * bytes < room;
}

Work work_of_host(const RunCost& cost) {
  Work work;
  for (const Phase& phase : cost.phases) {
    if (!phase.on_device) work += phase.work;
  }
  return work;
}

// Whether a run would find the spectra of whole layers in the cache: those of the first and of the last are looked for.
template <typename Real>
bool has_cached_spectra(const OpenModel& open, const TrainingOptions& training) {
  const SpectrumCache cache = spectrum_cache(training.no_cache);
  CheckpointLayers<Real> layers(open.checkpoint, open.model);
  for (const int64_t layer : {int64_t{0}, layers.num_layers() - 1}) {
    const double bytes =
        static_cast<double>(layers.rows(layer)) * static_cast<double>(layers.cols()) * double{sizeof(Real)};
    const double room = static_cast<double>(usable_memory_bytes());
    if (room > 0 && 2 * bytes > room) return false;  // the run says itself that it has no room
    const Matrix<Real> w = layers.load(layer);
    const std::string key = cache.key(w, training.route);
    if (!cache.find(key, std::min(w.rows(), w.cols()))) return false;
  }
  return true;
}

bool has_cached_spectra(const CostRequest& request) {
  const OpenModel& open = *request.open;
  const TrainingOptions& training = *request.training;
  if (training.no_cache || open.model.hidden < SpectrumCache::kFromColumns) return false;
  if (!is_policy(request) && !request.reports) return false;
  if (is_on_device(request) && request.trains_only) return false;
  return uses_f64(training, open.model) ? has_cached_spectra<double>(open, training)
                                        : has_cached_spectra<float>(open, training);
}

// Lengths of texts change times alone.
void recount_times(const CostRequest& request, std::span<const double> own_lengths, RunCost& cost) {
  const RunCost shorter = count_run(request, own_lengths);
  PRUNENET_CHECK(shorter.phases.size() == cost.phases.size());
  for (size_t i = 0; i < cost.phases.size(); ++i) cost.phases[i].work = shorter.phases[i].work;
}

}  // namespace

CostEstimate estimate_cost(const CostRequest& asked, Progress& progress) {
  CostRequest request = asked;
  CostEstimate estimate;
  request.is_cached = estimate.is_cached = has_cached_spectra(asked);
  estimate.cost = count_run(request);
  const Work work = work_of_host(estimate.cost);
  const OpenModel& open = *request.open;
  progress.begin("measuring this machine", 1);
  MachineProbe machine;
  for (int64_t width : open.model.ffn_widths())
    machine.symmetric_order = std::max(machine.symmetric_order, std::min(width, open.model.hidden));
  for (const auto& entry : open.checkpoint.tensors()) {
    const auto bytes = open.checkpoint.bytes(entry);
    if (bytes.size() > machine.stored.size()) machine.stored = bytes;
  }
  machine.output_folder = request.output;
  measure_machine(work, machine, estimate.speeds);
  const ModelShape shape = shape_of(open.checkpoint, open.model);
  measure_surgeon(work, std::max(shape.widest(), shape.widest_attention()), estimate.speeds);
  if (request.self != nullptr && runs_engine(*request.self) && !is_on_device(request)) {
    const SelfTask task = task_of(request);
    if (!probe_fits(open, task)) {
      progress.end();
      progress.warn("there is no memory for measuring the engine on a layer of this model: its times are not known");
      return estimate;
    }
    EngineProbe probe;
    probe.engine.compute = compute_type(*request.engine);
    probe.engine.threads = request.engine->usable_threads();
    probe.engine.throw_if_cancelled = &throw_if_cancelled;
    probe.batch = static_cast<int64_t>(std::min(task.batch, task.sequences));
    probe.length = static_cast<int64_t>(task.capacity);
    if (open.model.bos || !open.model.eos.empty())
      probe.own_length = static_cast<int64_t>(std::max(task.capacity, task.check_capacity));
    probe.seed = request.selection->seed;
    const EngineSpeed engine = measure_engine(open.checkpoint, open.model, work, probe, estimate.speeds);
    recount_times(request, engine.own_lengths, estimate.cost);
    for (Phase& phase : estimate.cost.phases) {
      if (phase.name == "loading the model") phase.work[WorkKind::kFixed] += engine.libraries_s;
      if (phase.name == kLossPhase)
        phase.work[WorkKind::kFixed] += engine.backward_layer_s * static_cast<double>(open.model.layers.size());
    }
  }
  progress.advance(1);
  progress.end();
  return estimate;
}

// Predictions are within about a third; what is refused is beyond that.
namespace {
constexpr double kMemoryMargin = 0.7, kDiskMargin = 0.9;
constexpr double kSmallOutput = 1 << 20;  // bytes: the writer knows better, and says so as fast
}  // namespace

bool Fit::memory_fits() const {
  return memory_there == 0 || kMemoryMargin * memory_bytes <= memory_there;
}

bool Fit::disk_fits() const {
  return disk_there == 0 || disk_bytes < kSmallOutput || kDiskMargin * disk_bytes <= disk_there;
}

bool Fit::memory_is_tight() const {
  return memory_there > 0 && memory_bytes > 0.9 * memory_there;
}

bool Fit::disk_is_tight() const {
  return disk_there > 0 && disk_bytes >= kSmallOutput && 1.02 * disk_bytes > disk_there;
}

namespace {

Fit bare_fit(const CostRequest& request) {
  const RunCost cost = count_run(request);
  Fit fit;
  const MachineRoom room = machine_room(nearest_folder(request.output));
  if (!cost.uses_device()) {  // what a device has, nobody here knows
    fit.memory_bytes = cost.peak_bytes();
    fit.memory_there = room.memory_bytes;
  }
  fit.disk_bytes = cost.disk_bytes;
  fit.disk_there = room.disk_bytes;
  return fit;
}

// Changes of the options with which a run takes less memory, the mildest first, as long as what is kept stays what was
// asked for. One by one, then together. `needs_disk`: the disk is too small, whatever the memory; another would help.
class Remedies {
 public:
  Remedies(const CostRequest& request, bool needs_disk)
      : request_(request),
        needs_disk_(needs_disk),
        engine_(*request.engine),
        self_(request.self != nullptr ? *request.self : SelfVerbOptions()) {}

  std::vector<std::string> find() {
    std::vector<std::string> found;
    if (request_.self == nullptr) return found;
    const SelfVerbOptions& asked = *request_.self;
    const OpenModel& open = *request_.open;
    const bool runs = runs_engine(asked);
    const auto text = own_text_sequences(asked, open);
    if (runs && !task_of(request_).stream) {
      offer(found, "--stream", [](SelfVerbOptions&, EngineVerbOptions& engine) { engine.stream = true; });
    }
    if (runs && engine_.dtype == "f32") {
      offer(found, "--dtype bf16", [](SelfVerbOptions&, EngineVerbOptions& engine) { engine.dtype = "bf16"; });
    }
    for (int64_t tokens : {16384, 8192, 4096, 2048}) {
      if (!runs || asked.weighting == "plain" || tokens >= asked.sensitivity_tokens) continue;
      if (offer(found, fmt::format("--loss-tokens {}", tokens),
                [tokens](SelfVerbOptions& self, EngineVerbOptions&) { self.sensitivity_tokens = tokens; }))
        break;
    }
    for (int64_t sequences = text / 2; runs && sequences >= 8; sequences /= 2) {
      if (offer(found, fmt::format("--own-text {}", sequences),
                [sequences](SelfVerbOptions& self, EngineVerbOptions&) { self.own_text = sequences; }))
        break;
    }
    if (runs && neuron_steps(asked, open) > 0) {
      offer(found, "--neuron-steps 0", [](SelfVerbOptions& self, EngineVerbOptions&) { self.neuron_steps = 0; });
    }
    if (!found.empty()) return found;
    if (fits()) {  // all of them together
      found.push_back(all_);
      return found;
    }
    if (runs && asked.heads == 0 && asked.layers == 0 && asked.moments.empty() && !asked.ratio_total) {
      self_ = asked;
      engine_ = *request_.engine;
      all_.clear();
      offer(found, "--calibration gaussian", [](SelfVerbOptions& self, EngineVerbOptions&) {
        self.calibration = "gaussian";
        self.refit = "auto";
        self.weighting = "auto";
        self.neuron_steps.reset();
      });
    }
    return found;
  }

 private:
  // Whether the options fit with this change alone; remembers it for all together.
  template <typename Change>
  bool offer(std::vector<std::string>& found, const std::string& words, const Change& change) {
    SelfVerbOptions self = *request_.self;
    EngineVerbOptions engine = *request_.engine;
    change(self, engine);
    change(self_, engine_);
    const bool is_enough = fits(self, engine);
    if (is_enough) found.push_back(words);
    const std::string name = words.substr(0, words.find(' '));
    if (const size_t at = all_.find(name); at != all_.npos) all_.resize(at);  // a smaller number of the same
    all_ += (all_.empty() || all_.back() == ' ' ? "" : " ") + words;
    return is_enough;
  }

  bool fits(const SelfVerbOptions& self, const EngineVerbOptions& engine) const {
    CostRequest other = request_;
    other.self = &self;
    other.engine = &engine;
    const Fit fit = bare_fit(other);
    return fit.memory_fits() && (needs_disk_ || fit.disk_fits());
  }
  bool fits() const { return fits(self_, engine_); }

  const CostRequest& request_;
  bool needs_disk_;
  EngineVerbOptions engine_;
  SelfVerbOptions self_;
  std::string all_;
};

}  // namespace

Fit check_fit(const CostRequest& request) {
  Fit fit = bare_fit(request);
  if (fit.fits()) return fit;
  constexpr const char* kDisk = "an output on another disk";
  if (fit.memory_fits()) {
    fit.remedies = {kDisk};
    return fit;
  }
  fit.remedies = Remedies(request, !fit.disk_fits()).find();
  if (fit.disk_fits()) return fit;
  for (std::string& remedy : fit.remedies) remedy += fmt::format(" with {}", kDisk);
  return fit;
}

std::string fit_words(const Fit& fit) {
  std::string words;
  if (!fit.memory_fits()) {
    words = fmt::format("takes about {} of memory, and {} are free", format_bytes(fit.memory_bytes),
                        format_bytes(fit.memory_there));
  }
  if (!fit.disk_fits()) {
    words += fmt::format("{}takes {} on the disk of the output, and {} are free", words.empty() ? "" : "; ",
                         format_bytes(fit.disk_bytes), format_bytes(fit.disk_there));
  }
  if (fit.remedies.empty()) return words + ": no choice of options for this method would fit";
  words += ": this would fit: ";
  for (size_t i = 0; i < fit.remedies.size(); ++i) words += (i == 0 ? "" : ", or ") + fit.remedies[i];
  return words;
}

std::string tight_words(const Fit& fit) {
  std::string words;
  if (fit.memory_is_tight()) {
    words = fmt::format("about {} of memory are needed, and {} are free", format_bytes(fit.memory_bytes),
                        format_bytes(fit.memory_there));
  }
  if (fit.disk_is_tight()) {
    words += fmt::format("{}about {} are needed on the disk of the output, and {} are free", words.empty() ? "" : "; ",
                         format_bytes(fit.disk_bytes), format_bytes(fit.disk_there));
  }
  return words;
}

std::vector<Lighter> lighter_choices(const CostRequest& request) {
  constexpr double kFarLess = 2.0 / 3;
  const bool runs = request.self != nullptr && runs_engine(*request.self) && !is_on_device(request);
  if (!runs) return {};
  const SelfTask task = task_of(request);
  if (task.stream || task.converted_bytes == 0) return {};
  const double asked = count_run(request).peak_bytes();
  std::vector<Lighter> found;
  const auto offer = [&](const char* option, const EngineVerbOptions& engine) {
    CostRequest other = request;
    other.engine = &engine;
    const double peak = count_run(other).peak_bytes();
    if (peak <= kFarLess * asked) found.push_back({option, peak});
  };
  EngineVerbOptions streaming = *request.engine, in_bf16 = *request.engine;
  streaming.stream = true;
  in_bf16.dtype = "bf16";
  offer("--stream", streaming);
  if (compute_type(*request.engine) == ComputeType::kF32) offer("--dtype bf16", in_bf16);
  return found;
}

void require_fits(const CostRequest& request, Progress& progress) {
  const Fit fit = check_fit(request);
  if (!fit.fits())
    fail(fit.memory_fits() ? ErrorCode::kNoSpace : ErrorCode::kBadOption, request.open->name(), "{}", fit_words(fit));
  if (is_on_device(request))
    progress.note("whether the device has the memory for this run is not known before it runs");
  if (fit.is_tight()) progress.warn("this may not fit: " + tight_words(fit));
}

}  // namespace prunenet::cli
