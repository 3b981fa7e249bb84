// The number of a token in a vocabulary.
#pragma once

#include <cstdint>

namespace prunenet {

using TokenId = int32_t;

}  // namespace prunenet
