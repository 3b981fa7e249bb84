// Sums of work.
#include "cost/work.h"

#include <algorithm>

#include "base/error.h"

namespace prunenet {

const char* work_kind_name(WorkKind kind) {
  static constexpr std::array<const char*, kWorkKinds> kNames{
      "product_f32", "product_f64", "forward",  "backward", "decode",  "step",      "cache",       "draw",
      "divergence",  "load",        "symv_f32", "symv_f64", "columns", "rotations", "squares_f32", "squares_f64",
      "function",    "memory",      "read",     "write",    "buffer",  "hash",      "fixed_s"};
  return kNames[static_cast<size_t>(kind)];
}

bool is_product(WorkKind kind) {
  return kind <= WorkKind::kDecode;
}

Work& Work::operator+=(const Work& other) {
  for (size_t i = 0; i < kWorkKinds; ++i) amounts_[i] += other.amounts_[i];
  return *this;
}

double Work::flops() const {
  double sum = 0;
  for (size_t i = 0; i < kWorkKinds; ++i) {
    if (is_product(static_cast<WorkKind>(i))) sum += amounts_[i];
  }
  return sum;
}

double seconds_of(const Work& work, const Speeds& speeds) {
  double sum = 0;
  for (size_t i = 0; i < kWorkKinds; ++i) {
    const auto kind = static_cast<WorkKind>(i);
    if (work[kind] == 0) continue;
    PRUNENET_CHECK(speeds[kind] > 0);
    sum += work[kind] / speeds[kind];
  }
  return sum;
}

std::optional<double> measured_seconds_of(const Phase& phase, const Speeds& speeds) {
  if (phase.on_device) return std::nullopt;
  for (size_t i = 0; i < kWorkKinds; ++i) {
    const auto kind = static_cast<WorkKind>(i);
    if (phase.work[kind] > 0 && speeds[kind] == 0) return std::nullopt;
  }
  return seconds_of(phase.work, speeds);
}

double RunCost::peak_bytes() const {
  double peak = 0;
  for (const Phase& phase : phases) peak = std::max(peak, phase.on_device ? 0 : phase.peak_bytes);
  return peak;
}

bool RunCost::uses_device() const {
  return std::ranges::any_of(phases, [](const Phase& phase) { return phase.on_device; });
}

std::optional<double> RunCost::measured_seconds(const Speeds& speeds) const {
  double sum = 0;
  for (const Phase& phase : phases) {
    const auto seconds = measured_seconds_of(phase, speeds);
    if (!seconds) return std::nullopt;
    sum += *seconds;
  }
  return sum;
}

Work RunCost::work() const {
  Work sum;
  for (const Phase& phase : phases) sum += phase.work;
  return sum;
}

}  // namespace prunenet
