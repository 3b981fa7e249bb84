// Quantised matrices of GGUF files as numbers.
#include <cmath>

#include "base/random.h"
#include "checkpoint/gguf_writer.h"
#include "model/weights.h"
#include "support/support.h"

namespace prunenet {
namespace {

using namespace test;

TEST(Gguf, QuantisedRowsAreReadAsNumbers) {
  RandomStream random(9, RandomStage::kDemoModel);
  for (const Dtype dtype : {Dtype::kQ8_0, Dtype::kQ4_0, Dtype::kQ6K}) {
    SCOPED_TRACE(dtype_name(dtype));
    const TemporaryFolder folder;
    TensorSpec spec{"blk.0.ffn_up.weight", dtype, {6, 512}};
    std::string bytes(spec.size_bytes(), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.next_u32());
    const size_t block = dtype_block_bytes(dtype), scale = dtype == Dtype::kQ6K ? block - 2 : 0;
    for (size_t at = 0; at < bytes.size(); at += block) {
      bytes[at + scale] = static_cast<char>(at);
      bytes[at + scale + 1] = 0x2c;  // halves about 0.06
    }
    GgufMetadata metadata;
    metadata.set("general.architecture", GgufValue::of_text("llama"));
    const auto write = [&](const char* name) {
      GgufWriter writer(folder / name, metadata, {spec});
      writer.append(std::as_bytes(std::span(bytes)));
      writer.finish();
    };
    write("good.gguf");
    const Checkpoint checkpoint(folder / "good.gguf");
    std::vector<float> all(6 * 512), part(3 * 512);
    widen(reinterpret_cast<const std::byte*>(bytes.data()), dtype, all.size(), all.data());
    read_matrix<float>(checkpoint, {spec.name, 2, 3, 512, false}, part);  // of a tensor that stacks several
    EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin() + 2 * 512));
    const std::vector<double> norms = column_norms(checkpoint, {spec.name, 0, 6, 512, false});
    double square = 0;
    for (size_t row = 0; row < 6; ++row)
      square += static_cast<double>(all[row * 512 + 7]) * static_cast<double>(all[row * 512 + 7]);
    EXPECT_NEAR(norms[7], std::sqrt(square), 1e-9);

    bytes[bytes.size() - block + scale + 1] = 0x7e;  // NaN
    write("bad.gguf");
    const Checkpoint damaged(folder / "bad.gguf");
    expect_error(ErrorCode::kNonFinite, {"bad.gguf", "blk.0.ffn_up.weight", "NaN"}, [&] {
      row_norms(damaged, {spec.name, 0, 6, 512, false});
    });
  }
}

}  // namespace
}  // namespace prunenet
