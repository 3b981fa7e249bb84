// What a plan tells a person of the vocabulary.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "convert/fixtures.h"

namespace prunenet {
namespace {

using namespace test;

GgufPlan plan_named(const std::filesystem::path& source, const std::string& name) {
  const Checkpoint checkpoint(source);
  ToGgufOptions options;
  options.name = name;
  return plan_gguf(checkpoint, describe_model(checkpoint), options);
}

TEST(NotesOfVocabularies, ReachThePlan) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const TemporaryFolder folder;
  std::filesystem::copy(data / "models/stories260K", folder / "model");
  auto tokenizer = nlohmann::json::parse(read_bytes(folder / "model" / "tokenizer.json"));
  for (auto& token : tokenizer["added_tokens"]) {
    if (token["content"] == "</s>") token["rstrip"] = true;
  }
  write_bytes(folder / "model" / "tokenizer.json", tokenizer.dump());
  const auto notes = plan_named(folder / "model", "").warnings;  // named after the folder
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes.front().find("'model' does not contain 'phi-3'"), std::string::npos) << notes.front();
  EXPECT_TRUE(plan_named(folder / "model", "a phi-3").warnings.empty());
}

TEST(NotesOfVocabularies, ANewNameMayChangeWhatSpecialTokensTake) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  const auto source = data / "models/stories260K/stories260K.gguf";
  const auto notes = plan_named(source, "Phi-3-tiny").warnings;
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes.front().find("'Phi-3-tiny', which contains 'phi-3'"), std::string::npos) << notes.front();
  EXPECT_TRUE(plan_named(source, "tiny").warnings.empty());
}

}  // namespace
}  // namespace prunenet
