// E[g g^T] of every site, kept in the run's store between the backward pass, which makes them from the last layer to
// the first, and the walk, which wants them from the first to the last.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/progress.h"
#include "base/result_store.h"
#include "engine/engine.h"

namespace prunenet {

class Sensitivities {
 public:
  /// `store` must outlive it; names begin with "sensitivity/".
  explicit Sensitivities(ResultStore& store) : store_(store) {}

  /// Takes what an earlier run has left in the store; false, and nothing is taken, unless all of it is there. A
  /// backward pass that was stopped is made again: what a layer hands down to the one below is not kept.
  bool restore(const ModelDescription& model);
  /// All are put: from here on `restore` finds them.
  void complete();

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
    std::span<const std::byte> bytes;  // the trace, then the matrix
    int64_t order = 0;
    double trace = 0;
  };
  ResultStore& store_;
  std::map<std::pair<int64_t, Site>, Stored> stored_;
};

}  // namespace prunenet
