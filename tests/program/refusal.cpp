// The fixture of the tests of bad input.
#include "program/refusal.h"

namespace prunenet::test {

std::vector<std::string> Refusal::prune_with(const std::vector<std::string>& options) const {
  std::vector<std::string> arguments{"prune", model(), "-o", out(), "--quiet"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  return arguments;
}

std::vector<std::string> Refusal::prune(const std::vector<std::string>& more) const {
  std::vector<std::string> options{"--ratio", "0.25", "--method", "random"};
  options.insert(options.end(), more.begin(), more.end());
  return prune_with(options);
}

void Refusal::expect_refused(const std::vector<std::string>& arguments, const std::vector<std::string>& fragments,
                             int status, const RunOptions& options) const {
  const auto before = folder_contents(root());
  const RunResult result = run_prunenet(arguments, options);
  EXPECT_EQ(result.status, status) << result.err;
  EXPECT_EQ(result.out, "");
  for (const std::string& fragment : fragments) {
    EXPECT_NE(result.err.find(fragment), std::string::npos) << "'" << fragment << "' is not in: " << result.err;
  }
  if (status == 1) {
    EXPECT_TRUE(result.err.starts_with("error: ")) << result.err;
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << "more than one line: " << result.err;
  }
  const auto after = folder_contents(root());
  for (const auto& [name, bytes] : after) EXPECT_TRUE(before.contains(name)) << "left behind: " << name;
  for (const auto& [name, bytes] : before) {
    const auto now = after.find(name);
    EXPECT_TRUE(now != after.end() && now->second == bytes) << "changed or gone: " << name;
  }
}

}  // namespace prunenet::test
