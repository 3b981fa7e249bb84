// worst_value: NaN and infinity are found wherever they stand, and nothing finite is taken for them.
#include <cmath>
#include <cstring>
#include <vector>

#include "base/dtype.h"
#include "support/support.h"

namespace prunenet {
namespace {

// Patterns of one type, as words of its size.
struct Patterns {
  Dtype dtype;
  size_t size;
  std::vector<uint64_t> finite;  // the largest, the smallest, zeros
  std::vector<uint64_t> infinite;
  std::vector<uint64_t> nan;  // quiet and signalling, mantissa bits at either end, both signs
};

const std::vector<Patterns>& all_patterns() {
  static const std::vector<Patterns> patterns{
      {Dtype::kF64,
       8,
       {0, 0x8000000000000000, 0x7fefffffffffffff, 0xffefffffffffffff, 1, 0x3ff0000000000000},
       {0x7ff0000000000000, 0xfff0000000000000},
       {0x7ff8000000000000, 0x7ff0000000000001, 0xfff0000000000001, 0xffffffffffffffff, 0x7fffffffffffffff}},
      {Dtype::kF32,
       4,
       {0, 0x80000000, 0x7f7fffff, 0xff7fffff, 1, 0x3f800000},
       {0x7f800000, 0xff800000},
       {0x7fc00000, 0x7f800001, 0xff800001, 0xffffffff, 0x7fffffff}},
      {Dtype::kF16,
       2,
       {0, 0x8000, 0x7bff, 0xfbff, 1, 0x3c00},
       {0x7c00, 0xfc00},
       {0x7e00, 0x7c01, 0xfc01, 0xffff, 0x7fff}},
      {Dtype::kBf16,
       2,
       {0, 0x8000, 0x7f7f, 0xff7f, 1, 0x3f80},
       {0x7f80, 0xff80},
       {0x7fc0, 0x7f81, 0xff81, 0xffff, 0x7fff}}};
  return patterns;
}

// Elements at an odd address, so that reading them as aligned words would be undefined.
class Elements {
 public:
  Elements(const Patterns& patterns, size_t count) : size_(patterns.size), bytes_(1 + count * patterns.size) {
    for (size_t i = 0; i < count; ++i) set(i, patterns.finite[i % patterns.finite.size()]);
  }
  void set(size_t place, uint64_t pattern) { std::memcpy(bytes_.data() + 1 + place * size_, &pattern, size_); }
  std::span<const std::byte> bytes() const { return std::span(bytes_).subspan(1); }

 private:
  size_t size_;
  std::vector<std::byte> bytes_;
};

TEST(Finiteness, NothingAtAllIsFinite) {
  for (const Patterns& patterns : all_patterns()) EXPECT_EQ(worst_value({}, patterns.dtype), Finiteness::kFinite);
}

// The lengths lie around the block of the scan and around the widths of vector registers.
TEST(Finiteness, OneBadValueIsFoundAtEveryPlace) {
  for (const Patterns& patterns : all_patterns()) {
    for (size_t count : {1u, 2u, 7u, 33u, 4095u, 4096u, 4097u, 12289u}) {
      Elements elements(patterns, count);
      ASSERT_EQ(worst_value(elements.bytes(), patterns.dtype), Finiteness::kFinite) << dtype_name(patterns.dtype);
      for (size_t place : {size_t{0}, size_t{1}, count / 2, size_t{4095}, size_t{4096}, size_t{8192}, count - 1}) {
        if (place >= count) continue;
        for (uint64_t pattern : patterns.infinite) {
          elements.set(place, pattern);
          EXPECT_EQ(worst_value(elements.bytes(), patterns.dtype), Finiteness::kInfinity)
              << dtype_name(patterns.dtype) << ' ' << place << " of " << count;
        }
        for (uint64_t pattern : patterns.nan) {
          elements.set(place, pattern);
          EXPECT_EQ(worst_value(elements.bytes(), patterns.dtype), Finiteness::kNan)
              << dtype_name(patterns.dtype) << ' ' << place << " of " << count;
        }
        elements.set(place, patterns.finite[2]);
      }
    }
  }
}

TEST(Finiteness, NanIsWorseThanInfinityInEitherOrder) {
  for (const Patterns& patterns : all_patterns()) {
    for (const auto& [first, second] : {std::pair{0, 5000}, std::pair{5000, 0}, std::pair{3, 4}}) {
      Elements elements(patterns, 6000);
      elements.set(static_cast<size_t>(first), patterns.nan[1]);
      elements.set(static_cast<size_t>(second), patterns.infinite[1]);
      EXPECT_EQ(worst_value(elements.bytes(), patterns.dtype), Finiteness::kNan) << dtype_name(patterns.dtype);
    }
  }
}

TEST(Finiteness, EverySixteenBitPatternIsClassifiedByItsValue) {
  const auto expected = [](double value) {
    return std::isnan(value) ? Finiteness::kNan : std::isinf(value) ? Finiteness::kInfinity : Finiteness::kFinite;
  };
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto word = static_cast<uint16_t>(bits);
    const auto bytes = std::as_bytes(std::span(&word, 1));
    // f32_from_* are held against the definition of the formats in dtype_test.cpp.
    ASSERT_EQ(worst_value(bytes, Dtype::kF16), expected(f32_from_f16(word))) << bits;
    ASSERT_EQ(worst_value(bytes, Dtype::kBf16), expected(f32_from_bf16(word))) << bits;
  }
}

TEST(Finiteness, IntegersAndEightBitFloatsCountAsFinite) {
  const std::vector<std::byte> ones(64, std::byte{0xff});
  for (Dtype dtype : {Dtype::kI64, Dtype::kI32, Dtype::kI16, Dtype::kI8, Dtype::kU64, Dtype::kU32, Dtype::kU16,
                      Dtype::kU8, Dtype::kBool, Dtype::kF8E4M3, Dtype::kF8E5M2}) {
    EXPECT_EQ(worst_value(ones, dtype), Finiteness::kFinite) << dtype_name(dtype);
  }
}

}  // namespace
}  // namespace prunenet
