// What the tests of conversion share.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "convert/to_folder.h"
#include "convert/to_gguf.h"
#include "support/support.h"

namespace prunenet::test {

/// Every tensor: name -> type, shape and bytes, as text.
inline std::map<std::string, std::string> tensors_of(const Checkpoint& checkpoint) {
  std::map<std::string, std::string> all;
  for (const Checkpoint::Entry& entry : checkpoint.tensors()) {
    const auto bytes = checkpoint.bytes(entry);
    all[entry.stored.spec.name] =
        to_string(entry.stored.spec) + std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return all;
}

inline void convert_to_gguf(const std::filesystem::path& source, const std::filesystem::path& target,
                            std::optional<Dtype> type = std::nullopt, bool vocabulary = false) {
  const Checkpoint checkpoint(source);
  const ModelDescription model = describe_model(checkpoint);
  ToGgufOptions options;
  options.type = type;
  options.vocabulary = vocabulary || checkpoint.gguf() != nullptr;
  SilentProgress silent;
  write_gguf(checkpoint, plan_gguf(checkpoint, model, options), target, false, silent);
}

inline void convert_to_folder(const std::filesystem::path& source, const std::filesystem::path& target,
                              std::optional<Dtype> type = std::nullopt) {
  const Checkpoint checkpoint(source);
  const ModelDescription model = describe_model(checkpoint);
  SilentProgress silent;
  write_folder(checkpoint, plan_folder(checkpoint, model, type), target, false, kDefaultMaxShardBytes, silent);
}

}  // namespace prunenet::test
