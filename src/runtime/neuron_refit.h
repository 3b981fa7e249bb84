// Refitting the neurons of an FFN: gate, up and down together, by Gauss-Newton with conjugate gradients, on what the
// layer reads and what it ought to give.
//
// With z the input (1 appended where up has biases), a = G z, s = act(a), u = U z, h = s u (plain FFN: h = act(U z))
// and y = W h (1 appended to h where down has a bias), a change moves y by
//   J(dG, dU, dW) = W (act'(a) u (dG z) + s (dU z)) + dW h,
// and (J^T M J + ridge) d = J^T M (t - y) is solved for it. The ridge of each row is `damping` times the mean of what
// determines it, so that rescaling a neuron changes nothing. Products are f32 on fixed tiles, or bf16 where the model
// is run so; neurons, steps and targets are f32 either way, and sums f64: the number of threads changes no bit.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "engine/walk.h"
#include "model/transformer.h"
#include "runtime/layer_weights.h"
#include "runtime/transformer.h"

namespace prunenet {

/// Gate, up and down, with biases as last columns. `gate` undefined: a plain FFN.
struct Neurons {
  at::Tensor gate, up;  // [K, D (+ 1)]
  at::Tensor down;      // [D, K (+ 1)]
  bool up_bias = false, down_bias = false;
  int64_t count() const { return up.size(0); }
};

/// The kept neurons of a layer, where it lies: those of `start`, or the block's own rows with `start`'s down.
Neurons start_neurons(const LayerWeights& block, const SiteChange& start);
/// And back: the change of a site that keeps the inputs `kept`.
SiteChange to_change(const Neurons& neurons, const std::vector<int64_t>& kept);

class NeuronRefitter {
 public:
  /// `type`: of the products, kFloat or kBFloat16.
  NeuronRefitter(Neurons start, Activation activation, const Matrix<float>& metric, at::ScalarType type = at::kFloat);

  /// Tokens: what the FFN reads [n, D] and what it ought to give [n, D], f32. False, and nothing is taken, when there
  /// is no room for more.
  bool add(const at::Tensor& input, const at::Tensor& target);

  /// E[e^T M e] of the neurons as they are; not `weighed`: E|e|^2.
  double error(bool weighed = true) const;
  /// One linearisation, solved: until `iterations` are done, or the residual (in the norm of the preconditioner) is
  /// `tolerance` of what it was. Neurons are left as they were, and false is returned, when no step makes the error
  /// fall. Asks for a cancellation before every iteration.
  bool step(int64_t iterations, double damping, double tolerance = 1e-6, CancelCheck throw_if_cancelled = nullptr);
  const Neurons& neurons() const { return neurons_; }
  int64_t tokens() const { return tokens_; }
  /// Of all steps so far.
  int64_t linearisations() const { return linearisations_; }
  int64_t iterations() const { return iterations_; }

 private:
  struct Part {
    at::Tensor z, target;             // [n, D (+ 1)] in the type of the products; [n, D], f32
    at::Tensor along_gate, along_up;  // act'(a) u; s, or of a plain FFN act'(a) [n, K], in that type
    at::Tensor h;                     // [n, K (+ 1)], likewise
  };
  struct Change {
    std::vector<at::Tensor> of;  // gate (where there is one), up, down; f32
  };

  at::Tensor narrow(const at::Tensor& x) const { return x.to(type_); }
  Neurons narrow(const Neurons& neurons) const;
  at::Tensor inner(const Part& part, const Neurons& narrow_neurons) const;
  at::Tensor error_of_part(const Part& part, const at::Tensor& h, const Neurons& narrow_neurons) const;
  double error_of(const Neurons& neurons, bool weighed) const;
  double size_of(const at::Tensor& error, bool weighed) const;
  void linearise();
  void prepare(double damping);
  void add_gradient(const Part& part, const at::Tensor& error, Change& sum) const;
  Change start_gradient(double& error) const;
  Change preconditioned(const Change& residual) const;
  Change normal(const Change& change) const;
  Neurons plus(const Change& change, double share) const;

  Neurons neurons_;
  Activation activation_;
  at::ScalarType type_;
  at::Tensor metric_;         // [D, D]
  at::Tensor narrow_metric_;  // in the type of the products
  Neurons narrow_;            // the neurons of the linearisation, likewise
  std::vector<Part> parts_;
  int64_t tokens_ = 0, linearisations_ = 0, iterations_ = 0;
  std::vector<at::Tensor> ridge_;  // [K, 1], [K, 1], [1, K (+ 1)]
  std::vector<at::Tensor> scale_;  // of rows in the preconditioner, likewise
  at::Tensor inverse_inputs_, inverse_inner_, inverse_metric_;
};

}  // namespace prunenet
