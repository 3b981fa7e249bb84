// How fast this machine is at what linear algebra, memory and disks do: short measurements of the very functions that
// the work will call, in its sizes where that takes milliseconds.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "cost/work.h"

namespace prunenet {

struct MachineProbe {
  int64_t symmetric_order = 0;          // of the largest matrix that will be made tridiagonal
  std::span<const std::byte> stored;    // bytes of the model, in its mapping, of which some are read
  std::filesystem::path output_folder;  // on whose disk will be written; its nearest folder that exists is taken
  bool at_best = false;                 // products: the shortest measurement counts, as for a bound; else what lasts
};

/// Measures the kinds of which `work` has some, but those of the engine (engine_speed.h). About a third of a second for
/// each; a slow disk takes longer. What is in the page cache is read at memory speed, as the run would. Writing is
/// measured with a nameless file in `output_folder`: 64 MiB at most and at most a tenth of the room that is left, gone
/// when this returns.
void measure_machine(const Work& work, const MachineProbe& probe, Speeds& speeds);

}  // namespace prunenet
