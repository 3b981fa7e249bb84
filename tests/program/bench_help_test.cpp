// The scripts of bench/ say what they do before they do anything: --help needs no build and starts nothing.
#include <fstream>

#include "program/run.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;

// The first line of the comment at the head of a script, below its "#!".
std::string first_words(const fs::path& script) {
  std::ifstream file(script);
  std::string line;
  std::getline(file, line);
  std::getline(file, line);
  return line.size() > 2 ? line.substr(2) : "";
}

TEST(BenchScripts, HelpIsTheCommentAtTheirHead) {
  const TemporaryFolder nothing;
  int scripts = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(PRUNENET_SOURCE_DIR) / "bench")) {
    const fs::path& script = entry.path();
    const std::string name = script.filename();
    if (script.extension() != ".sh" || name == "common.sh" || name == "self_run.sh") continue;  // those are sourced
    SCOPED_TRACE(name);
    ++scripts;
    for (const char* help : {"--help", "-h"}) {
      const RunResult run = run_program({"/usr/bin/env", "PRUNENET_BUILD=" + (nothing / "no build").string(), "bash", script, help});
      EXPECT_EQ(run.status, 0) << run.err;
      EXPECT_EQ(run.out.substr(0, run.out.find('\n')), first_words(script));
      EXPECT_NE(run.out.find("bench/" + name), std::string::npos) << "no usage in " << run.out;
      EXPECT_EQ(run.out.find("set -euo"), std::string::npos);
      EXPECT_EQ(run.err, "");
    }
  }
  EXPECT_GE(scripts, 10);
}

}  // namespace
}  // namespace prunenet::test
