// A Progress that remembers: stages, their totals and what was advanced in each.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/progress.h"

namespace prunenet::test {

class RecordedProgress final : public Progress {
 public:
  struct Stage {
    std::string name;
    double total = 0;
    std::vector<double> steps;
    bool ended = false;
  };

  void begin(std::string_view stage, double total) override {
    open_.push_back(stages.size());
    stages.push_back({std::string(stage), total, {}, false});
  }
  void advance(double units) override { stages[open_.back()].steps.push_back(units); }
  void end() override {
    stages[open_.back()].ended = true;
    open_.pop_back();
  }
  void warn(std::string_view) override {}
  void note(std::string_view) override {}

  /// Every stage ended, and its steps came to its total.
  void expect_whole() const {
    for (const Stage& stage : stages) {
      double sum = 0;
      for (const double step : stage.steps) sum += step;
      EXPECT_NEAR(sum, stage.total, 1e-9 * (1 + stage.total)) << stage.name;
      EXPECT_TRUE(stage.ended) << stage.name;
    }
  }

  std::vector<Stage> stages;  // in the order in which they began

 private:
  std::vector<size_t> open_;
};

}  // namespace prunenet::test
