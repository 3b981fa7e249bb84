// Where the runtime's tests compute: the processor, or what PRUNENET_TEST_DEVICE names (cuda, cuda:N), so that the same
// tests hold a GPU to the same numbers.
#pragma once

#include <cstdlib>
#include <string>

#include "engine/accelerator.h"
#include "engine/engine.h"

namespace prunenet::test {

inline std::string test_device() {
  const char* name = std::getenv("PRUNENET_TEST_DEVICE");
  return name == nullptr || *name == '\0' ? "cpu" : name;
}

/// The same options there.
inline EngineOptions on_test_device(EngineOptions options = {}) {
  options.device = test_device();
  return options;
}

inline AcceleratorOptions test_accelerator_options() {
  AcceleratorOptions options;
  options.device = test_device();
  return options;
}

}  // namespace prunenet::test
