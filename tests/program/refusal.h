// The fixture of the tests of bad input: a folder that holds a model and whatever a test puts beside it, and the
// promise that a refused command changes nothing in it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "program/run.h"
#include "support/support.h"
#include "support/tiny_model.h"

namespace prunenet::test {

class Refusal : public ::testing::Test {
 protected:
  std::filesystem::path root() const { return root_.path(); }
  std::filesystem::path model() const { return root_ / "model"; }
  std::filesystem::path out() const { return root_ / "out"; }

  /// `prune MODEL -o OUT --ratio 0.25` and more; a method that trains nothing, so that it is fast.
  std::vector<std::string> prune(const std::vector<std::string>& more = {}) const;
  /// `prune MODEL -o OUT` and these.
  std::vector<std::string> prune_with(const std::vector<std::string>& options) const;

  /// Runs prunenet and expects `status`, every fragment in the one line on stderr, an empty stdout, and each file and
  /// folder below root() as it was.
  void expect_refused(const std::vector<std::string>& arguments, const std::vector<std::string>& fragments,
                      int status = 1, const RunOptions& options = {}) const;

 private:
  TemporaryFolder root_;
};

}  // namespace prunenet::test
