// A trained policy on disk: a safetensors file with tensors P [H, D], b [H], q [H] in F32 and, in its metadata, what it
// was trained on and how.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "policy/network.h"

namespace prunenet {

struct PolicyFile {
  PolicyNetwork<float> network;
  std::map<std::string, std::string> metadata;
};

/// Written through a temporary. Throws kExists unless `overwrite`.
void save_policy(const std::filesystem::path& path, const PolicyFile& policy, bool overwrite);

/// Throws kNotFound, kFormat (no safetensors), kMismatch (not a policy, shapes that disagree), kNonFinite.
PolicyFile load_policy(const std::filesystem::path& path);

}  // namespace prunenet
