// Weight files that are spoilt: each is refused with a word that names the file, the tensor, what was expected and what
// was found, and nothing is left behind.
#include <limits>

#include "program/refusal.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kNorm = "model.norm.weight";  // the last tensor, F32 [8]

class BadWeights : public Refusal {
 protected:
  BadWeights() { tiny_model().write(model()); }
  fs::path weights() const { return model() / "model.safetensors"; }
  fs::path index() const { return model() / "model.safetensors.index.json"; }

  void make_sharded() const {
    fs::remove_all(model());
    tiny_model().write_sharded(model());
  }

  // Changes the JSON header and leaves the data as it is.
  void edit_header(const std::function<void(Json&)>& edit, const std::string& more_data = "") const {
    const std::string bytes = read_bytes(weights());
    uint64_t length = 0;
    for (size_t i = 0; i < 8; ++i) length |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    Json header = Json::parse(bytes.substr(8, length));
    edit(header);
    write_bytes(weights(), with_length(header.dump()) + bytes.substr(8 + length) + more_data);
  }

  static std::string with_length(const std::string& header) { return length_bytes(header.size()) + header; }
  static std::string length_bytes(uint64_t length) {
    std::string bytes;
    for (size_t i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i));
    return bytes;
  }

  static void shift(Json& entry, int64_t by) {
    for (Json& offset : entry["data_offsets"]) offset = offset.get<int64_t>() + by;
  }

  // Both roads on which a weight is looked at: by a method that reads it, and by the copy alone.
  void expect_refused_by_all(const std::vector<std::string>& fragments) const {
    for (const std::string method : {"random", "product", "prunenet"}) {
      SCOPED_TRACE(method);
      expect_refused(prune_with({"--ratio", "0.25", "--method", method, "--quiet"}), fragments);
    }
  }
};

TEST_F(BadWeights, TruncatedFile) {
  fs::resize_file(weights(), fs::file_size(weights()) - 10);
  expect_refused(prune(), {weights(), kNorm, "ends at data byte", "it is truncated"});
  expect_refused({"inspect", model()}, {weights(), "it is truncated"});
}

TEST_F(BadWeights, FileTruncatedInItsHeader) {
  fs::resize_file(weights(), 100);
  expect_refused(prune(), {weights(), "states a header of", "but only 92 follow"});
}

TEST_F(BadWeights, EmptyFile) {
  fs::resize_file(weights(), 0);
  expect_refused(prune(), {weights(), "0 bytes long"});
}

TEST_F(BadWeights, HeaderLengthBeyondTheFile) {
  std::string bytes = read_bytes(weights());
  write_bytes(weights(), length_bytes(1'000'000) + bytes.substr(8));
  expect_refused(prune(), {weights(), "states a header of 1000000 bytes", "but only"});
  write_bytes(weights(), length_bytes(~uint64_t{0}) + bytes.substr(8));
  expect_refused(prune(), {weights(), "states a header of 18446744073709551615 bytes", "at most 100000000"});
}

TEST_F(BadWeights, OverlappingOffsets) {
  edit_header([](Json& header) { shift(header[kNorm], -4); });
  expect_refused(prune(), {weights(), kNorm, "starts at data byte", "expected", "overlaps"});
}

TEST_F(BadWeights, OffsetsWithAGap) {
  edit_header([](Json& header) { shift(header[kNorm], 4); }, "1234");
  expect_refused(prune(), {weights(), kNorm, "starts at data byte", "expected", "has a gap"});
}

TEST_F(BadWeights, BytesThatNoTensorOwns) {
  edit_header([](Json&) {}, "1234");
  expect_refused(prune(), {weights(), "the tensors take", "the file holds"});
}

TEST_F(BadWeights, TypeAndBytesDisagree) {
  edit_header([](Json& header) { header[kNorm]["dtype"] = "F16"; });
  expect_refused(prune(), {weights(), kNorm, "F16 [8] takes 16 bytes", "hold 32"});
}

TEST_F(BadWeights, ShapeAndBytesDisagree) {
  edit_header([](Json& header) { header[kNorm]["shape"] = {9}; });
  expect_refused(prune(), {weights(), kNorm, "F32 [9] takes 36 bytes", "hold 32"});
}

TEST_F(BadWeights, UnknownType) {
  edit_header([](Json& header) { header[kNorm]["dtype"] = "F7"; });
  expect_refused(prune(), {weights(), kNorm, "unknown dtype 'F7'"});
}

TEST_F(BadWeights, HeaderThatIsNoJson) {
  write_bytes(weights(), with_length("{\"model.norm.weight\": nonsense}"));
  expect_refused(prune(), {weights(), "the header is no JSON"});
}

TEST_F(BadWeights, MissingShard) {
  make_sharded();
  fs::remove(model() / "model-00002-of-00002.safetensors");
  expect_refused(prune(), {"model-00002-of-00002.safetensors", "no such file"});
}

TEST_F(BadWeights, IndexNamesAMissingTensor) {
  make_sharded();
  Json json = Json::parse(read_bytes(index()));
  json["weight_map"]["model.ghost.weight"] = "model-00001-of-00002.safetensors";
  write_bytes(index(), json.dump());
  expect_refused(prune(), {index(), "model.ghost.weight", "model-00001-of-00002.safetensors", "does not hold it"});
}

TEST_F(BadWeights, IndexForgetsATensor) {
  make_sharded();
  Json json = Json::parse(read_bytes(index()));
  json["weight_map"].erase(kNorm);
  write_bytes(index(), json.dump());
  expect_refused(prune(), {index(), kNorm, "model-00002-of-00002.safetensors"});
}

TEST_F(BadWeights, IndexThatLeavesTheFolder) {
  make_sharded();
  fs::rename(model() / "model-00002-of-00002.safetensors", root() / "other.safetensors");
  Json json = Json::parse(read_bytes(index()));
  for (auto& file : json["weight_map"]) {
    if (file == "model-00002-of-00002.safetensors") file = "../other.safetensors";
  }
  write_bytes(index(), json.dump());
  expect_refused(prune(), {model(), "'../other.safetensors' is a path"});
}

TEST_F(BadWeights, SymlinkOutOfTheFolder) {
  fs::create_directory(root() / "elsewhere");
  fs::rename(weights(), root() / "elsewhere" / "weights");
  fs::create_symlink("../elsewhere/weights", weights());
  expect_refused(prune(), {weights(), "is a symlink to", root() / "elsewhere" / "weights"});
}

TEST_F(BadWeights, SideFileThatIsASymlinkOutOfTheFolder) {
  write_bytes(root() / "secret", "a file that must not be copied");
  fs::create_symlink("../secret", model() / "vocab.txt");
  expect_refused(prune(), {model() / "vocab.txt", "is a symlink to", root() / "secret"});
}

TEST_F(BadWeights, OnlyWeightsOfAnotherFormat) {
  fs::rename(weights(), model() / "pytorch_model.bin");
  expect_refused(prune(), {model(), "pytorch_model.bin", "only safetensors are read"});
  fs::remove(model() / "pytorch_model.bin");
  expect_refused(prune(), {model(), "neither model.safetensors nor model.safetensors.index.json"});
}

TEST_F(BadWeights, NanInATensorThatIsCut) {
  for (const std::string matrix : {"gate", "up", "down"}) {
    TinyModel spoilt = tiny_model();
    spoilt.set(tiny_ffn_tensor(1, matrix), 17, std::numeric_limits<float>::quiet_NaN());
    spoilt.write(model());
    expect_refused_by_all({weights(), tiny_ffn_tensor(1, matrix), "holds NaN"});
  }
}

TEST_F(BadWeights, NanInATensorThatIsNotCut) {
  TinyModel spoilt = tiny_model();
  spoilt.set(kNorm, 3, std::numeric_limits<float>::quiet_NaN());
  spoilt.write(model());
  expect_refused_by_all({weights(), kNorm, "holds NaN"});
}

TEST_F(BadWeights, InfinityInAnFfnTensor) {
  for (const std::string matrix : {"gate", "up", "down"}) {
    TinyModel spoilt = tiny_model();
    spoilt.set(tiny_ffn_tensor(0, matrix), 5, -std::numeric_limits<float>::infinity());
    spoilt.write(model());
    expect_refused_by_all({weights(), tiny_ffn_tensor(0, matrix), "holds infinity"});
  }
}

}  // namespace
}  // namespace prunenet::test
