// Scoring many requests: sorted by length into batches of bounded size, each batch either computed or taken from the
// journal. The batches depend on the requests and options alone, so that a run that goes on computes exactly what a
// whole run computes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "engine/engine.h"
#include "evaluate/journal.h"

namespace prunenet {

struct BatchOptions {
  int64_t requests = 0;  // in a batch; 0: as many as `ids` allows
  int64_t ids = 4096;    // in a batch, padding counted: its longest request times their number. One request always fits
};

/// The requests of one task: made when needed, so that overlapping windows need not all be in memory.
struct RequestList {
  std::string stage;             // the task's name: journal and errors
  std::vector<int64_t> lengths;  // ids of each request
  std::function<ScoreRequest(size_t)> get;
};

/// A list of requests that are there already, which must outlive it.
RequestList request_list(std::string stage, const std::vector<ScoreRequest>& requests);

/// Indices of requests, longest first (equal lengths in their order), cut into batches.
std::vector<std::vector<size_t>> plan_batches(const std::vector<int64_t>& lengths, const BatchOptions& options);

/// All ids of all requests: what score_requests tells `progress` in the end.
double num_ids(const RequestList& list);

/// The log-likelihood of every request, in their order. Asks throw_if_cancelled between batches; a batch that is
/// finished is in `journal` (where given) before the next begins. Throws what the engine throws, kMismatch for a
/// journal whose batches have other sizes.
std::vector<RequestScore> score_requests(Engine& engine, const RequestList& list, const BatchOptions& options,
                                         Journal* journal, Progress& progress);

}  // namespace prunenet
