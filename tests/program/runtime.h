// Tests of the verbs that run a model need the runtime module; where it was not built they are skipped.
#pragma once

#include <cstdlib>
#include <filesystem>

#include "program/run.h"
#include "support/support.h"

namespace prunenet::test {

/// Whether the program finds its runtime module: it looks in this folder alone (base/module.h). A module that is there and
/// does not open counts as found, so that the tests then fail and are not skipped.
inline bool runtime_is_built() {
  const char* folder = std::getenv("PRUNENET_MODULES");
  return folder != nullptr && std::filesystem::exists(std::filesystem::path(folder) / "prunenet-runtime.so");
}

/// The arguments with those that make small models fast: one thread, no progress.
inline std::vector<std::string> small_run(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--threads", "1", "-q"});
  return arguments;
}

}  // namespace prunenet::test

#define PRUNENET_REQUIRE_RUNTIME() \
  if (!::prunenet::test::runtime_is_built()) GTEST_SKIP() << "the runtime module was not built (libtorch is missing)"
