// The cache of spectra: the same bits again, nothing for another matrix, and no error whatever its folder is like.
#include "spectrum/spectrum_cache.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <span>

#include "base/file.h"
#include "base/hash.h"
#include "linalg/matrices.h"
#include "support/support.h"

namespace prunenet {
namespace {

using test::random_matrix;

constexpr int64_t kCols = SpectrumCache::kFromColumns;

Spectrum spectrum_of(const Matrix<float>& w) { return singular_values(w, SpectrumRoute::kGram); }

TEST(SpectrumCache, GivesTheSameBitsBack) {
  const test::TemporaryFolder folder;
  const SpectrumCache cache(folder / "not/there/yet");
  const auto w = random_matrix<float>(300, kCols, 1);
  const std::string key = cache.key(w, "gram");
  EXPECT_FALSE(cache.find(key, kCols));
  const Spectrum spectrum = spectrum_of(w);
  cache.put(key, spectrum);
  const auto found = SpectrumCache(folder / "not/there/yet").find(key, kCols);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->converged);
  EXPECT_TRUE(test::same_bits(found->singular_values, spectrum.singular_values));
}

TEST(SpectrumCache, KnowsMatricesByWhatIsInThem) {
  const test::TemporaryFolder folder;
  const SpectrumCache cache(folder.path());
  auto w = random_matrix<float>(300, kCols, 2);
  const std::string key = cache.key(w, "gram");
  EXPECT_EQ(cache.key(Matrix<float>(w), "gram"), key);
  EXPECT_NE(cache.key(w, "direct"), key);
  EXPECT_NE(cache.key(Matrix<double>(w.cast<double>()), "gram"), key);
  EXPECT_NE(cache.key(Matrix<float>(w.topRows(299)), "gram"), key);
  w(299, kCols - 1) = std::nextafter(w(299, kCols - 1), 2.0f);
  EXPECT_NE(cache.key(w, "gram"), key);
}

TEST(SpectrumCache, ADamagedFileIsAsGoodAsNone) {
  const test::TemporaryFolder folder;
  const SpectrumCache cache(folder.path());
  const auto w = random_matrix<float>(300, kCols, 3);
  const std::string key = cache.key(w, "gram");
  const Spectrum spectrum = spectrum_of(w);
  cache.put(key, spectrum);
  const auto path = folder / (key + ".spectrum");
  const std::string whole = test::read_bytes(path);
  for (size_t at : {size_t{0}, size_t{25}, whole.size() / 2, whole.size() - 1}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    test::write_bytes(path, damaged);
    EXPECT_FALSE(cache.find(key, kCols)) << "byte " << at;
  }
  for (size_t size : {size_t{0}, size_t{19}, size_t{84}, whole.size() - 8, whole.size() - 1}) {
    test::write_bytes(path, whole.substr(0, size));
    EXPECT_FALSE(cache.find(key, kCols)) << size << " bytes";
  }
  cache.put(key, spectrum);  // and is replaced by a good one
  EXPECT_TRUE(cache.find(key, kCols));
  const std::string other = cache.key(random_matrix<float>(300, kCols, 4), "gram");
  std::filesystem::copy_file(path, folder / (other + ".spectrum"));  // under another's name
  EXPECT_FALSE(cache.find(other, kCols));
}

// Whole by its hash, and yet no spectrum: of a program that knew other rules.
TEST(SpectrumCache, ValuesThatAreNoSpectrumAreAsGoodAsNone) {
  const test::TemporaryFolder folder;
  const SpectrumCache cache(folder.path());
  const std::string key = cache.key(random_matrix<float>(300, kCols, 3), "gram");
  const auto found_of = [&](const std::vector<double>& values, int64_t count) {
    const std::string numbers(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
    const std::string hashed = key + numbers;
    Sha256 hash;
    hash.update(std::as_bytes(std::span(hashed.data(), hashed.size())));
    test::write_bytes(folder / (key + ".spectrum"), "prunenet spectrum 1\n" + hash.hex_digest() + numbers);
    return cache.find(key, count).has_value();
  };
  EXPECT_TRUE(found_of({3, 2, 2, 0}, 4));
  EXPECT_FALSE(found_of({3, 2, 2, 0}, 3));
  EXPECT_FALSE(found_of({3, 2, 2, 0}, 5));
  EXPECT_FALSE(found_of({2, 3, 1, 0}, 4));
  EXPECT_FALSE(found_of({3, 2, 1, -1}, 4));
  EXPECT_FALSE(found_of({std::numeric_limits<double>::infinity(), 2, 1, 0}, 4));
  EXPECT_FALSE(found_of({3, std::nan(""), 1, 0}, 4));
}

TEST(SpectrumCache, StaysWithinItsRoomAndForgetsTheOldest) {
  const test::TemporaryFolder folder;
  const auto w = random_matrix<float>(300, kCols, 5);
  const Spectrum spectrum = spectrum_of(w);
  const SpectrumCache roomy(folder.path());
  std::vector<std::string> keys;
  for (uint32_t i = 0; i < 4; ++i) {
    keys.push_back(roomy.key(random_matrix<float>(300, kCols, 10 + i), "gram"));
    roomy.put(keys.back(), spectrum);
    const auto path = folder / (keys.back() + ".spectrum");
    std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - std::chrono::hours(10 - i));
  }
  const uint64_t bytes = std::filesystem::file_size(folder / (keys[0] + ".spectrum"));
  const SpectrumCache small(folder.path(), 3 * bytes);
  keys.push_back(small.key(w, "gram"));
  small.put(keys.back(), spectrum);
  const std::vector<bool> expected{false, false, true, true, true};
  for (size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(small.find(keys[i], kCols).has_value(), expected[i]) << i;
}

TEST(SpectrumCache, ClearsAwayWhatKilledWritersLeftAndNothingOfOthers) {
  const test::TemporaryFolder folder;
  const std::string some_key(64, 'a'), other_key(64, 'b');
  const auto long_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(2);
  const auto leave = [&](const std::filesystem::path& path, bool old) {
    test::write_bytes(path, std::string(5000, 'x'));
    if (old) std::filesystem::last_write_time(path, long_ago);
  };
  const auto killed = partial_path(folder / (some_key + ".spectrum")), living = partial_path(folder / (other_key + ".spectrum"));
  leave(killed, true);
  leave(living, false);
  const std::vector<std::string> foreign{"mine.spectrum", std::string(63, 'a') + ".spectrum", std::string(64, 'G') + ".spectrum",
                                         some_key + "a.spectrum", ".mine.spectrum.prunenet-partial", some_key + ".txt"};
  for (const std::string& name : foreign) leave(folder / name, true);
  const SpectrumCache cache(folder.path(), 100);  // no room for anything
  const auto w = random_matrix<float>(300, kCols, 9);
  cache.put(cache.key(w, "gram"), spectrum_of(w));
  EXPECT_FALSE(std::filesystem::exists(killed));
  EXPECT_TRUE(std::filesystem::exists(living));
  for (const std::string& name : foreign) EXPECT_TRUE(std::filesystem::exists(folder / name)) << name;
  EXPECT_FALSE(cache.find(cache.key(w, "gram"), kCols));
}

TEST(SpectrumCache, CachesNothingWithoutAFolderOfSmallMatricesOrWhatDidNotSettle) {
  const test::TemporaryFolder folder;
  const auto w = random_matrix<float>(300, kCols, 6), small = random_matrix<float>(300, kCols - 1, 7);
  EXPECT_TRUE(SpectrumCache().key(w, "gram").empty());
  const SpectrumCache cache(folder / "cache");
  EXPECT_TRUE(cache.key(small, "gram").empty());
  cache.put("", spectrum_of(w));
  Spectrum unsettled = spectrum_of(w);
  unsettled.converged = false;
  cache.put(cache.key(w, "gram"), unsettled);
  EXPECT_FALSE(std::filesystem::exists(folder / "cache"));
}

TEST(SpectrumCache, AFolderThatTakesNoFilesIsNoError) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "file", "not a folder");
  const SpectrumCache cache(folder / "file");
  const auto w = random_matrix<float>(300, kCols, 8);
  EXPECT_NO_THROW(cache.put(cache.key(w, "gram"), spectrum_of(w)));
  EXPECT_FALSE(cache.find(cache.key(w, "gram"), kCols));
  EXPECT_EQ(test::read_bytes(folder / "file"), "not a folder");
}

}  // namespace
}  // namespace prunenet
