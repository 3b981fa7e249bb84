// The metadata of a GGUF file, shown.
#pragma once

#include "checkpoint/gguf_metadata.h"
#include "cli/verb.h"

namespace prunenet::cli {

/// Every key in order: scalars and short lists as they are, of long lists (a vocabulary) the type and the length.
Json metadata_json(const GgufMetadata& metadata);

/// The same as lines on stdout.
void print_metadata(const GgufMetadata& metadata);

}  // namespace prunenet::cli
