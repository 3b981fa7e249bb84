// What a test may ask of the device in strict_device.cpp.
#pragma once

#include <cstdint>

namespace prunenet::test {

/// While it is not 0, products (mm) of so many columns are NaN there: a device that went wrong.
inline int64_t spoiled_columns = 0;
/// How many were.
inline int64_t spoiled_products = 0;

}  // namespace prunenet::test
