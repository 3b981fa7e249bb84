// Progress: how long work tells its caller how far it is. The library never prints; the command line draws the bar.
#pragma once

#include <string_view>

namespace prunenet {

class Progress {
 public:
  virtual ~Progress() = default;

  /// A stage begins: `total` units of work (bytes, layers, steps) lie before it. One may begin and end while another
  /// goes on: until its end, what follows is of the inner one, and its time is not the outer one's.
  virtual void begin(std::string_view stage, double total) = 0;
  /// `units` more of the current stage are done.
  virtual void advance(double units) = 0;
  /// The current stage is done; the one around it, if any, goes on.
  virtual void end() = 0;
  /// Something the user should read, though nothing failed.
  virtual void warn(std::string_view message) = 0;
  /// A plain line of information.
  virtual void note(std::string_view message) = 0;
};

/// The progress that says nothing.
class SilentProgress final : public Progress {
 public:
  void begin(std::string_view, double) override {}
  void advance(double) override {}
  void end() override {}
  void warn(std::string_view) override {}
  void note(std::string_view) override {}
};

}  // namespace prunenet
