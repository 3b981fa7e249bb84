// Types by the names of the command line.
#include "cli/gguf_type.h"

#include <array>
#include <utility>

#include "base/error.h"

namespace prunenet::cli {
namespace {

constexpr std::array<std::pair<const char*, Dtype>, 4> kTypes{
    {{"f32", Dtype::kF32}, {"f16", Dtype::kF16}, {"bf16", Dtype::kBf16}, {"q8_0", Dtype::kQ8_0}}};

}  // namespace

bool is_gguf_name(const std::string& path) {
  return CLI::detail::to_lower(path).ends_with(".gguf");
}

CLI::Validator gguf_type_names() {
  std::vector<std::string> names;
  for (const auto& [name, type] : kTypes) names.emplace_back(name);
  return CLI::IsMember(names, CLI::ignore_case);
}

Dtype gguf_type(const std::string& spelled) {
  const std::string name = CLI::detail::to_lower(spelled);
  for (const auto& [known, type] : kTypes) {
    if (name == known) return type;
  }
  PRUNENET_CHECK(false);
  return Dtype::kF32;
}

}  // namespace prunenet::cli
