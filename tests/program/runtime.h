// Tests of the verbs that run a model need the runtime module; where it was not built they are skipped.
#pragma once

#include "program/run.h"
#include "support/support.h"
#include "support/tiny_model.h"

namespace prunenet::test {

/// Whether the program finds its runtime module. Asked once: by scoring a model made on the spot. Any other failure
/// counts as found, so that the tests then fail and are not skipped.
inline bool runtime_is_built() {
  static const bool built = [] {
    const TemporaryFolder folder;
    tiny_model().write(folder / "model");
    const RunResult result = run_prunenet({"score", folder / "model", "--ids", "1,2", "-q"});
    return result.status == 0 || result.err.find("needs this module, which is not installed") == std::string::npos;
  }();
  return built;
}

/// The arguments with those that make small models fast: one thread, no progress.
inline std::vector<std::string> small_run(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--threads", "1", "-q"});
  return arguments;
}

}  // namespace prunenet::test

#define PRUNENET_REQUIRE_RUNTIME() \
  if (!::prunenet::test::runtime_is_built()) GTEST_SKIP() << "the runtime module was not built (libtorch is missing)"
