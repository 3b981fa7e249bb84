// E[g g^T] of every site, kept in a scratch file between the backward pass, which makes them from the last layer to the
// first, and the walk, which wants them from the first to the last.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/progress.h"
#include "base/scratch_file.h"
#include "engine/engine.h"

namespace prunenet {

class Sensitivities {
 public:
  explicit Sensitivities(ScratchFile& scratch) : scratch_(scratch) {}

  /// Measures them all on the sequences. Scaled so that the trace is D: only directions matter, and errors that are
  /// weighted with G stay comparable to plain ones. Sites of no gradient at all get none.
  void measure(Engine& engine, std::span<const std::vector<TokenId>> sequences, int64_t layers, Progress& progress);
  /// [D, D], both triangles; nothing where it was not measured.
  std::optional<Matrix<float>> get(int64_t layer, Site site) const;
  void put(int64_t layer, Site site, const Matrix<float>& sensitivity);
  bool empty() const { return stored_.empty(); }
  /// The trace of G before it was scaled: how much the loss feels a unit of noise in each of the D numbers.
  double trace(int64_t layer, Site site) const;

 private:
  struct Stored {
    std::span<const std::byte> bytes;
    int64_t order = 0;
    double trace = 0;
  };
  ScratchFile& scratch_;
  std::map<std::pair<int64_t, Site>, Stored> stored_;
};

}  // namespace prunenet
