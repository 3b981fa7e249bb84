// How the result of compare leaves it: as JSON, as a report, as a table.
#pragma once

#include <string>

#include "cli/engine_options.h"
#include "evaluate/divergence.h"
#include "report/report.h"

namespace prunenet::cli {

struct Comparison {
  Divergence divergence;
  ModelSize dense, other;
  std::string text;  // what they were compared on

  /// Other to dense.
  double ratio(int64_t ModelSize::*field) const {
    return static_cast<double>(other.*field) / static_cast<double>(dense.*field);
  }
};

Json comparison_json(const EngineVerbOptions& options, const OpenModel& dense, const OpenModel& other,
                     const Comparison& result);
Report comparison_report(const EngineVerbOptions& options, const OpenModel& dense, const OpenModel& other,
                         const Comparison& result, double elapsed_s);
void print_comparison(const OpenModel& dense, const OpenModel& other, const Comparison& result);

}  // namespace prunenet::cli
