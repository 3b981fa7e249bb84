// The outcome of self-calibrated pruning in its forms: artefact, JSON, terminal, report.
#pragma once

#include "cli/self_options.h"
#include "report/report.h"

namespace prunenet::cli {

/// For prunenet.json: the text in words, and what was found on it.
Json calibration_json(const SelfRun& run);
/// Adds "sites" to the layer's object: errors before and after the refit, damping.
void add_sites(const SelfRun& run, int64_t layer, Json& object);
/// Keys of the result of prune --json.
Json self_json(const SelfRun& run);
void print_self(const SelfRun& run, const ModelDescription& model);
void add_to_report(const SelfRun& run, Report& report);

}  // namespace prunenet::cli
