// The phases of a run that has not begun.
#include "cli/cost_output.h"

#include <fmt/format.h>

#include "cli/format.h"
#include "cost/machine_speed.h"

namespace prunenet::cli {
namespace {

Json known(const std::optional<double>& seconds) {
  return seconds ? Json(*seconds) : Json(nullptr);
}

// What so short a run takes is decided by what nobody can foresee: what else runs, and what is in memory already.
std::string total_words(const std::optional<double>& seconds) {
  constexpr double kBrief = 1, kSurelyBelow = 2;
  if (seconds && *seconds < kBrief) return fmt::format("below {} s", kSurelyBelow);
  return seconds ? format_duration(*seconds) : "not measured";
}

std::string time_words(const std::optional<double>& seconds) {
  return seconds ? format_duration(*seconds) : "not measured";
}

}  // namespace

Json cost_json(const CostEstimate& estimate, const Outlook& outlook) {
  const Fit& fit = outlook.fit;
  Json phases = Json::array();
  for (const Phase& phase : estimate.cost.phases) {
    Json work = Json::object();
    for (size_t i = 0; i < kWorkKinds; ++i) {
      const auto kind = static_cast<WorkKind>(i);
      if (phase.work[kind] > 0) work[work_kind_name(kind)] = phase.work[kind];
    }
    const auto seconds = measured_seconds_of(phase, estimate.speeds);
    phases.push_back({{"name", phase.name},
                      {"measured", seconds.has_value()},
                      {"estimated_s", known(seconds)},
                      {"peak_bytes", phase.on_device ? Json(nullptr) : Json(static_cast<int64_t>(phase.peak_bytes))},
                      {"flops", phase.work.flops()},
                      {"work", std::move(work)}});
  }
  Json speeds = Json::object();
  for (size_t i = 0; i + 1 < kWorkKinds; ++i) {
    const auto kind = static_cast<WorkKind>(i);
    if (estimate.speeds[kind] > 0) speeds[work_kind_name(kind)] = estimate.speeds[kind];
  }
  Json lighter = Json::array();
  for (const Lighter& choice : outlook.lighter)
    lighter.push_back({{"option", choice.option}, {"estimated_peak_bytes", static_cast<int64_t>(choice.peak_bytes)}});
  const bool on_device = estimate.cost.uses_device();
  return {{"measured", estimate.total_s().has_value()},
          {"estimated_s", known(estimate.total_s())},
          {"estimated_peak_bytes", on_device ? Json(nullptr) : Json(static_cast<int64_t>(estimate.cost.peak_bytes()))},
          {"estimated_disk_bytes", static_cast<int64_t>(estimate.cost.disk_bytes)},
          {"available_memory_bytes", static_cast<int64_t>(fit.memory_there)},
          {"available_disk_bytes", static_cast<int64_t>(fit.disk_there)},
          {"spectra_cached", estimate.is_cached},
          {"fits", fit.fits()},
          {"would_fit", fit.remedies},
          {"would_take_less", std::move(lighter)},
          {"refusals", outlook.refusals},
          {"phases", std::move(phases)},
          {"speeds", std::move(speeds)}};
}

void print_cost(const CostEstimate& estimate, const Outlook& outlook) {
  const Fit& fit = outlook.fit;
  fmt::print("\n  {:<26} {:>12} {:>12}\n", "what it will take", "time", "memory");
  const bool on_device = estimate.cost.uses_device();
  for (const Phase& phase : estimate.cost.phases) {
    fmt::print("  {:<26} {:>12} {:>12}\n", phase.name, time_words(measured_seconds_of(phase, estimate.speeds)),
               phase.on_device ? "-" : format_bytes(phase.peak_bytes));
  }
  fmt::print("  {:<26} {:>12} {:>12}\n", "in all", total_words(estimate.total_s()),
             on_device ? "-" : format_bytes(estimate.cost.peak_bytes()));
  fmt::print("  {:<26} {:>12}\n", "disk at once", format_bytes(estimate.cost.disk_bytes));
  if (estimate.is_cached) {
    fmt::print("the spectra of whole layers{} count as read: the cache has those of the first and of the last layer\n",
               on_device ? " that the processor needs" : "");
  }
  if (on_device) {
    fmt::print("what the device will take, in time and in memory, is not measured\n");
  } else {
    fmt::print(
        "memory is what the process allocates; the peak that a run reports counts mapped files, too: the model and "
        "libraries\n");
  }
  for (const std::string& words : outlook.refusals)
    fmt::print("as things stand, the run would be refused: {}\n", words);
  if (!outlook.lighter.empty()) {
    std::string words;
    for (const Lighter& lighter : outlook.lighter)
      words += fmt::format("{}{} in all with {}", words.empty() ? "" : ", ", format_bytes(lighter.peak_bytes),
                           lighter.option);
    fmt::print("the whole model is converted and held in memory: it would be {}\n", words);
  }
  if (!fit.fits()) {
    fmt::print("does not fit: {}\n", fit_words(fit));
  } else if (fit.is_tight()) {
    fmt::print("may not fit: {}\n", tight_words(fit));
  }
}

std::vector<PhaseRow> phase_rows(const PhaseTimes& times, double total_s, bool bf16, bool on_device) {
  Work products;
  products[WorkKind::kProductF32] = products[WorkKind::kProductF64] = 1;
  Speeds speeds;
  MachineProbe probe;
  probe.at_best = true;
  if (!on_device) measure_machine(products, probe, speeds);
  if (bf16) {
    for (const WorkKind kind : {WorkKind::kForward, WorkKind::kBackward, WorkKind::kDecode})
      speeds[kind] = 2 * speeds[WorkKind::kProductF32];
  }
  std::vector<PhaseRow> rows;
  for (const PhaseTime& phase : times.phases())
    rows.push_back({phase.name, phase.elapsed_s, phase.work.flops(), bound_s(phase.work, speeds)});
  double left_s = total_s;
  for (const PhaseRow& row : rows) left_s -= row.elapsed_s;
  rows.push_back({"all else", left_s, 0, 0});
  return rows;
}

Json phases_json(const std::vector<PhaseRow>& rows) {
  Json json = Json::array();
  for (const PhaseRow& row : rows) {
    json.push_back({{"name", row.name},
                    {"elapsed_s", row.elapsed_s},
                    {"flops", row.flops},
                    {"bound_s", row.bound_s > 0 ? Json(row.bound_s) : Json(nullptr)},
                    {"share_of_bound", row.bound_s > 0 ? Json(row.bound_s / row.elapsed_s) : Json(nullptr)}});
  }
  return json;
}

void print_phases(const std::vector<PhaseRow>& rows) {
  fmt::print("\n  {:<28} {:>12} {:>14} {:>10}\n", "where the time went", "time", "products alone", "of it");
  for (const PhaseRow& row : rows) {
    if (row.bound_s > 0) {
      fmt::print("  {:<28} {:>12} {:>14} {:>10}\n", row.name, format_duration(row.elapsed_s),
                 format_duration(row.bound_s), format_percent(row.bound_s / row.elapsed_s));
    } else {
      fmt::print("  {:<28} {:>12}\n", row.name, format_duration(row.elapsed_s));
    }
  }
}

}  // namespace prunenet::cli
