// Drawing the bar, or writing the lines.
#include "cli/terminal_progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cli/format.h"

namespace prunenet::cli {
namespace {
constexpr double kRedrawEvery_s = 0.1;
constexpr double kLogEvery_s = 15;  // a stage shorter than this gets one line, at its end
constexpr int kBarWidth = 28;
}  // namespace

TerminalProgress::~TerminalProgress() { clear_bar(); }

void TerminalProgress::begin(std::string_view stage, double total) {
  stage_ = stage;
  total_ = total;
  done_ = 0;
  watch_ = Stopwatch();
  next_draw_s_ = terminal_ ? kRedrawEvery_s : kLogEvery_s;
  if (terminal_ && !quiet_) draw(0);  // the first unit may be long in coming
}

void TerminalProgress::advance(double units) {
  done_ += units;
  if (quiet_) return;
  const double elapsed_s = watch_.elapsed_s();
  if (elapsed_s < next_draw_s_) return;
  next_draw_s_ = elapsed_s + (terminal_ ? kRedrawEvery_s : kLogEvery_s);
  draw(elapsed_s);
}

void TerminalProgress::draw(double elapsed_s) {
  const double share = total_ > 0 ? std::clamp(done_ / total_, 0.0, 1.0) : 1.0;
  const std::string left = share > 0.01 ? format_duration(elapsed_s * (1 - share) / share) + " left" : "";
  if (terminal_) {
    const int filled = static_cast<int>(share * kBarWidth);
    fmt::print(stderr, "\r\033[K{:<20} [{:#<{}}{:.<{}}] {:3.0f} %  {}", stage_, "", filled, "", kBarWidth - filled, 100 * share, left);
    bar_shown_ = true;
  } else {
    fmt::print(stderr, "{}: {:.0f} %, {}\n", stage_, 100 * share, left);
  }
  std::fflush(stderr);
}

void TerminalProgress::clear_bar() {
  if (bar_shown_) fmt::print(stderr, "\r\033[K");
  bar_shown_ = false;
}

void TerminalProgress::end() {
  clear_bar();
  if (!quiet_) fmt::print(stderr, "{}: done in {}\n", stage_, format_duration(watch_.elapsed_s()));
}

void TerminalProgress::warn(std::string_view message) {
  clear_bar();
  fmt::print(stderr, "warning: {}\n", message);
}

void TerminalProgress::note(std::string_view message) {
  clear_bar();
  if (!quiet_) fmt::print(stderr, "{}\n", message);
}

}  // namespace prunenet::cli
