// Opening the runtime module, the shared library that holds the engine on libtorch. See base/module.h for where it is
// looked for.
#pragma once

#include <memory>
#include <string>

#include "engine/accelerator.h"
#include "engine/engine.h"

namespace prunenet {

/// Throws what load_engine throws for a missing module, before any other work: kNotFound with what was looked for and
/// how to get it, or kUnsupported for a module of another build. Loads it (about half a second) when it is there.
void require_runtime();

/// The libraries behind the engine ("libtorch 1.13.1"). Throws like require_runtime.
std::string runtime_about();

/// A model ready to run. `checkpoint` and `model` must outlive it: weights stay in the checkpoint's mapping where their
/// type allows. Throws what require_runtime throws; kUnsupported for a device that is not there or a model that the
/// engine cannot run (named); kMismatch when tensors are missing or have other shapes than the description says.
std::unique_ptr<Engine> load_engine(const Checkpoint& checkpoint, const ModelDescription& model,
                                    const EngineOptions& options);

/// The device of the options, ready to compute. Throws what require_runtime throws; kUnsupported for a device that is
/// not there.
std::unique_ptr<Accelerator> load_accelerator(const AcceleratorOptions& options);

/// What the runtime module exports beside its tag.
using RuntimeAboutFunction = const char* (*)();
using RuntimeOpenFunction = Engine* (*)(const Checkpoint&, const ModelDescription&, const EngineOptions&);
using RuntimeAccelerateFunction = Accelerator* (*)(const AcceleratorOptions&);
inline constexpr const char* kRuntimeAboutSymbol = "prunenet_runtime_about";
inline constexpr const char* kRuntimeOpenSymbol = "prunenet_runtime_open";
inline constexpr const char* kRuntimeAccelerateSymbol = "prunenet_runtime_accelerate";

}  // namespace prunenet
