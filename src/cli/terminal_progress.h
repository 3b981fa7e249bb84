// Progress on stderr: a bar with the time left on a terminal, plain lines in a log. What cannot be written there (the
// terminal is gone) is lost: no run ends for it.
#pragma once

#include <string>
#include <vector>

#include "base/progress.h"
#include "base/system.h"

namespace prunenet::cli {

class TerminalProgress final : public Progress {
 public:
  /// In a log, a stage that goes on says how far it is once in so many seconds.
  static constexpr double kLogEvery_s = 10;

  TerminalProgress(bool quiet, bool terminal, double log_every_s = kLogEvery_s)
      : quiet_(quiet), terminal_(terminal), every_s_(terminal ? kRedrawEvery_s : log_every_s) {}
  ~TerminalProgress() override;

  void begin(std::string_view stage, double total) override;
  void advance(double units) override;
  void end() override;
  void warn(std::string_view message) override;
  void note(std::string_view message) override;

 private:
  static constexpr double kRedrawEvery_s = 0.1;

  struct Stage {
    std::string name;
    double total = 0, done = 0;
    double inner_s = 0;  // of stages that began and ended within
    double next_draw_s = 0;
    Stopwatch watch{};

    double own_s() const { return watch.elapsed_s() - inner_s; }
  };

  void draw(const Stage& stage, double own_s);
  void clear_bar();

  bool quiet_, terminal_;
  double every_s_;
  bool bar_shown_ = false;
  std::vector<Stage> stages_;  // the innermost last
};

}  // namespace prunenet::cli
