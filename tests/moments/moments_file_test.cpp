// Moments on disk: what is written is read back, bit for bit; what is spoilt, of another model or half is refused.
#include "moments/moments_file.h"

#include <cmath>
#include <cstring>
#include <filesystem>

#include "linalg/matrices.h"
#include "support/support.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using test::expect_error;

StoredMoments sample(int64_t inputs, int64_t outputs, uint32_t seed) {
  StoredMoments stored;
  stored.moments.tokens = 1000 + seed;
  stored.moments.second = test::random_matrix<float>(inputs, inputs, seed).cwiseAbs();
  for (int64_t i = 0; i < inputs; ++i) stored.moments.mean.push_back(0.1 * static_cast<double>(i + seed));
  if (outputs > 0) stored.sensitivity = test::random_matrix<float>(outputs, outputs, seed + 1);
  return stored;
}

MomentsManifest two_layers() {
  return {"abc123",
          "own text, 2 x 3 ids, seed 1",
          {{"down", {6, 5}, {4, 4}}, {"output", {4, 4}, {4, 4}}},
          {{1, 2, 3}, {4, 5}}};
}

void write(const fs::path& folder, const MomentsManifest& manifest, bool overwrite = false) {
  MomentsWriter writer(folder, manifest, overwrite);
  for (size_t layer = 0; layer < 2; ++layer) {
    const auto seed = static_cast<uint32_t>(10 * layer);
    const StoredMoments down = sample(manifest.maps[0].inputs[layer], 4, seed), output = sample(4, 0, seed + 5);
    writer.write({&down, &output});
  }
  writer.finish();
}

bool same_upper(Matrix<float> a, Matrix<float> b) {
  test::fill_lower(a, 0.0f);
  test::fill_lower(b, 0.0f);
  return a.rows() == b.rows() && std::memcmp(a.data(), b.data(), static_cast<size_t>(a.size()) * sizeof(float)) == 0;
}

TEST(MomentsFile, ReadsWhatWasWritten) {
  const test::TemporaryFolder folder;
  write(folder / "m", two_layers());
  const MomentsReader reader(folder / "m");
  const MomentsManifest expected = two_layers();
  EXPECT_EQ(reader.manifest().checkpoint, expected.checkpoint);
  EXPECT_EQ(reader.manifest().source, expected.source);
  EXPECT_EQ(reader.manifest().sequences, expected.sequences);
  EXPECT_EQ(reader.manifest().num_layers(), 2);
  reader.require("abc123", expected.maps);
  reader.require("abc123", {expected.maps[1]});
  for (int64_t layer = 0; layer < 2; ++layer) {
    const auto seed = static_cast<uint32_t>(10 * layer);
    const StoredMoments down = reader.read(layer, "down"), output = reader.read(layer, "output");
    const StoredMoments wanted = sample(layer == 0 ? 6 : 5, 4, seed);
    EXPECT_EQ(down.moments.tokens, wanted.moments.tokens);
    EXPECT_TRUE(same_upper(down.moments.second, wanted.moments.second));
    EXPECT_TRUE(test::same_bits(down.moments.mean, wanted.moments.mean));
    ASSERT_TRUE(down.sensitivity);
    EXPECT_TRUE(same_upper(*down.sensitivity, *wanted.sensitivity));
    EXPECT_FALSE(output.sensitivity);
    EXPECT_TRUE(same_upper(output.moments.second, sample(4, 0, seed + 5).moments.second));
  }
}

TEST(MomentsFile, TheSameMomentsGiveTheSameBytes) {
  const test::TemporaryFolder folder;
  write(folder / "a", two_layers());
  write(folder / "b", two_layers());
  EXPECT_EQ(test::folder_contents(folder / "a"), test::folder_contents(folder / "b"));
}

TEST(MomentsFile, AppearsWholeOrNotAtAll) {
  const test::TemporaryFolder folder;
  {
    MomentsWriter writer(folder / "m", two_layers(), false);
    const StoredMoments down = sample(6, 4, 1), output = sample(4, 0, 2);
    writer.write({&down, &output});
  }
  EXPECT_FALSE(fs::exists(folder / "m"));
}

TEST(MomentsFile, ReplacesMomentsOnlyAndOnlyWhenAllowed) {
  const test::TemporaryFolder folder;
  write(folder / "m", two_layers());
  expect_error(ErrorCode::kExists, {"--force"}, [&] { write(folder / "m", two_layers()); });
  MomentsManifest other = two_layers();
  other.source = "random ids";
  write(folder / "m", other, true);
  EXPECT_EQ(MomentsReader(folder / "m").manifest().source, "random ids");
  fs::create_directories(folder / "mine");
  test::write_bytes(folder / "mine/config.json", "{}");
  expect_error(ErrorCode::kExists, {"mine", "moments.json"}, [&] { write(folder / "mine", other, true); });
}

TEST(MomentsFile, RefusesMomentsOfAnotherModel) {
  const test::TemporaryFolder folder;
  write(folder / "m", two_layers());
  const MomentsReader reader(folder / "m");
  std::vector<MapDescription> maps = two_layers().maps;
  expect_error(ErrorCode::kMismatch, {"moments.json", "abc123", "def456"}, [&] { reader.require("def456", maps); });
  maps[0].inputs[1] = 7;
  expect_error(ErrorCode::kMismatch, {"moments.json", "layer 1", "4 x 5", "4 x 7", "down"},
               [&] { reader.require("abc123", maps); });
  maps[0] = {"down", {6}, {4}};
  expect_error(ErrorCode::kMismatch, {"2 layers", "1"}, [&] { reader.require("abc123", maps); });
  expect_error(ErrorCode::kMismatch, {"'heads'"}, [&] { reader.require("abc123", {{"heads", {4, 4}, {4, 4}}}); });
}

TEST(MomentsFile, RefusesWhatIsMissingOrNoDescription) {
  const test::TemporaryFolder folder;
  expect_error(ErrorCode::kNotFound, {"nothing"}, [&] { MomentsReader(folder / "nothing"); });
  expect_error(ErrorCode::kNotFound, {"moments.json"}, [&] { MomentsReader reader(folder.path()); });
  const auto with = [&](const std::string& text) {
    test::write_bytes(folder / "moments.json", text);
    MomentsReader reader(folder.path());
  };
  expect_error(ErrorCode::kFormat, {"moments.json"}, [&] { with("{"); });
  expect_error(ErrorCode::kFormat, {"moments.json"}, [&] { with("[1]"); });
  expect_error(ErrorCode::kFormat, {"moments.json"}, [&] { with(R"({"prunenet_moments": 1})"); });
  expect_error(ErrorCode::kUnsupported, {"version 2"}, [&] { with(R"({"prunenet_moments": 2})"); });
  expect_error(ErrorCode::kFormat, {"lists no map"},
               [&] { with(R"({"prunenet_moments": 1, "checkpoint": "a", "source": "b", "maps": []})"); });
  for (const char* widths : {"[6]", "[6, 0]", "[6, -1]", "[6, 99999999999]", "6", "\"a\""}) {
    expect_error(ErrorCode::kFormat, {"moments.json"}, [&] {
      with(
          std::string(
              R"({"prunenet_moments": 1, "checkpoint": "a", "source": "b", "maps": [{"name": "down", "inputs": [6, 6], "outputs": )") +
          widths + "}]}");
    });
  }
}

TEST(MomentsFile, RefusesLayersThatAreSpoilt) {
  const test::TemporaryFolder folder;
  write(folder / "m", two_layers());
  const MomentsReader reader(folder / "m");
  const fs::path path = folder / "m/layer-000.safetensors";
  const std::string good = test::read_bytes(path);
  const auto spoil = [&](ErrorCode code, const std::vector<std::string>& words, const std::string& bytes) {
    test::write_bytes(path, bytes);
    expect_error(code, words, [&] { reader.read(0, "down"); });
  };
  spoil(ErrorCode::kFormat, {"layer-000"}, good.substr(0, good.size() - 4));
  spoil(ErrorCode::kFormat, {"layer-000"}, "");
  std::string nan = good;
  const float bad = NAN;
  const SafetensorsHeader header = parse_safetensors_header(std::as_bytes(std::span<const char>(good)), "good");
  for (const StoredTensor& tensor : header.tensors) {
    if (tensor.spec.name == "down.second") std::memcpy(nan.data() + tensor.offset + 8, &bad, 4);
  }
  spoil(ErrorCode::kNonFinite, {"layer-000", "down.second"}, nan);
  std::string negative = good;
  const float minus = -1;
  for (const StoredTensor& tensor : header.tensors) {
    if (tensor.spec.name == "down.second") std::memcpy(negative.data() + tensor.offset, &minus, 4);
  }
  spoil(ErrorCode::kFormat, {"layer-000", "negative"}, negative);
  spoil(ErrorCode::kMismatch, {"layer-000", "down.mean", "expected F64 [6]"},
        test::read_bytes(folder / "m/layer-001.safetensors"));
  spoil(ErrorCode::kMismatch, {"layer-000", "tokens"},
        test::safetensors_bytes({test::f32_tensor("down.second", {1}, {1})}));
  fs::remove(path);
  expect_error(ErrorCode::kNotFound, {"layer-000"}, [&] { reader.read(0, "down"); });
}

}  // namespace
}  // namespace prunenet
