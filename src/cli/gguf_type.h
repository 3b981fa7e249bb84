// Names of GGUF outputs and of the types in them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/dtype.h"

namespace prunenet::cli {

/// The name ends with .gguf.
bool is_gguf_name(const std::string& path);

/// Accepts f32, f16, bf16, q8_0, in any case.
CLI::Validator gguf_type_names();
Dtype gguf_type(const std::string& spelled);

}  // namespace prunenet::cli
