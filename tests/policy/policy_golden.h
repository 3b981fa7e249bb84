// The published policy's golden in the shared data: three episodes over three layers, number by number.
#pragma once

#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "linalg/matrix.h"
#include "support/support.h"

namespace prunenet::test {

// One of the fixture's files, read as Real.
template <typename Real>
class PolicyGolden {
 public:
  PolicyGolden(const std::filesystem::path& folder, const std::string& name)
      : file_(folder / (name + ".safetensors")),
        json_(nlohmann::json::parse(read_bytes(folder / "golden.json"))),
        scalars_(json_[name]) {}

  Matrix<Real> matrix(const std::string& name) const {
    const StoredTensor& tensor = find(name);
    Matrix<Real> m(tensor.spec.shape[0], tensor.spec.num_elements() / tensor.spec.shape[0]);
    widen(file_.bytes(tensor).data(), tensor.spec.dtype, static_cast<size_t>(m.size()), m.data());
    return m;
  }
  Vector<Real> vector(const std::string& name) const { return matrix(name).reshaped(); }

  // eps[episode][layer][phase] as logistic noise.
  std::vector<double> noise(int64_t episode, int64_t layer, int64_t phase) const {
    const int64_t n = json_["m"];
    const Vector<double> eps = all_eps().segment(((episode * 3 + layer) * 2 + phase) * n, n);
    std::vector<double> noise;
    for (double e : eps) noise.push_back(std::log(e) - std::log1p(-e));
    return noise;
  }
  std::vector<int64_t> rows(int64_t episode, int64_t layer) const {
    const auto bytes = file_.bytes(find("rows"));
    const int64_t keep = json_["keep"];
    std::vector<int64_t> rows(static_cast<size_t>(keep));
    std::memcpy(rows.data(), bytes.data() + (episode * 3 + layer) * keep * 8, static_cast<size_t>(keep) * 8);
    return rows;
  }
  double scalar(int64_t episode, const std::string& key, int64_t layer) const { return scalars_[episode][key][layer]; }

 private:
  const StoredTensor& find(const std::string& name) const {
    for (const StoredTensor& tensor : file_.header().tensors) {
      if (tensor.spec.name == name) return tensor;
    }
    throw std::runtime_error("no tensor " + name);
  }
  Vector<double> all_eps() const {
    const StoredTensor& tensor = find("eps");
    Vector<double> values(tensor.spec.num_elements());
    widen(file_.bytes(tensor).data(), tensor.spec.dtype, static_cast<size_t>(values.size()), values.data());
    return values;
  }

  SafetensorsFile file_;
  nlohmann::json json_, scalars_;
};

}  // namespace prunenet::test
