// The demo model's weights: power-law spectra, rows that differ in size, a shared side between the matrices of an FFN.
#include "demo_weights.h"

#include <fmt/format.h>

#include <cfloat>
#include <cmath>
#include <string>
#include <utility>

#include "base/dtype.h"
#include "base/random.h"

namespace prunenet {
namespace {

static_assert(FLT_EVAL_METHOD == 0, "wider intermediate results would change the weights' bytes");

// What a stream of random numbers is for, within its layer. The numbers are part of the weights: never renumber.
enum class Slot : uint32_t {
  kEmbedding = 1,
  kNorm = 2,
  kInputNorm = 3,
  kPostAttentionNorm = 4,
  kQuery = 5,
  kKey = 6,
  kValue = 7,
  kOutput = 8,
  kNeuronScale = 9,
  kNeuronSide = 10,
  kGate = 11,
  kUp = 12,
  kDown = 13,
};

// Where random numbers come from: a model-wide tensor has layer 0, those of layer l have l + 1.
struct Source {
  uint64_t seed;
  uint32_t layer;

  RandomStream stream(Slot slot) const { return {seed, RandomStage::kDemoModel, layer, static_cast<uint32_t>(slot)}; }
};

struct Matrix {
  int64_t rows = 0, cols = 0;
  std::vector<double> values;  // row-major

  Matrix(int64_t row_count, int64_t col_count)
      : rows(row_count), cols(col_count), values(static_cast<size_t>(row_count * col_count), 0.0) {}
  double* row(int64_t i) { return values.data() + i * cols; }
  const double* row(int64_t i) const { return values.data() + i * cols; }
};

// Near-Gaussian with mean 0 and variance 1: a sum of eight 16-bit uniform integers, so the sum itself is exact.
double next_normal(RandomStream& stream) {
  int64_t sum = 0;
  for (int i = 0; i < 4; ++i) {
    const uint32_t bits = stream.next_u32();
    sum += (bits & 0xffffu) + (bits >> 16);
  }
  constexpr int64_t kMean = 4 * 65535;
  constexpr double kInverseDeviation = 1.0 / 53509.92;  // sqrt(8 (2^32 - 1) / 12)
  return static_cast<double>(sum - kMean) * kInverseDeviation;
}

Matrix normal_matrix(RandomStream& stream, int64_t rows, int64_t cols) {
  Matrix matrix(rows, cols);
  for (double& value : matrix.values) value = next_normal(stream);
  return matrix;
}

// k^(-eighths / 8) by square roots: pow may differ in its last bit from one C library to the next.
double inverse_power(int64_t k, int eighths) {
  const double root = std::sqrt(std::sqrt(std::sqrt(static_cast<double>(k))));
  double power = 1.0;
  for (int i = 0; i < eighths; ++i) power = power * root;
  return 1.0 / power;
}

// sum over k of k^(-eighths / 8) left_k right_k^T, plus a small noise floor. `left` holds its vectors as columns.
Matrix power_law_matrix(RandomStream& stream, const Matrix& left, int64_t cols, int eighths) {
  constexpr double kNoiseFloor = 0.1;
  const int64_t rank = left.cols;
  Matrix right = normal_matrix(stream, rank, cols);
  for (int64_t k = 0; k < rank; ++k) {
    const double singular = inverse_power(k + 1, eighths);
    for (int64_t j = 0; j < cols; ++j) right.row(k)[j] = right.row(k)[j] * singular;
  }
  Matrix sum = normal_matrix(stream, left.rows, cols);
  for (int64_t i = 0; i < left.rows; ++i) {
    double* row = sum.row(i);
    for (int64_t j = 0; j < cols; ++j) row[j] = row[j] * kNoiseFloor;
    for (int64_t k = 0; k < rank; ++k) {
      const double factor = left.row(i)[k];
      const double* vector = right.row(k);
      for (int64_t j = 0; j < cols; ++j) row[j] = row[j] + factor * vector[j];
    }
  }
  return sum;
}

void scale_to_rms(Matrix& matrix, double rms) {
  double squares = 0.0;
  for (const double value : matrix.values) squares = squares + value * value;
  const double factor = rms / std::sqrt(squares / static_cast<double>(matrix.values.size()));
  for (double& value : matrix.values) value = value * factor;
}

Matrix transposed(const Matrix& matrix) {
  Matrix result(matrix.cols, matrix.rows);
  for (int64_t i = 0; i < matrix.rows; ++i) {
    for (int64_t j = 0; j < matrix.cols; ++j) result.row(j)[i] = matrix.row(i)[j];
  }
  return result;
}

uint16_t to_bits(double value) {
  return bf16_from_f32(static_cast<float>(value));
}

class Model {
 public:
  explicit Model(uint64_t seed) : seed_(seed) {}

  std::vector<DemoTensor> take() { return std::move(tensors_); }

  void add_globals_before() {
    RandomStream stream = source(0).stream(Slot::kEmbedding);
    // The embedding is the output matrix as well: rms 0.1 makes logits of about 0.1 sqrt(128), so about 1.
    Matrix embedding = normal_matrix(stream, kDemoShape.vocab, kDemoShape.hidden);
    scale_to_rms(embedding, 0.1);
    add("model.embed_tokens.weight", embedding);
  }

  void add_globals_after() { add_norm("model.norm.weight", source(0), Slot::kNorm); }

  void add_layer(int64_t layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    const Source random = source(static_cast<uint32_t>(layer + 1));
    add_norm(prefix + "input_layernorm.weight", random, Slot::kInputNorm);
    add_attention(prefix + "self_attn.", random);
    add_norm(prefix + "post_attention_layernorm.weight", random, Slot::kPostAttentionNorm);
    add_ffn(prefix + "mlp.", random, layer);
  }

 private:
  Source source(uint32_t layer) const { return {seed_, layer}; }

  void add(std::string name, const Matrix& matrix) {
    DemoTensor tensor{{std::move(name), Dtype::kBf16, {matrix.rows, matrix.cols}}, {}};
    tensor.bits.reserve(matrix.values.size());
    for (const double value : matrix.values) tensor.bits.push_back(to_bits(value));
    tensors_.push_back(std::move(tensor));
  }

  void add_norm(std::string name, const Source& random, Slot slot) {
    RandomStream stream = random.stream(slot);
    DemoTensor tensor{{std::move(name), Dtype::kBf16, {kDemoShape.hidden}}, {}};
    for (int64_t i = 0; i < kDemoShape.hidden; ++i) tensor.bits.push_back(to_bits(1.0 + 0.1 * next_normal(stream)));
    tensors_.push_back(std::move(tensor));
  }

  void add_attention(const std::string& prefix, const Source& random) {
    const int64_t hidden = kDemoShape.hidden;
    const int64_t kv_width = hidden / kDemoShape.heads * kDemoShape.kv_heads;
    const double rms = 1.0 / std::sqrt(static_cast<double>(hidden));  // a normed input gives outputs of size 1
    const auto add_projection = [&](const char* name, Slot slot, int64_t rows, double gain) {
      RandomStream stream = random.stream(slot);
      const Matrix left = normal_matrix(stream, rows, rows);
      Matrix matrix = power_law_matrix(stream, left, hidden, 5);
      scale_to_rms(matrix, gain * rms);
      add(prefix + name, matrix);
    };
    add_projection("q_proj.weight", Slot::kQuery, hidden, 1.0);
    add_projection("k_proj.weight", Slot::kKey, kv_width, 1.0);
    add_projection("v_proj.weight", Slot::kValue, kv_width, 1.0);
    add_projection("o_proj.weight", Slot::kOutput, hidden, 0.3);
  }

  // The size of every neuron: between 0.6 and 1.4, a few outliers two to three times as large.
  static std::vector<double> neuron_scales(const Source& random, int64_t layer) {
    RandomStream stream = random.stream(Slot::kNeuronScale);
    std::vector<double> scales(static_cast<size_t>(kDemoShape.ffn));
    for (double& scale : scales) scale = stream.next_uniform(0.6, 1.4);
    const int64_t outliers = 6 + 2 * layer;
    for (int64_t i = 0; i < outliers; ++i) {
      const size_t neuron = stream.next_u32() % static_cast<uint32_t>(kDemoShape.ffn);
      scales[neuron] = stream.next_uniform(2.0, 3.0);
    }
    return scales;
  }

  // A neuron is a row of gate, a row of up and a column of down. Each of the three mixes vectors of its own with the
  // common ones of the layer, 0.8 and 0.6 (squares sum to 1), and all three share the neuron's size.
  void add_ffn(const std::string& prefix, const Source& random, int64_t layer) {
    const int64_t hidden = kDemoShape.hidden, ffn = kDemoShape.ffn;
    const std::vector<double> scales = neuron_scales(random, layer);
    RandomStream common_stream = random.stream(Slot::kNeuronSide);
    const Matrix common = normal_matrix(common_stream, ffn, hidden);
    const int eighths = 4 + static_cast<int>(layer);  // layers differ: k^-0.5 in the first, steeper in later ones

    const auto neuron_major = [&](Slot slot, double rms) {
      RandomStream stream = random.stream(slot);
      Matrix left = normal_matrix(stream, ffn, hidden);
      for (size_t i = 0; i < left.values.size(); ++i) left.values[i] = 0.8 * left.values[i] + 0.6 * common.values[i];
      Matrix matrix = power_law_matrix(stream, left, hidden, eighths);
      for (int64_t i = 0; i < ffn; ++i) {
        for (int64_t j = 0; j < hidden; ++j) matrix.row(i)[j] = matrix.row(i)[j] * scales[static_cast<size_t>(i)];
      }
      scale_to_rms(matrix, rms);
      return matrix;
    };
    const double input_rms = 1.0 / std::sqrt(static_cast<double>(hidden));
    const double output_rms = 0.3 / std::sqrt(static_cast<double>(ffn));
    add(prefix + "gate_proj.weight", neuron_major(Slot::kGate, input_rms));
    add(prefix + "up_proj.weight", neuron_major(Slot::kUp, input_rms));
    add(prefix + "down_proj.weight", transposed(neuron_major(Slot::kDown, output_rms)));
  }

  uint64_t seed_;
  std::vector<DemoTensor> tensors_;
};

}  // namespace

std::vector<DemoTensor> demo_weights(uint64_t seed) {
  Model model(seed);
  model.add_globals_before();
  for (int64_t layer = 0; layer < kDemoShape.layers; ++layer) model.add_layer(layer);
  model.add_globals_after();
  return model.take();
}

}  // namespace prunenet
