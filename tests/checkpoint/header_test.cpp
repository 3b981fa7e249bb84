// Headers of safetensors files that keep to the format: what is read from them, and the way there and back.
#include <nlohmann/json.hpp>
#include <random>

#include "checkpoint/header_helpers.h"

namespace prunenet {
namespace {

namespace fs = std::filesystem;
using test::entry;
using test::file_of;
using test::parse;

TEST(Header, ListsTensorsInTheOrderOfTheirBytes) {
  const auto header =
      parse(file_of("{" + entry("z", "F32", "[2,3]", "[4,28]") + "," + entry("a", "BF16", "[2]", "[0,4]") +
                        R"(,"__metadata__":{"format":"pt","x":""}})",
                    28));
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[0].spec.name, "a");
  EXPECT_EQ(header.tensors[0].spec.dtype, Dtype::kBf16);
  EXPECT_EQ(header.tensors[0].spec.shape, (std::vector<int64_t>{2}));
  EXPECT_EQ(header.tensors[0].offset, header.header_bytes);
  EXPECT_EQ(header.tensors[1].spec.name, "z");
  EXPECT_EQ(header.tensors[1].spec.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header.tensors[1].offset, header.header_bytes + 4);
  EXPECT_EQ(header.metadata, (std::map<std::string, std::string>{{"format", "pt"}, {"x", ""}}));
}

TEST(Header, FieldsMayStandInAnyOrderWithAnySpacing) {
  const auto header = parse(
      file_of("{ \"a\" : {\n\t\"data_offsets\" : [ 0 , 2 ] , \"shape\" : [ 2 ] ,\r \"dtype\" : \"U8\" } }     ", 2));
  ASSERT_EQ(header.tensors.size(), 1u);
  EXPECT_EQ(header.tensors[0].spec.size_bytes(), 2u);
}

TEST(Header, OfNothingIsAllowed) {
  for (const char* json : {"{}", "{}      ", R"({"__metadata__":{}})"}) {
    const auto header = parse(file_of(json));
    EXPECT_TRUE(header.tensors.empty());
    EXPECT_EQ(header.header_bytes, 8 + std::string(json).size());
  }
}

TEST(Header, AScalarHasOneElementAndAnEmptyTensorNone) {
  const auto header =
      parse(file_of("{" + entry("scalar", "F64", "[]", "[0,8]") + "," + entry("none", "F32", "[3,0]", "[8,8]") + "," +
                        entry("also none", "I64", "[0]", "[0,0]") + "}",
                    8));
  ASSERT_EQ(header.tensors.size(), 3u);
  EXPECT_EQ(header.tensors[0].spec.name, "also none");  // the empty one before the one that starts where it ends
  EXPECT_EQ(header.tensors[1].spec.num_elements(), 1);
  EXPECT_EQ(header.tensors[1].spec.size_bytes(), 8u);
  EXPECT_EQ(header.tensors[2].spec.num_elements(), 0);
  EXPECT_EQ(header.tensors[2].spec.size_bytes(), 0u);
}

TEST(Header, AnEmptyTensorMayHaveAnyExtents) {
  // The product of the others passes 2^64 only after the zero.
  const auto header =
      parse(file_of("{" + entry("a", "U8", "[0,9223372036854775807,9223372036854775807]", "[0,0]") + "}"));
  EXPECT_EQ(header.tensors.at(0).spec.num_elements(), 0);
  EXPECT_EQ(header.tensors.at(0).spec.size_bytes(), 0u);
}

TEST(Header, NamesMayBeAnyText) {
  const auto header = parse(file_of(R"({"":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
                                    R"("a\"b\\\u00e9\ud83d\ude00\n":{"dtype":"U8","shape":[],"data_offsets":[1,2]},)"
                                    "\"gewicht \xc3\xa4\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[2,3]},"
                                    R"("{}[],:":{"dtype":"U8","shape":[],"data_offsets":[3,4]}})",
                                    4));
  ASSERT_EQ(header.tensors.size(), 4u);
  EXPECT_EQ(header.tensors[0].spec.name, "");
  EXPECT_EQ(header.tensors[1].spec.name, "a\"b\\\xc3\xa9\xf0\x9f\x98\x80\n");
  EXPECT_EQ(header.tensors[2].spec.name, "gewicht \xc3\xa4");
  EXPECT_EQ(header.tensors[3].spec.name, "{}[],:");
}

TEST(Header, TakesSixteenDimensions) {
  const auto header = parse(file_of("{" + entry("a", "U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]", "[0,2]") + "}", 2));
  EXPECT_EQ(header.tensors.at(0).spec.shape.size(), 16u);
}

TEST(Header, SpecsDescribeThemselves) {
  EXPECT_EQ(to_string(TensorSpec{"a", Dtype::kF32, {64, 172}}), "F32 [64, 172]");
  EXPECT_EQ(to_string(TensorSpec{"a", Dtype::kBf16, {}}), "BF16 []");
}

TEST(FormattedHeader, IsPaddedToEightBytesAndStatesItsLength) {
  for (size_t length = 0; length < 20; ++length) {
    const std::vector<TensorSpec> specs{{std::string(length, 'n'), Dtype::kU8, {3}}};
    const std::string bytes = format_safetensors_header(specs, {});
    EXPECT_EQ(bytes.size() % 8, 0u);
    EXPECT_EQ(bytes.substr(0, 8), test::length_bytes(bytes.size() - 8));
    EXPECT_EQ(bytes[8], '{');
    EXPECT_NO_THROW(nlohmann::json::parse(bytes.substr(8)));
  }
}

TEST(FormattedHeader, OfNothingIsAnEmptyObject) {
  EXPECT_EQ(format_safetensors_header({}, {}), test::length_bytes(8) + "{}      ");
}

TEST(FormattedHeader, IsReadBackAsWhatItWasMadeOf) {
  std::mt19937 random(11);
  const std::vector<Dtype> dtypes{Dtype::kF64, Dtype::kF32,  Dtype::kF16, Dtype::kBf16,
                                  Dtype::kI64, Dtype::kBool, Dtype::kU8};
  const std::vector<std::string> tails{"",      "weight",       "\"quoted\"", "back\\slash", "\xc3\xa4\n\t",
                                       "a.b.c", "__metadata__x"};
  for (int round = 0; round < 200; ++round) {
    std::vector<TensorSpec> specs;
    uint64_t data_bytes = 0;
    for (size_t i = 0; i < random() % 6; ++i) {
      TensorSpec spec{std::to_string(i) + tails[random() % tails.size()], dtypes[random() % dtypes.size()], {}};
      for (size_t d = random() % 4; d > 0; --d) spec.shape.push_back(1 + static_cast<int64_t>(random() % 4));
      data_bytes += spec.size_bytes();
      specs.push_back(spec);
    }
    const std::map<std::string, std::string> metadata{{"format", "pt"}, {"note \"x\"", tails[random() % tails.size()]}};
    const auto header = parse(format_safetensors_header(specs, metadata) + std::string(data_bytes, 'd'));
    EXPECT_EQ(header.metadata, metadata);
    ASSERT_EQ(header.tensors.size(), specs.size());
    uint64_t offset = header.header_bytes;
    for (size_t i = 0; i < specs.size(); ++i) {
      EXPECT_EQ(header.tensors[i].spec.name, specs[i].name);
      EXPECT_EQ(header.tensors[i].spec.dtype, specs[i].dtype);
      EXPECT_EQ(header.tensors[i].spec.shape, specs[i].shape);
      EXPECT_EQ(header.tensors[i].offset, offset);
      offset += specs[i].size_bytes();
    }
  }
}

// Every real file of the shared data, held against a plain reading of its JSON.
TEST(Header, OfEveryRealModelIsReadAsItsJsonSays) {
  PRUNENET_REQUIRE_SHARED_DATA(data);
  size_t files = 0;
  for (const auto& place : fs::recursive_directory_iterator(data)) {
    if (place.path().extension() != ".safetensors") continue;
    ++files;
    const SafetensorsFile file(place.path());
    const std::string bytes = test::read_bytes(place.path());
    const uint64_t length = file.header().header_bytes - 8;
    ASSERT_EQ(bytes.substr(0, 8), test::length_bytes(length));
    auto json = nlohmann::json::parse(bytes.substr(8, length));
    json.erase("__metadata__");
    ASSERT_EQ(file.header().tensors.size(), json.size()) << place.path();
    for (const StoredTensor& tensor : file.header().tensors) {
      const auto& expected = json.at(tensor.spec.name);
      EXPECT_EQ(dtype_name(tensor.spec.dtype), expected.at("dtype").get<std::string>());
      EXPECT_EQ(tensor.spec.shape, expected.at("shape").get<std::vector<int64_t>>());
      const uint64_t begin = expected.at("data_offsets").at(0), end = expected.at("data_offsets").at(1);
      EXPECT_EQ(tensor.offset, 8 + length + begin);
      const auto stored = file.bytes(tensor);
      ASSERT_EQ(stored.size(), end - begin);
      EXPECT_EQ(std::memcmp(stored.data(), bytes.data() + 8 + length + begin, stored.size()), 0) << tensor.spec.name;
    }
  }
  EXPECT_GE(files, 22u) << "13 variants, one in 5 shards, and 4 pruned ones";
}

}  // namespace
}  // namespace prunenet
