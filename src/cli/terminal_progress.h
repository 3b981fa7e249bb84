// Progress on stderr: a bar with the time left on a terminal, plain lines in a log.
#pragma once

#include <string>

#include "base/progress.h"
#include "base/system.h"

namespace prunenet::cli {

class TerminalProgress final : public Progress {
 public:
  TerminalProgress(bool quiet, bool terminal) : quiet_(quiet), terminal_(terminal) {}
  ~TerminalProgress() override;

  void begin(std::string_view stage, double total) override;
  void advance(double units) override;
  void end() override;
  void warn(std::string_view message) override;
  void note(std::string_view message) override;

 private:
  void draw(double elapsed_s);
  void clear_bar();

  bool quiet_, terminal_;
  bool bar_shown_ = false;
  std::string stage_;
  double total_ = 0, done_ = 0;
  double next_draw_s_ = 0;
  Stopwatch watch_;
};

}  // namespace prunenet::cli
