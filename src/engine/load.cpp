// The runtime module.
#include "engine/load.h"

#include "base/module.h"

namespace prunenet {
namespace {

const Module& runtime_module() {
  static const Module module(
      "prunenet-runtime.so", "running a model",
      "it is built with prunenet where libtorch is found (on Debian: apt-get install libtorch-dev, then build again)");
  return module;
}

}  // namespace

void require_runtime() {
  runtime_module();
}

std::string runtime_about() {
  return runtime_module().function<RuntimeAboutFunction>(kRuntimeAboutSymbol)();
}

std::unique_ptr<Engine> load_engine(const Checkpoint& checkpoint, const ModelDescription& model,
                                    const EngineOptions& options) {
  const auto open = runtime_module().function<RuntimeOpenFunction>(kRuntimeOpenSymbol);
  return std::unique_ptr<Engine>(open(checkpoint, model, options));
}

std::unique_ptr<Accelerator> load_accelerator(const AcceleratorOptions& options) {
  const auto open = runtime_module().function<RuntimeAccelerateFunction>(kRuntimeAccelerateSymbol);
  return std::unique_ptr<Accelerator>(open(options));
}

}  // namespace prunenet
