// What the program finds in the runtime module: see engine/load.h and base/module.h.
#include <torch/version.h>

#include "base/module.h"
#include "engine/load.h"
#include "runtime/guard.h"
#include "runtime/torch_accelerator.h"
#include "runtime/torch_engine.h"

#define PRUNENET_EXPORT extern "C" __attribute__((visibility("default")))

PRUNENET_EXPORT const char* prunenet_module_tag() {
  return prunenet::module_tag();
}

PRUNENET_EXPORT const char* prunenet_runtime_about() {
  return "libtorch " TORCH_VERSION;
}

PRUNENET_EXPORT prunenet::Engine* prunenet_runtime_open(const prunenet::Checkpoint& checkpoint,
                                                        const prunenet::ModelDescription& model,
                                                        const prunenet::EngineOptions& options) {
  return prunenet::guarded(checkpoint.folder().string(),
                           [&] { return new prunenet::TorchEngine(checkpoint, model, options); });
}

PRUNENET_EXPORT prunenet::Accelerator* prunenet_runtime_accelerate(const prunenet::AcceleratorOptions& options) {
  return prunenet::guarded("--device " + options.device, [&] { return new prunenet::TorchAccelerator(options); });
}
