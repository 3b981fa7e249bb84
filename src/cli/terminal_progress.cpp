// Drawing the bar, or writing the lines.
#include "cli/terminal_progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "cli/format.h"

namespace prunenet::cli {
namespace {

constexpr int kBarWidth = 28;

// fmt::print would throw.
void write(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

TerminalProgress::~TerminalProgress() {
  clear_bar();
}

void TerminalProgress::begin(std::string_view stage, double total) {
  stages_.push_back({.name = std::string(stage), .total = total, .next_draw_s = every_s_});
  if (terminal_ && !quiet_) draw(stages_.back(), 0);  // the first unit may be long in coming
}

void TerminalProgress::advance(double units) {
  PRUNENET_CHECK(!stages_.empty());
  Stage& stage = stages_.back();
  stage.done += units;
  if (quiet_) return;
  const double own_s = stage.own_s();
  if (own_s < stage.next_draw_s) return;
  stage.next_draw_s = own_s + every_s_;
  draw(stage, own_s);
}

void TerminalProgress::draw(const Stage& stage, double own_s) {
  const double share = stage.total > 0 ? std::clamp(stage.done / stage.total, 0.0, 1.0) : 1.0;
  const std::string left = share > 0.01 ? format_duration(own_s * (1 - share) / share) + " left" : "";
  if (terminal_) {
    const int filled = static_cast<int>(share * kBarWidth);
    write(fmt::format("\r\033[K{:<20} [{:#<{}}{:.<{}}] {:3.0f} %  {}", stage.name, "", filled, "", kBarWidth - filled,
                      100 * share, left));
    bar_shown_ = true;
  } else if (share < 1) {  // else its end says more
    write(fmt::format("{}: {:.0f} % in {}{}{}\n", stage.name, 100 * share, format_duration(own_s),
                      left.empty() ? "" : ", ", left));
  }
}

void TerminalProgress::clear_bar() {
  if (bar_shown_) write("\r\033[K");
  bar_shown_ = false;
}

void TerminalProgress::end() {
  PRUNENET_CHECK(!stages_.empty());
  clear_bar();
  const Stage stage = std::move(stages_.back());
  stages_.pop_back();
  const double elapsed_s = stage.watch.elapsed_s();
  if (!stages_.empty()) stages_.back().inner_s += elapsed_s;
  if (quiet_) return;
  write(fmt::format("{}: done in {}\n", stage.name, format_duration(elapsed_s - stage.inner_s)));
  if (terminal_ && !stages_.empty()) draw(stages_.back(), stages_.back().own_s());
}

void TerminalProgress::warn(std::string_view message) {
  clear_bar();
  write(fmt::format("warning: {}\n", message));
}

void TerminalProgress::note(std::string_view message) {
  clear_bar();
  if (!quiet_) write(fmt::format("{}\n", message));
}

}  // namespace prunenet::cli
