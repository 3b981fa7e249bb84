// Refitting neurons by Gauss-Newton: that the derivatives are those of the function, closed forms where there are some,
// and what it promises of rescaling, threads and neurons that nothing determines.
#include "runtime/neuron_refit.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <Eigen/Cholesky>

#include <cmath>

#include "linalg/matrices.h"
#include "runtime/site.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::random_matrix;

constexpr Activation kActivations[] = {Activation::kSilu, Activation::kRelu, Activation::kGeluErf,
                                       Activation::kGeluTanh, Activation::kGeluQuick};

double plain_activation(double x, Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kRelu:
      return x > 0 ? x : 0;
    case Activation::kGeluErf:
      return x * 0.5 * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
    case Activation::kGeluQuick:
      return x / (1 + std::exp(-1.702 * x));
  }
  return 0;
}

struct Shape {
  bool gated = true, up_bias = false, down_bias = false;
  int64_t inputs = 5, outputs = 6, count = 4;
  std::string name(Activation activation) const {
    return fmt::format("activation {}, {}, biases {} {}", static_cast<int>(activation), gated ? "gated" : "plain",
                       up_bias, down_bias);
  }
};
const Shape kShapes[] = {
    {true, false, false}, {true, true, true}, {false, false, false}, {false, true, true}, {false, true, false}};

Neurons random_neurons(const Shape& shape, uint32_t seed) {
  Neurons neurons;
  const int64_t columns = shape.inputs + (shape.up_bias ? 1 : 0);
  if (shape.gated) neurons.gate = to_tensor(random_matrix<float>(shape.count, columns, seed));
  neurons.up = to_tensor(random_matrix<float>(shape.count, columns, seed + 1));
  neurons.down = to_tensor(random_matrix<float>(shape.outputs, shape.count + (shape.down_bias ? 1 : 0), seed + 2));
  neurons.up_bias = shape.up_bias;
  neurons.down_bias = shape.down_bias;
  return neurons;
}

Neurons moved(const Neurons& from, const Neurons& by, double step) {
  Neurons result = from;
  if (from.gate.defined()) result.gate = from.gate + by.gate * step;
  result.up = from.up + by.up * step;
  result.down = from.down + by.down * step;
  return result;
}

// What the neurons compute, by plain loops in f64.
Matrix<double> outputs_of(const Neurons& neurons, const Matrix<float>& z, Activation activation) {
  const auto wide = [](const at::Tensor& t) {
    const at::Tensor f = t.contiguous();
    return Matrix<double>(Eigen::Map<const Matrix<float>>(f.data_ptr<float>(), f.size(0), f.size(1)).cast<double>());
  };
  const auto extended = [](const Matrix<double>& x, bool ones) {
    Matrix<double> y = Matrix<double>::Ones(x.rows(), x.cols() + (ones ? 1 : 0));
    y.leftCols(x.cols()) = x;
    return y;
  };
  const Matrix<double> x = extended(z.cast<double>(), neurons.up_bias);
  const Matrix<double> up = x * wide(neurons.up).transpose();
  Matrix<double> h = neurons.gate.defined() ? Matrix<double>(x * wide(neurons.gate).transpose()) : up;
  h = h.unaryExpr([&](double value) { return plain_activation(value, activation); });
  if (neurons.gate.defined()) h = h.cwiseProduct(up);
  return extended(h, neurons.down_bias) * wide(neurons.down).transpose();
}

Matrix<float> positive(int64_t n, uint32_t seed) {
  const auto a = random_matrix<float>(n, n, seed);
  return a * a.transpose() + 0.2F * Matrix<float>::Identity(n, n);
}

double weighed_error(const Matrix<double>& error, const Matrix<float>& metric) {
  return (error * metric.cast<double>()).cwiseProduct(error).sum() / static_cast<double>(error.rows());
}

// In parts of uneven size, as chunks of text come.
void add_in_parts(NeuronRefitter& refitter, const Matrix<float>& z, const Matrix<double>& target) {
  const at::Tensor x = to_tensor(z), t = to_tensor(target.cast<float>());
  const int64_t first = x.size(0) / 3;
  ASSERT_TRUE(refitter.add(x.narrow(0, 0, first), t.narrow(0, 0, first)));
  ASSERT_TRUE(refitter.add(x.narrow(0, first, x.size(0) - first), t.narrow(0, first, x.size(0) - first)));
}

// As a walk does it: with gradients on, products are not cut into tiles.
class NeuronRefit : public testing::Test {
  const at::NoGradGuard no_grad_;
};

TEST_F(NeuronRefit, ErrorIsThatOfPlainLoops) {
  for (const Activation activation : kActivations) {
    for (const Shape& shape : kShapes) {
      SCOPED_TRACE(shape.name(activation));
      const Neurons neurons = random_neurons(shape, 3);
      const auto z = random_matrix<float>(50, shape.inputs, 7);
      const auto target = random_matrix<double>(50, shape.outputs, 8);
      const auto metric = positive(shape.outputs, 9);
      NeuronRefitter refitter(neurons, activation, metric);
      add_in_parts(refitter, z, target);
      const Matrix<double> error = target - outputs_of(neurons, z, activation);
      EXPECT_NEAR(refitter.error(), weighed_error(error, metric), 1e-5 * refitter.error());
      EXPECT_NEAR(refitter.error(false), error.squaredNorm() / 50, 1e-5 * refitter.error(false));
    }
  }
}

// The target is what the neurons give a small step e away. With the true derivatives one solved linearisation gets
// there up to terms of e^2, so that the error falls by a factor of e^2; with wrong ones a part of the first order
// stays. (relu has kinks: of the tokens near one, about as many as e, the first order stays.)
TEST_F(NeuronRefit, OneStepReachesANearTargetToSecondOrder) {
  for (const Activation activation : kActivations) {
    for (const Shape& shape : kShapes) {
      SCOPED_TRACE(shape.name(activation));
      const Neurons start = random_neurons(shape, 11), direction = random_neurons(shape, 21);
      const auto z = random_matrix<float>(400, shape.inputs, 31);
      const double step = 0.01;
      NeuronRefitter refitter(start, activation, positive(shape.outputs, 41));
      add_in_parts(refitter, z, outputs_of(moved(start, direction, step), z, activation));
      const double before = refitter.error();
      ASSERT_TRUE(refitter.step(400, 1e-7));
      EXPECT_LT(refitter.error(), (activation == Activation::kRelu ? 0.05 : 2e-3) * before);
    }
  }
}

// relu of what is positive for every token: y = W U x + b is linear, and as many neurons as inputs hold any linear map.
TEST_F(NeuronRefit, ALinearProblemEndsAtTheLeastSquares) {
  Shape shape{false, true, true};
  shape.count = shape.inputs;
  Neurons start = random_neurons(shape, 51);
  start.up = start.up * 0.1;
  start.up.narrow(1, shape.inputs, 1).fill_(3);  // the bias keeps all active
  const auto z = random_matrix<float>(300, shape.inputs, 52);
  const auto metric = positive(shape.outputs, 53);
  // Near what the start gives, so that it stays among the active.
  const Matrix<double> target = outputs_of(start, z, Activation::kRelu) +
                                0.05 * z.cast<double>() * random_matrix<double>(shape.inputs, shape.outputs, 54) +
                                0.05 * random_matrix<double>(300, shape.outputs, 55);
  Matrix<double> x = Matrix<double>::Ones(300, shape.inputs + 1);
  x.leftCols(shape.inputs) = z.cast<double>();
  const Matrix<double> left = target - x * (x.transpose() * x).llt().solve(x.transpose() * target);
  const double least = weighed_error(left, metric);
  NeuronRefitter refitter(start, Activation::kRelu, metric);
  add_in_parts(refitter, z, target);
  EXPECT_GT(refitter.error(), 1.3 * least);
  for (int i = 0; i < 6; ++i) refitter.step(300, 1e-6);
  EXPECT_NEAR(refitter.error(), least, 1e-3 * least);
}

TEST_F(NeuronRefit, NeverRaisesTheErrorAndLeavesWhatItCannotMend) {
  for (const Activation activation : kActivations) {
    for (const Shape& shape : kShapes) {
      SCOPED_TRACE(shape.name(activation));
      const auto z = random_matrix<float>(60, shape.inputs, 61);
      NeuronRefitter refitter(random_neurons(shape, 62), activation, positive(shape.outputs, 63));
      add_in_parts(refitter, z, 3 * random_matrix<double>(60, shape.outputs, 64));  // far from anything they can give
      double before = refitter.error();
      for (int i = 0; i < 12; ++i) {
        const at::Tensor up = refitter.neurons().up.clone(), down = refitter.neurons().down.clone();
        const bool moved = refitter.step(i % 3 == 0 ? 2 : 15, i % 2 == 0 ? 0.03 : 1e-6);
        const double after = refitter.error();
        if (moved) {
          EXPECT_LT(after, before);
        } else {
          EXPECT_EQ(after, before);
          EXPECT_TRUE(at::equal(up, refitter.neurons().up) && at::equal(down, refitter.neurons().down));
        }
        before = after;
      }
    }
  }
}

TEST_F(NeuronRefit, WhatFitsExactlyStaysAsItIs) {
  const Shape shape;
  const Neurons neurons = random_neurons(shape, 71);
  const auto z = random_matrix<float>(80, shape.inputs, 72);
  NeuronRefitter refitter(neurons, Activation::kSilu, Matrix<float>::Identity(shape.outputs, shape.outputs));
  add_in_parts(refitter, z, outputs_of(neurons, z, Activation::kSilu));
  const double before = refitter.error();
  EXPECT_LT(before, 1e-11);
  refitter.step(15, 0.03);
  EXPECT_LE(refitter.error(), before);
  EXPECT_LT(at::max(at::abs(refitter.neurons().up - neurons.up)).item<float>(), 1e-4F);
}

TEST_F(NeuronRefit, ApproachesNeuronsThatGiveTheTargetExactly) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(shape.name(Activation::kSilu));
    const Neurons hidden = random_neurons(shape, 81);
    const auto z = Matrix<float>(2 * random_matrix<float>(500, shape.inputs, 82));
    NeuronRefitter refitter(moved(hidden, random_neurons(shape, 83), 0.3), Activation::kSilu,
                            Matrix<float>::Identity(shape.outputs, shape.outputs));
    add_in_parts(refitter, z, outputs_of(hidden, z, Activation::kSilu));
    const double before = refitter.error();
    for (int i = 0; i < 15 && refitter.step(60, 1e-4); ++i) continue;
    EXPECT_LT(refitter.error(), 1e-3 * before);
  }
}

// A neuron's matrices scaled against each other, by powers of two: what is rounded is the same.
TEST_F(NeuronRefit, RescalingANeuronChangesNoBit) {
  for (const bool gated : {true, false}) {
    Shape shape{gated, true, true};
    const Activation activation = gated ? Activation::kSilu : Activation::kRelu;
    const auto z = random_matrix<float>(300, shape.inputs, 91);
    const auto target = random_matrix<double>(300, shape.outputs, 92);
    const auto scaled = [&](Neurons neurons, float scale) {
      neurons.up = neurons.up.clone();
      neurons.down = neurons.down.clone();
      for (int64_t i = 0; i < shape.count; i += 2) {
        neurons.up[i] *= scale;
        neurons.down.select(1, i) /= scale;
      }
      return neurons;
    };
    const auto fitted = [&](float scale) {
      NeuronRefitter refitter(scaled(random_neurons(shape, 93), scale), activation, positive(shape.outputs, 94));
      add_in_parts(refitter, z, target);
      EXPECT_TRUE(refitter.step(6, 0.03));
      refitter.step(6, 0.03);
      return std::pair(refitter.neurons(), refitter.error());
    };
    const auto [plain, error] = fitted(1);
    for (const float scale : {2.0F, 4.0F, 0.5F, 0.125F, 32.0F}) {
      SCOPED_TRACE(scale);
      const auto [other, other_error] = fitted(scale);
      EXPECT_EQ(other_error, error);
      const Neurons expected = scaled(plain, scale);
      EXPECT_TRUE(at::equal(other.up, expected.up) && at::equal(other.down, expected.down));
      EXPECT_TRUE(!gated || at::equal(other.gate, expected.gate));
    }
  }
}

TEST_F(NeuronRefit, ThreadsChangeNoBit) {
  Shape shape;
  shape.inputs = 48;
  shape.outputs = 40;
  shape.count = 70;
  shape.up_bias = true;
  const auto z = random_matrix<float>(700, shape.inputs, 101);
  const auto target = random_matrix<double>(700, shape.outputs, 102);
  const int former = at::get_num_threads();
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    const test::Threads linear_algebra(threads);
    NeuronRefitter refitter(random_neurons(shape, 103), Activation::kSilu, positive(shape.outputs, 104));
    add_in_parts(refitter, z, target);
    refitter.step(5, 0.03);
    refitter.step(3, 0.03);
    return std::tuple(refitter.neurons(), refitter.error());
  };
  const auto [one, error] = run(1);
  for (const int threads : {2, 3}) {
    const auto [more, other] = run(threads);
    EXPECT_EQ(error, other);
    EXPECT_TRUE(at::equal(one.gate, more.gate) && at::equal(one.up, more.up) && at::equal(one.down, more.down));
  }
  at::set_num_threads(former);
}

bool all_finite(const Neurons& neurons) {
  const auto finite = [](const at::Tensor& t) { return !t.defined() || at::isfinite(t).all().item<bool>(); };
  return finite(neurons.gate) && finite(neurons.up) && finite(neurons.down);
}

TEST_F(NeuronRefit, NeuronsThatNothingDeterminesDoNoHarm) {
  for (const Activation activation : kActivations) {
    for (const Shape& shape : kShapes) {
      SCOPED_TRACE(shape.name(activation));
      Neurons start = random_neurons(shape, 111);
      start.up[0].zero_();              // silent
      start.down.select(1, 1).zero_();  // unheard
      if (shape.gated) start.gate[2].zero_();
      auto z = random_matrix<float>(200, shape.inputs, 112);
      z.col(3).setZero();
      NeuronRefitter refitter(start, activation, positive(shape.outputs, 113));
      add_in_parts(refitter, z, random_matrix<double>(200, shape.outputs, 114));
      const double before = refitter.error();
      EXPECT_TRUE(refitter.step(15, 0.03));
      EXPECT_TRUE(all_finite(refitter.neurons()));
      EXPECT_LT(refitter.error(), before);
    }
  }
}

TEST_F(NeuronRefit, AllSilentAndAllZero) {
  const Shape shape{false, false, false};
  Neurons start = random_neurons(shape, 121);
  start.up.zero_();
  const auto z = random_matrix<float>(50, shape.inputs, 122);
  for (const bool also_down : {false, true}) {
    if (also_down) start.down.zero_();
    NeuronRefitter refitter(start, Activation::kRelu, Matrix<float>::Identity(shape.outputs, shape.outputs));
    add_in_parts(refitter, z, random_matrix<double>(50, shape.outputs, 123));
    refitter.step(15, 0.03);
    EXPECT_TRUE(all_finite(refitter.neurons()));
  }
  // Inputs that are all zero say nothing at all.
  NeuronRefitter refitter(random_neurons(shape, 124), Activation::kSilu, positive(shape.outputs, 125));
  add_in_parts(refitter, Matrix<float>::Zero(50, shape.inputs), random_matrix<double>(50, shape.outputs, 126));
  EXPECT_FALSE(refitter.step(15, 0.03));
  EXPECT_TRUE(all_finite(refitter.neurons()));
}

TEST_F(NeuronRefit, FewTokensAreDamped) {
  Shape shape;
  shape.inputs = 20;
  shape.count = 30;
  for (const int64_t tokens : {1, 3, 10}) {
    SCOPED_TRACE(tokens);
    const auto z = random_matrix<float>(tokens, shape.inputs, 131);
    const Neurons start = random_neurons(shape, 132);
    NeuronRefitter refitter(start, Activation::kSilu, positive(shape.outputs, 133));
    ASSERT_TRUE(refitter.add(to_tensor(z), to_tensor(random_matrix<float>(tokens, shape.outputs, 134))));
    const double before = refitter.error();
    const bool moved = refitter.step(15, 0.03);
    EXPECT_TRUE(all_finite(refitter.neurons()));
    if (tokens == 1) {
      EXPECT_LE(refitter.error(), before) << "a step to it may be too far for any part of it to help";
    } else {
      EXPECT_TRUE(moved);
      EXPECT_LT(refitter.error(), 0.5 * before);
    }
    EXPECT_LT(at::max(at::abs(refitter.neurons().up - start.up)).item<float>(), 20.0F);
  }
}

TEST_F(NeuronRefit, TargetsThatAreNotFiniteMoveNothing) {
  const Shape shape;
  Matrix<double> target = random_matrix<double>(50, shape.outputs, 141);
  target(17, 2) = std::nan("");
  const Neurons start = random_neurons(shape, 142);
  NeuronRefitter refitter(start, Activation::kSilu, Matrix<float>::Identity(shape.outputs, shape.outputs));
  add_in_parts(refitter, random_matrix<float>(50, shape.inputs, 143), target);
  EXPECT_FALSE(refitter.step(15, 0.03));
  EXPECT_TRUE(at::equal(refitter.neurons().up, start.up));
}

// Products in bf16 round each factor to 8 bits: the errors that they report and reach are those of f32 to about a per
// cent.
TEST_F(NeuronRefit, NarrowProductsComeAsFar) {
  Shape shape;
  shape.inputs = 24;
  shape.outputs = 20;
  shape.count = 30;
  for (const bool biases : {false, true}) {
    shape.up_bias = shape.down_bias = biases;
    const Neurons start = random_neurons(shape, 141), direction = random_neurons(shape, 151);
    const auto z = random_matrix<float>(700, shape.inputs, 161);
    const Matrix<double> target = outputs_of(moved(start, direction, 0.2), z, Activation::kSilu);
    double before[2], after[2];
    for (const int narrow : {0, 1}) {
      NeuronRefitter refitter(start, Activation::kSilu, positive(shape.outputs, 171),
                              narrow == 1 ? at::kBFloat16 : at::kFloat);
      add_in_parts(refitter, z, target);
      before[narrow] = refitter.error();
      ASSERT_TRUE(refitter.step(8, 0.1));
      after[narrow] = refitter.error();
    }
    EXPECT_NEAR(before[1], before[0], 0.01 * before[0]);
    EXPECT_NEAR(after[1], after[0], 0.02 * before[0]);
    EXPECT_LT(after[0], 0.5 * before[0]);
  }
}

}  // namespace
}  // namespace prunenet
