// The surgeon on made-up moments.
#include "cost/surgeon_speed.h"

#include <algorithm>

#include "base/system.h"
#include "cost/self_cost.h"
#include "surgeon/eliminate.h"
#include "surgeon/refit.h"

namespace prunenet {
namespace {

constexpr int64_t kMostInputs = 3072, kMostInputsF64 = 2048, kLeastInputs = 64;
constexpr double kRemoved = 0.3;

// Inputs that are alike in all but name: enough for the arithmetic, whose time does not depend on the numbers.
double squares_per_s(int64_t inputs, Precision precision, double flops_per_s) {
  const int64_t outputs = std::max<int64_t>(1, inputs / 3);
  Moments moments;
  moments.tokens = 4 * inputs;
  moments.second = Matrix<float>::Constant(inputs, inputs, 0.1F);
  moments.second.diagonal().setConstant(1);
  moments.mean.assign(static_cast<size_t>(inputs), 0);
  Matrix<float> w(outputs, inputs);
  for (int64_t i = 0; i < w.size(); ++i) w.data()[i] = 0.01F * static_cast<float>((i * 7 + i / inputs) % 17 - 8);
  EliminationOptions removing;
  removing.remove_groups = static_cast<int64_t>(kRemoved * static_cast<double>(inputs));
  removing.precision = precision;
  RefitOptions refitting;
  refitting.precision = precision;
  const Stopwatch watch;
  const Elimination gone = eliminate(moments, w, nullptr, removing);
  refit(moments, nullptr, w, nullptr, kept_groups(gone, inputs, removing.remove_groups), refitting);
  const double elapsed_s = watch.elapsed_s();
  const double f = static_cast<double>(inputs), d = static_cast<double>(outputs),
               r = static_cast<double>(removing.remove_groups), k = f - r;
  const double products_s = (elimination_flops(f, d, r, false) + refit_flops(f, d, k, false)) / flops_per_s;
  return (f * f + k * k) / std::max(elapsed_s - products_s, 0.05 * elapsed_s);
}

}  // namespace

void measure_surgeon(const Work& work, int64_t width, Speeds& speeds) {
  const auto measure = [&](WorkKind kind, WorkKind product, Precision precision, int64_t most) {
    if (work[kind] == 0) return;
    const int64_t inputs = width == 0 ? most : std::clamp(width, kLeastInputs, most);
    squares_per_s(std::min<int64_t>(inputs, 256), precision, speeds[product]);  // threads come up
    speeds[kind] = squares_per_s(inputs, precision, speeds[product]);
  };
  measure(WorkKind::kSquaresF32, WorkKind::kProductF32, Precision::kF32, kMostInputs);
  measure(WorkKind::kSquaresF64, WorkKind::kProductF64, Precision::kF64, kMostInputsF64);
}

}  // namespace prunenet
