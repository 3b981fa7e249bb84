// Gauss-Newton, a layer at a time.
#include "runtime/neuron_refit.h"

#include <cmath>

#include "base/error.h"
#include "linalg/cholesky.h"
#include "runtime/device_matrix.h"
#include "runtime/pieces.h"
#include "runtime/product.h"
#include "runtime/site.h"
#include "runtime/transformer.h"

namespace prunenet {
namespace {

constexpr int64_t kMostBytes = int64_t{2} << 30;  // of all parts
constexpr double kLeastShare = 1e-6;              // of the mean: what counts as a neuron that nothing determines

at::Tensor derivative(const at::Tensor& x, Activation activation) {
  const at::Tensor one = at::ones_like(x);
  switch (activation) {
    case Activation::kSilu:
      return at::silu_backward(one, x);
    case Activation::kRelu:
      return x.gt(0).to(x.scalar_type());
    case Activation::kGeluErf:
      return at::gelu_backward(one, x);
    case Activation::kGeluTanh:
      return at::gelu_backward(one, x, "tanh");
    case Activation::kGeluQuick: {
      const at::Tensor gate = at::sigmoid(1.702 * x);
      return gate + 1.702 * x * gate * (1 - gate);
    }
  }
  PRUNENET_CHECK(false);
  return x;
}

at::Tensor with_ones(const at::Tensor& x, bool wanted) {
  return wanted ? at::cat({x, at::ones({x.size(0), 1}, x.options())}, 1) : x.contiguous();
}

// A B^T.
at::Tensor product_of(const at::Tensor& a, const at::Tensor& b) {
  return tiled_product(a, b.t());
}

// A^T B of [n, p] and [n, q].
at::Tensor transposed_product(const at::Tensor& a, const at::Tensor& b) {
  return tiled_product(a.t(), b);
}

at::Tensor wide(const at::Tensor& x) {
  return x.to(at::kFloat);
}

// Sum of products in f64, a run of rows first: the same for any number of threads.
double inner_sum(const at::Tensor& a, const at::Tensor& b) {
  if (!a.is_cpu()) return inner_product_of(a, b);
  const at::Tensor x = a.contiguous(), y = b.contiguous();
  const float *left = x.data_ptr<float>(), *right = y.data_ptr<float>();
  constexpr int64_t kRun = 1 << 16;
  const int64_t count = x.numel(), runs = (count + kRun - 1) / kRun;
  std::vector<double> sums(static_cast<size_t>(runs));
  for_pieces(runs, runs > 4, [&](int64_t begin, int64_t end) {
    for (int64_t run = begin; run < end; ++run) {
      double lanes[8] = {};  // the order of the sums is this loop's, whatever the compiler makes of it
      const int64_t first = run * kRun, last = std::min(count, first + kRun);
      for (int64_t i = first; i < last; ++i)
        lanes[(i - first) % 8] += static_cast<double>(left[i]) * static_cast<double>(right[i]);
      double sum = 0;
      for (const double lane : lanes) sum += lane;
      sums[static_cast<size_t>(run)] = sum;
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

// Sum of squares of each column [q], in f64.
at::Tensor column_energy(const at::Tensor& x) {
  at::Tensor sums;
  for_pieces(1, false, [&](int64_t, int64_t) {
    const at::Tensor values = wide(x);
    sums = at::sum(values * values, 0, false, at::kDouble);
  });
  return sums;
}

constexpr int64_t kF64UpToOrder = 4096;  // beyond it f64 costs more than it brings to a preconditioner

// (C + share * mean(diagonal) I)^-1, both triangles, f32.
template <typename Real>
at::Tensor damped_inverse_in(const at::Tensor& c, double share, double* mean_diagonal) {
  const at::Tensor values = c.contiguous();
  const Eigen::Map<const Matrix<float>> plain(values.data_ptr<float>(), values.size(0), values.size(1));
  const double mean = plain.diagonal().template cast<double>().mean();
  *mean_diagonal = mean;
  double added = share * mean + 1e-12;
  for (int attempt = 0; attempt < 8; ++attempt, added *= 10) {
    Matrix<Real> inverse = plain.template cast<Real>();
    inverse.diagonal().array() += static_cast<Real>(added);
    if (!invert_positive_definite(block_of(inverse))) continue;
    inverse.template triangularView<Eigen::StrictlyLower>() = inverse.transpose();
    return to_tensor(inverse.template cast<float>());
  }
  fail(ErrorCode::kNonFinite, "refit", "the moments of a layer cannot be inverted");
}

// The same where another device holds C.
at::Tensor damped_inverse_there(const at::Tensor& c, double share, double* mean_diagonal) {
  const at::Tensor values = c.to(c.size(0) <= kF64UpToOrder ? at::kDouble : at::kFloat);
  *mean_diagonal = at::mean(values.diagonal().to(at::kDouble)).item<double>();
  double added = share * *mean_diagonal + 1e-12;
  for (int attempt = 0; attempt < 8; ++attempt, added *= 10) {
    at::Tensor damped = values.clone();
    damped.diagonal().add_(added);
    const auto [factor, info] = at::linalg_cholesky_ex(damped);
    if (info.item<int>() == 0) return at::cholesky_inverse(factor).to(at::kFloat);
  }
  fail(ErrorCode::kNonFinite, "refit", "the moments of a layer cannot be inverted");
}

at::Tensor damped_inverse(const at::Tensor& c, double share, double* mean_diagonal) {
  if (!c.is_cpu()) return damped_inverse_there(c, share, mean_diagonal);
  return c.size(0) <= kF64UpToOrder ? damped_inverse_in<double>(c, share, mean_diagonal)
                                    : damped_inverse_in<float>(c, share, mean_diagonal);
}

// Powers of two that bring these energies [K], f64, to between 1/2 and 2 when they scale the inputs: nothing is
// rounded.
at::Tensor unit_scales(const at::Tensor& given) {
  const at::Tensor energy = given.cpu(), scales = at::empty_like(energy);
  for (int64_t i = 0; i < energy.size(0); ++i) {
    int exponent = 0;
    std::frexp(energy.data_ptr<double>()[i], &exponent);
    scales.data_ptr<double>()[i] = std::ldexp(1.0, -(exponent >> 1));
  }
  return scales.to(given.device(), at::kFloat);
}

}  // namespace

Neurons start_neurons(const LayerWeights& block, const SiteChange& start) {
  Neurons result;
  const LayerWeights whole = start.rows ? with_rows(block, *start.rows) : block;
  const bool stacked = whole.gated && whole.up.size() == 1;
  const at::Device device = block.down.weight.device();
  const at::Tensor kept = at::tensor(start.kept, at::kLong).to(device);
  // Rows of a matrix and its bias as their last column.
  const auto rows = [&](const Linear& linear, int64_t first, int64_t count) {
    const auto part = [&](const at::Tensor& t) {
      const at::Tensor some = t.narrow(0, first, count).to(at::kFloat);
      return start.rows ? some : some.index_select(0, kept);
    };
    const at::Tensor weight = part(linear.weight);
    return linear.bias.defined() ? at::cat({weight, part(linear.bias).unsqueeze(1)}, 1) : weight.contiguous();
  };
  const int64_t width = whole.up[0].weight.size(0) / (stacked ? 2 : 1);
  if (whole.gated) result.gate = rows(whole.up[0], 0, width);
  result.up = stacked ? rows(whole.up[0], width, width) : rows(whole.up.back(), 0, width);
  result.up_bias = whole.up.back().bias.defined();
  const at::Tensor bias = start.bias.empty() ? block.down.bias : at::tensor(start.bias);
  result.down = to_tensor(start.weight).to(device);
  result.down_bias = bias.defined();
  if (result.down_bias) result.down = at::cat({result.down, bias.to(device, at::kFloat).unsqueeze(1)}, 1);
  return result;
}

SiteChange to_change(const Neurons& neurons, const std::vector<int64_t>& kept) {
  const auto matrix = [](const at::Tensor& tensor, int64_t columns) {
    const at::Tensor part = tensor.narrow(1, 0, columns).cpu().contiguous();
    return Matrix<float>(Eigen::Map<const Matrix<float>>(part.data_ptr<float>(), part.size(0), part.size(1)));
  };
  const auto last_column = [](const at::Tensor& tensor) {
    const at::Tensor part = tensor.select(1, tensor.size(1) - 1).cpu().contiguous();
    return std::vector<float>(part.data_ptr<float>(), part.data_ptr<float>() + part.numel());
  };
  const int64_t inputs = neurons.up.size(1) - (neurons.up_bias ? 1 : 0);
  SiteChange change;
  change.kept = kept;
  change.weight = matrix(neurons.down, neurons.count());
  if (neurons.down_bias) change.bias = last_column(neurons.down);
  change.rows.emplace();
  change.rows->up = matrix(neurons.up, inputs);
  if (neurons.up_bias) change.rows->up_bias = last_column(neurons.up);
  if (!neurons.gate.defined()) return change;
  change.rows->gate = matrix(neurons.gate, inputs);
  if (neurons.up_bias) change.rows->gate_bias = last_column(neurons.gate);
  return change;
}

NeuronRefitter::NeuronRefitter(Neurons start, Activation activation, const Matrix<float>& metric, at::ScalarType type)
    : neurons_(std::move(start)),
      activation_(activation),
      type_(type),
      metric_(to_tensor(metric).to(neurons_.down.device())) {
  PRUNENET_CHECK(metric.rows() == neurons_.down.size(0) && metric.cols() == metric.rows());
  double mean = 0;
  inverse_metric_ = narrow(damped_inverse(metric_, 0, &mean));
  narrow_metric_ = narrow(metric_);
}

Neurons NeuronRefitter::narrow(const Neurons& neurons) const {
  Neurons result = neurons;
  if (result.gate.defined()) result.gate = narrow(result.gate);
  result.up = narrow(result.up);
  result.down = narrow(result.down);
  return result;
}

bool NeuronRefitter::add(const at::Tensor& input, const at::Tensor& target) {
  const auto size = static_cast<int64_t>(at::elementSize(type_));
  const int64_t bytes = target.size(1) * (4 + size) + 3 * neurons_.count() * size;
  if (tokens_ > 0 && (tokens_ + input.size(0)) * bytes > kMostBytes) return false;
  parts_.push_back({with_ones(narrow(input), neurons_.up_bias), target, {}, {}, {}});
  tokens_ += input.size(0);
  return true;
}

at::Tensor NeuronRefitter::inner(const Part& part, const Neurons& neurons) const {
  const at::Tensor a = product_of(part.z, neurons.gate.defined() ? neurons.gate : neurons.up);
  at::Tensor h =
      by_rows(a, a.size(1), [&](int64_t row, int64_t n) { return activate(a.narrow(0, row, n), activation_); });
  if (neurons.gate.defined()) h = h * product_of(part.z, neurons.up);
  return with_ones(h, neurons.down_bias);
}

at::Tensor NeuronRefitter::error_of_part(const Part& part, const at::Tensor& h, const Neurons& neurons) const {
  return part.target - wide(product_of(h, neurons.down));
}

double NeuronRefitter::size_of(const at::Tensor& error, bool weighed) const {
  return inner_sum(error, weighed ? wide(product_of(narrow(error), narrow_metric_)) : error);
}

double NeuronRefitter::error_of(const Neurons& neurons, bool weighed) const {
  const Neurons rounded = narrow(neurons);
  double sum = 0;
  for (const Part& part : parts_) sum += size_of(error_of_part(part, inner(part, rounded), rounded), weighed);
  return sum / static_cast<double>(std::max<int64_t>(1, tokens_));
}

double NeuronRefitter::error(bool weighed) const {
  return error_of(neurons_, weighed);
}

void NeuronRefitter::linearise() {
  narrow_ = narrow(neurons_);
  for (Part& part : parts_) {
    const bool gated = neurons_.gate.defined();
    const at::Tensor a = product_of(part.z, gated ? narrow_.gate : narrow_.up);
    const auto each = [&](at::Tensor (*function)(const at::Tensor&, Activation)) {
      return by_rows(a, a.size(1), [&](int64_t row, int64_t n) { return function(a.narrow(0, row, n), activation_); });
    };
    const at::Tensor s = each(activate);
    if (gated) {
      const at::Tensor u = product_of(part.z, narrow_.up);
      part.along_gate = each(derivative) * u;
      part.along_up = s;
      part.h = with_ones(s * u, neurons_.down_bias);
    } else {
      part.along_up = each(derivative);
      part.h = with_ones(s, neurons_.down_bias);
    }
  }
}

// Ridges, and the inverses of the preconditioner: each matrix as if it were alone, and its rows independent.
void NeuronRefitter::prepare(double damping) {
  const int64_t count = neurons_.count();
  const at::Tensor down = neurons_.down.narrow(1, 0, count);
  at::Tensor inputs, inner, gate_energy, up_energy;
  const auto add = [](at::Tensor& sum, const at::Tensor& term) {
    if (sum.defined()) sum.add_(term);
    if (!sum.defined()) sum = term;
  };
  for (const Part& part : parts_) {
    add(inputs, wide(transposed_product(part.z, part.z)));
    add(inner, wide(transposed_product(part.h, part.h)));
    if (neurons_.gate.defined()) add(gate_energy, column_energy(part.along_gate));
    add(up_energy, column_energy(part.along_up));
  }
  const auto tokens = static_cast<double>(tokens_);
  // What a neuron's output is worth: the diagonal of W^T M W.
  at::Tensor worth;
  const at::Tensor weighed = wide(tiled_product(narrow_metric_, narrow(down)));
  for_pieces(1, false, [&](int64_t, int64_t) { worth = at::sum(down * weighed, 0, false, at::kDouble); });
  double input_mean = 0, inner_mean = 0;
  inverse_inputs_ = narrow(damped_inverse(inputs / tokens, damping, &input_mean));
  inner.div_(tokens);
  at::Tensor energy = inner.diagonal().to(at::kDouble);
  energy = energy.clamp_min(kLeastShare * at::mean(energy).item<double>() + 1e-30).contiguous();
  // In scaled coordinates: as the ridge below sees them, and so that rescaling a neuron by a power of two changes no
  // bit.
  const at::Tensor scales = unit_scales(energy), across = scales.unsqueeze(1);
  inner.mul_(across).mul_(scales);
  at::Tensor inverse = damped_inverse(inner, damping, &inner_mean);
  inner = at::Tensor();
  inverse_inner_ = narrow(inverse.mul_(across).mul_(scales));
  const double metric_mean = at::mean(metric_.diagonal().to(at::kDouble)).item<double>();

  ridge_.clear();
  scale_.clear();
  for (const at::Tensor& along : {gate_energy, up_energy}) {
    if (!along.defined()) continue;
    at::Tensor strength = worth * along / tokens;  // [K]
    strength = strength.clamp_min(kLeastShare * at::mean(strength).item<double>() + 1e-30);
    ridge_.push_back((strength * damping * input_mean).to(at::kFloat).unsqueeze(1));
    scale_.push_back((1 / strength).to(at::kFloat).unsqueeze(1));
  }
  ridge_.push_back((energy * damping * metric_mean).to(at::kFloat).unsqueeze(0));
  scale_.push_back(at::Tensor());
}

// Adds J^T M e of the part's tokens to the sum.
void NeuronRefitter::add_gradient(const Part& part, const at::Tensor& error, Change& sum) const {
  const at::Tensor weighed = product_of(narrow(error), narrow_metric_);
  const at::Tensor back = tiled_product(weighed, narrow_.down.narrow(1, 0, neurons_.count()));
  size_t next = 0;
  const auto add = [&](const at::Tensor& term) {
    if (next == sum.of.size()) sum.of.push_back(at::zeros(term.sizes(), term.options().dtype(at::kFloat)));
    sum.of[next++].add_(term);  // a sum of bf16 and f32 is taken in f32
  };
  if (neurons_.gate.defined()) add(transposed_product(back * part.along_gate, part.z));
  add(transposed_product(back * part.along_up, part.z));
  add(transposed_product(weighed, part.h));
}

// Of the neurons as they are, a mean over the tokens; and their error.
NeuronRefitter::Change NeuronRefitter::start_gradient(double& error) const {
  Change sum;
  error = 0;
  for (const Part& part : parts_) {
    const at::Tensor missing = error_of_part(part, part.h, narrow_);
    error += size_of(missing, true);
    add_gradient(part, missing, sum);
  }
  error /= static_cast<double>(tokens_);
  for (at::Tensor& term : sum.of) term.div_(static_cast<double>(tokens_));
  return sum;
}

// (J^T M J + ridge) times the change.
NeuronRefitter::Change NeuronRefitter::normal(const Change& change) const {
  const bool gated = neurons_.gate.defined();
  const at::Tensor down = narrow_.down.narrow(1, 0, neurons_.count());
  std::vector<at::Tensor> of;
  for (const at::Tensor& part : change.of) of.push_back(narrow(part));
  Change result;
  for (const Part& part : parts_) {
    at::Tensor h = part.along_up * product_of(part.z, of[gated ? 1 : 0]);
    if (gated) h.add_(part.along_gate * product_of(part.z, of[0]));
    add_gradient(part, wide(product_of(h, down)) + wide(product_of(part.h, of.back())), result);
  }
  for (size_t k = 0; k < result.of.size(); ++k)
    result.of[k].div_(static_cast<double>(tokens_)).add_(ridge_[k] * change.of[k]);
  return result;
}

NeuronRefitter::Change NeuronRefitter::preconditioned(const Change& residual) const {
  Change result;
  for (size_t k = 0; k + 1 < residual.of.size(); ++k)
    result.of.push_back(scale_[k] * wide(product_of(narrow(residual.of[k]), inverse_inputs_)));
  const at::Tensor inner = product_of(narrow(residual.of.back()), inverse_inner_);
  result.of.push_back(wide(tiled_product(inverse_metric_, inner)));
  return result;
}

Neurons NeuronRefitter::plus(const Change& change, double share) const {
  Neurons result = neurons_;
  size_t k = 0;
  if (result.gate.defined()) result.gate = result.gate + change.of[k++] * share;
  result.up = result.up + change.of[k++] * share;
  result.down = result.down + change.of[k] * share;
  return result;
}

bool NeuronRefitter::step(int64_t iterations, double damping, double tolerance, CancelCheck throw_if_cancelled) {
  const auto product_sum = [](const Change& a, const Change& b) {
    double sum = 0;
    for (size_t k = 0; k < a.of.size(); ++k) sum += inner_sum(a.of[k], b.of[k]);
    return sum;
  };
  if (throw_if_cancelled != nullptr) throw_if_cancelled();
  ++linearisations_;
  linearise();
  prepare(damping);
  double before = 0;
  Change residual = start_gradient(before), direction = preconditioned(residual), solution;
  for (const at::Tensor& term : residual.of) solution.of.push_back(at::zeros_like(term));
  double size = product_sum(residual, direction);
  const double first = size;
  for (int64_t i = 0; i < iterations && size > tolerance * tolerance * first; ++i) {
    if (throw_if_cancelled != nullptr) throw_if_cancelled();
    ++iterations_;
    {
      const Change along = normal(direction);
      const double length = size / product_sum(direction, along);
      // Multiplied first and then added: in one call the last numbers of a thread's share are rounded otherwise.
      for (size_t k = 0; k < solution.of.size(); ++k) {
        solution.of[k].add_(direction.of[k] * length);
        residual.of[k].sub_(along.of[k] * length);
      }
    }
    const Change next = preconditioned(residual);
    const double next_size = product_sum(residual, next);
    for (size_t k = 0; k < solution.of.size(); ++k) direction.of[k].mul_(next_size / size).add_(next.of[k]);
    size = next_size;
  }
  residual.of.clear();
  direction.of.clear();
  for (double share = 1; share > 0.05; share /= 2) {
    const Neurons trial = plus(solution, share);
    if (error_of(trial, true) < before) {  // false for NaN
      neurons_ = trial;
      return true;
    }
  }
  return false;
}

}  // namespace prunenet
