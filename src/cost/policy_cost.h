// What the published policy has to do (training it, and choosing by it), what scoring by the weights alone does, and
// what writing the result takes.
#pragma once

#include <cstdint>
#include <vector>

#include "cost/shape.h"
#include "cost/work.h"

namespace prunenet {

struct PolicyTask {
  std::vector<int64_t> kept;  // neurons of each layer
  double episodes = 20;       // 0: a policy that is trained already
  bool f64 = false;
  bool estimates = false;     // distances of draws from Lanczos quadrature (spectrum/estimate.h) where that is defined
  bool spectra_after = true;  // those of the chosen rows, for the artefact
  bool caches = true;         // whole layers are looked for in the cache of spectra, by the hash of their numbers
  bool is_cached = false;     // and are there
  // A device trains: it neither asks the cache nor shares its spectra, and the host takes those of whole layers for the
  // choice. Scoring and the spectra of the choice are the host's in any case.
  bool on_device = false;
};
RunCost cost_of_policy(const ModelShape& shape, const PolicyTask& task);

/// `matrices`: of each layer, of which the norms of neurons are taken, a row at a time (0: random choice).
Phase cost_of_scoring(const ModelShape& shape, double matrices);
/// By the energy of neurons for Gaussian inputs: as many tokens as --method gaussian takes.
Phase cost_of_energy_scoring(const ModelShape& shape);

/// Reading the source and writing `bytes`; then, where a folder stands between source and a GGUF file, `gguf_bytes` of
/// them. Memory takes up `unwritten` bytes, and no writer waits for the disk until they are more.
Phase cost_of_writing(const ModelShape& shape, double bytes, double gguf_bytes, double unwritten);

/// Seconds that a process takes before anything, and bytes that it holds whatever it does.
Phase cost_of_starting();

}  // namespace prunenet
