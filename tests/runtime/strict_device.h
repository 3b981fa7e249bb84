// What a test may ask of the device in strict_device.cpp.
#pragma once

#include <cstdint>

namespace prunenet::test {

/// Products (mm) with as many columns as Lanczos has vectors side by side that were formed there.
inline int64_t thin_products = 0;
/// While true they are NaN: a device that went wrong.
inline bool spoil_thin_products = false;

}  // namespace prunenet::test
