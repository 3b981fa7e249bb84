// The model that the repository ships.
#pragma once

#include <filesystem>

namespace prunenet::test {

inline const std::filesystem::path kDemo = std::filesystem::path(PRUNENET_SOURCE_DIR) / "demo" / "stories1M";

}  // namespace prunenet::test
