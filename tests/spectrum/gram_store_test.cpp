// GramStore: what it remembers it gives back bit for bit, from memory or from its file; what it cannot keep it forgets
// without a word.
#include "spectrum/gram_store.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "linalg/matrices.h"
#include "support/support.h"

namespace prunenet {
namespace {

template <typename Real>
class GramStoreTest : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(GramStoreTest, Reals);

template <typename Real>
Matrix<Real> gram_of(int64_t layer) {
  return test::random_matrix<Real>(10 + layer, 10 + layer, static_cast<uint32_t>(layer));
}

template <typename Real>
uint64_t bytes_of(int64_t layer) {
  return static_cast<uint64_t>(gram_of<Real>(layer).size()) * sizeof(Real);
}

template <typename Real>
bool holds(const GramStore<Real>& store, int64_t layer) {
  Matrix<Real> found(1, 2);
  if (!store.get(layer, found)) return false;
  const Matrix<Real> expected = gram_of<Real>(layer);
  EXPECT_EQ(found.rows(), expected.rows());
  EXPECT_EQ(found.cols(), expected.cols());
  if (found.size() == expected.size()) {
    EXPECT_EQ(std::memcmp(found.data(), expected.data(), static_cast<size_t>(found.size()) * sizeof(Real)), 0) << layer;
  }
  return true;
}

// Whether the file system of the folder has nameless files; without them the store forgets, as it may.
bool has_nameless_files(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0) return false;
  ::close(descriptor);
  return true;
}

TYPED_TEST(GramStoreTest, KeepsAllInMemoryWithoutAFolderWhileTheyFit) {
  GramStore<TypeParam> store("/no such folder");
  for (int64_t layer : {3, 0, 7, 100}) store.put(layer, gram_of<TypeParam>(layer));
  for (int64_t layer : {0, 3, 7, 100}) EXPECT_TRUE(holds(store, layer)) << layer;
  for (int64_t layer : {1, -1, 101}) EXPECT_FALSE(holds(store, layer)) << layer;
}

TYPED_TEST(GramStoreTest, KeepsInMemoryUpToItsLimitAndNotAByteBeyond) {
  const uint64_t two = bytes_of<TypeParam>(0) + bytes_of<TypeParam>(1);
  for (const auto& [limit, both] : {std::pair{two, true}, std::pair{two - 1, false}}) {
    GramStore<TypeParam> store("/no such folder", limit);
    for (int64_t layer : {0, 1, 2}) store.put(layer, gram_of<TypeParam>(layer));
    EXPECT_TRUE(holds(store, 0));
    EXPECT_EQ(holds(store, 1), both);
    EXPECT_FALSE(holds(store, 2));
  }
}

TYPED_TEST(GramStoreTest, SpillsToANamelessFileBeyondItsLimit) {
  const test::TemporaryFolder folder;
  if (!has_nameless_files(folder.path())) GTEST_SKIP() << "this file system has no nameless files";
  for (uint64_t limit : {uint64_t{0}, bytes_of<TypeParam>(5), bytes_of<TypeParam>(5) + bytes_of<TypeParam>(0)}) {
    GramStore<TypeParam> store(folder.path(), limit);
    for (int64_t layer : {5, 0, 9, 2, 4, 30}) store.put(layer, gram_of<TypeParam>(layer));
    for (int repeat = 0; repeat < 2; ++repeat) {
      for (int64_t layer : {30, 2, 0, 9, 4, 5}) EXPECT_TRUE(holds(store, layer)) << layer << ", limit " << limit;
    }
    EXPECT_FALSE(holds(store, 1));
    EXPECT_TRUE(test::folder_contents(folder.path()).empty());
  }
}

TYPED_TEST(GramStoreTest, KeepsWhatCameFirstWhenALayerIsPutAgain) {
  const test::TemporaryFolder folder;
  if (!has_nameless_files(folder.path())) GTEST_SKIP() << "this file system has no nameless files";
  for (uint64_t limit : {uint64_t{0}, uint64_t{1} << 20}) {
    GramStore<TypeParam> store(folder.path(), limit);
    store.put(0, gram_of<TypeParam>(0));
    store.put(0, gram_of<TypeParam>(8));
    store.put(1, gram_of<TypeParam>(1));
    EXPECT_TRUE(holds(store, 0));
    EXPECT_TRUE(holds(store, 1));
  }
}

TYPED_TEST(GramStoreTest, ForgetsWithoutAnErrorWhenItsFolderTakesNoFile) {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "file", "not a folder");
  for (const auto& bad : {folder / "missing", folder / "file", std::filesystem::path()}) {
    GramStore<TypeParam> store(bad, bytes_of<TypeParam>(0));
    EXPECT_NO_THROW(for (int64_t layer : {0, 1, 2}) store.put(layer, gram_of<TypeParam>(layer)));
    EXPECT_TRUE(holds(store, 0));
    EXPECT_FALSE(holds(store, 1));
    EXPECT_FALSE(holds(store, 2));
  }
  EXPECT_EQ(test::read_bytes(folder / "file"), "not a folder");
}

// A limit on the size of files stands in for a full disk: the last write comes to its end half-way.
TYPED_TEST(GramStoreTest, KeepsWhatItHasWhenTheDiskIsFull) {
  const test::TemporaryFolder folder;
  if (!has_nameless_files(folder.path())) GTEST_SKIP() << "this file system has no nameless files";
  GramStore<TypeParam> store(folder.path(), 0);
  const auto grams = std::vector{gram_of<TypeParam>(0), gram_of<TypeParam>(1), gram_of<TypeParam>(2)};

  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = bytes_of<TypeParam>(0) + bytes_of<TypeParam>(1) / 2;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  for (int64_t layer : {0, 1, 2}) store.put(layer, grams[static_cast<size_t>(layer)]);  // nothing may be printed here
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);

  EXPECT_TRUE(holds(store, 0));
  EXPECT_FALSE(holds(store, 1));
  EXPECT_FALSE(holds(store, 2));
}

}  // namespace
}  // namespace prunenet
