// Reading goldens.
#include "golden_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace prunenet::test {
namespace {

// A .npy file of f32 in C order (numpy's format 1.0): magic, version, header length, header, data.
std::vector<float> read_npy(const std::filesystem::path& path) {
  const std::string bytes = read_bytes(path);
  const size_t header = static_cast<unsigned char>(bytes.at(8)) + 256U * static_cast<unsigned char>(bytes.at(9));
  EXPECT_NE(bytes.substr(10, header).find("'<f4'"), std::string::npos);
  std::vector<float> values((bytes.size() - 10 - header) / sizeof(float));
  std::memcpy(values.data(), bytes.data() + 10 + header, values.size() * sizeof(float));
  return values;
}

}  // namespace

Golden read_golden(const std::filesystem::path& folder) {
  const bool exact_window = std::filesystem::exists(folder / "golden_window_exact.json");
  const auto json =
      nlohmann::json::parse(read_bytes(folder / (exact_window ? "golden_window_exact.json" : "golden.json")));
  Golden golden;
  // The file of the exact window may leave out what it shares with the other.
  const auto base = nlohmann::json::parse(read_bytes(folder / "golden.json"));
  golden.ids = json.value("input_ids", base["input_ids"]).get<std::vector<TokenId>>();
  golden.nll_sum = json["nll_sum"];
  if (json.contains("greedy")) {
    const auto& greedy = json["greedy"];
    for (const auto& [key, value] : greedy.items()) {
      if (value.is_array() && value.size() == 16) golden.greedy = value.get<std::vector<TokenId>>();
    }
  }
  const auto all = folder / (exact_window ? "logits_all_window_exact.npy" : "logits_all.npy");
  golden.logits = std::filesystem::exists(all) ? read_npy(all) : json["logits_last"].get<std::vector<float>>();
  return golden;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return largest;
}

std::vector<TokenId> greedy_continuation(Engine& engine, std::vector<TokenId> prompt, int64_t count) {
  const auto session = engine.open_session(1, static_cast<int64_t>(prompt.size()) + count);
  std::vector<TokenId> chosen;
  std::vector<std::vector<TokenId>> next{std::move(prompt)};
  for (int64_t i = 0; i < count; ++i) {
    const Logits logits = session->append(next);
    const auto row = logits.row(0);
    chosen.push_back(static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin()));
    next = {{chosen.back()}};
  }
  return chosen;
}

double nll_sum(Engine& engine, const std::vector<TokenId>& ids) {
  const std::vector<ScoreRequest> requests{{ids, 1}};
  double sum = 0;
  const auto scores = engine.score(requests);
  for (const TokenScore& score : scores.front()) sum -= static_cast<double>(score.log_prob);
  return sum;
}

}  // namespace prunenet::test
