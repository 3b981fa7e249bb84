// Sizes before and after.
#include "cli/sizes.h"

#include <fmt/format.h>

#include <cmath>

#include "calibrate/shrink.h"
#include "cli/format.h"
#include "selection/budget.h"

namespace prunenet::cli {
namespace {

double removed(int64_t before, int64_t after) {
  return before == 0 ? 0 : 1 - static_cast<double>(after) / static_cast<double>(before);
}

void print_row(const char* name, int64_t before, int64_t after, std::string (*format)(double)) {
  fmt::print(
      "  {:<16} {:>10} -> {:>10}   {}\n", name, format(static_cast<double>(before)), format(static_cast<double>(after)),
      before == after ? "unchanged" : (after > before ? "+" : "-") + format_percent(std::abs(removed(before, after))));
}

}  // namespace

double SizeChange::ffn_ratio_reached() const {
  return removed(before.ffn_params, after.ffn_params);
}
double SizeChange::total_ratio_reached() const {
  return removed(before.params, after.params);
}

SizeChange size_change(const OpenModel& open, const std::vector<int64_t>& widths) {
  ShrinkPlan plan;
  plan.widths = widths;
  return size_change(open, plan_slice(open.checkpoint, open.model, mask_of_sizes(open.model, plan)));
}

SizeChange size_change(const OpenModel& open, const SlicePlan& plan) {
  return {open.size(), measure_size(open.model, plan.tensors)};
}

Json size_json(const SizeChange& change) {
  return {{"ffn_ratio_reached", change.ffn_ratio_reached()},
          {"total_ratio_reached", change.total_ratio_reached()},
          {"params_before", change.before.params},
          {"params_after", change.after.params},
          {"ffn_params_before", change.before.ffn_params},
          {"ffn_params_after", change.after.ffn_params},
          {"flops_per_token_before", change.before.flops_per_token},
          {"flops_per_token_after", change.after.flops_per_token},
          {"bytes_before", change.before.bytes},
          {"bytes_after", change.after.bytes}};
}

Json asked_ratio_json(const SelectionOptions& selection) {
  return selection.ratio ? Json(*selection.ratio) : Json(nullptr);
}

void print_sizes(const SizeChange& change, const OpenModel& open, const std::vector<int64_t>& widths) {
  fmt::print("  {:<16} {:>10} -> {:>10}\n", "FFN width", format_widths(open.model.ffn_widths()), format_widths(widths));
  print_row("FFN parameters", change.before.ffn_params, change.after.ffn_params, format_count);
  print_row("all parameters", change.before.params, change.after.params, format_count);
  print_row("FLOPs a token", change.before.flops_per_token, change.after.flops_per_token, format_count);
  print_row("weights on disk", change.before.bytes, change.after.bytes, format_bytes);
}

void print_ratio(const SelectionOptions& selection, int64_t width_multiple, const SizeChange& change) {
  if (!selection.ratio) return;
  fmt::print(
      "  {:<16} {} of the FFN asked, {} reached (the width is rounded to a multiple of {}; see --width-multiple)\n",
      "ratio", format_percent(*selection.ratio), format_percent(change.ffn_ratio_reached()), width_multiple);
}

}  // namespace prunenet::cli
