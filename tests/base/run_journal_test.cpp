// The journal of a run: what was put comes back in the next run of the same identity, whatever stopped the one before;
// what is not whole, or not of this run, does not.
#include "base/run_journal.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <set>

#include "mappings.h"
#include "support/support.h"

namespace prunenet {
namespace {
namespace fs = std::filesystem;
using test::expect_error;

std::vector<std::byte> bytes_of(size_t count, unsigned first) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(first + 31 * i + i / 251);
  return bytes;
}

bool is(const std::optional<std::span<const std::byte>>& found, std::span<const std::byte> expected) {
  return found && found->size() == expected.size() &&
         (expected.empty() || std::memcmp(found->data(), expected.data(), expected.size()) == 0);
}

class Journal : public testing::Test {
 protected:
  fs::path target() const { return root / "out"; }
  fs::path folder() const { return root / ".out.prunenet-journal"; }
  // Files of the journal's folder.
  std::set<std::string> files() const {
    std::set<std::string> names;
    if (!fs::exists(folder())) return names;
    for (const auto& entry : fs::directory_iterator(folder())) names.insert(entry.path().filename());
    return names;
  }
  std::string the_only_part() const {
    std::string found;
    for (const std::string& name : files()) {
      if (name == "identity.part") continue;
      EXPECT_EQ(found, "");
      found = name;
    }
    return found;
  }

  test::TemporaryFolder root;
  const RunJournal::Identity identity{{"model", "abc"}, {"--ratio", "0.3"}};
};

TEST_F(Journal, GivesTheNextRunWhatWasPut) {
  const auto small = bytes_of(5, 1), large = bytes_of(3'000'001, 2);
  const std::string long_name(5000, '/');
  {
    RunJournal journal(target(), identity);
    EXPECT_EQ(journal.num_found(), 0U);
    EXPECT_FALSE(journal.find("small"));
    EXPECT_TRUE(is(journal.put("small", small), small));
    EXPECT_TRUE(is(journal.put(long_name, large), large));
    EXPECT_TRUE(is(journal.put("../../empty\n", {}), {}));
    EXPECT_TRUE(is(journal.find("small"), small));
    EXPECT_EQ(journal.num_parts(), 3U);
    EXPECT_GT(journal.size_bytes(), 3'000'000U);
  }
  RunJournal journal(target(), identity);
  EXPECT_EQ(journal.num_found(), 3U);
  EXPECT_TRUE(is(journal.find("small"), small));
  EXPECT_TRUE(is(journal.find(long_name), large));
  EXPECT_TRUE(is(journal.find("../../empty\n"), {}));
  EXPECT_FALSE(journal.find("smal"));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(journal.find("small")->data()) % 64, 0U) << "numbers are read from it in place";
}

TEST_F(Journal, MakesNothingBeforeTheFirstPartAndLeavesNothingWhenDone) {
  const fs::path deep = root / "a" / "b" / "out";
  {
    RunJournal journal(deep, identity);
    EXPECT_FALSE(journal.find("x"));
    EXPECT_TRUE(fs::is_empty(root.path()));
    journal.remove("x");
  }
  EXPECT_TRUE(fs::is_empty(root.path()));
  {
    RunJournal journal(deep, identity);
    const auto bytes = bytes_of(1000, 4);
    const auto kept = journal.put("x", bytes);
    EXPECT_TRUE(fs::exists(root / "a" / "b" / ".out.prunenet-journal"));
    journal.finish();
    EXPECT_TRUE(fs::is_empty(root.path()));
    EXPECT_TRUE(is(kept, bytes)) << "what was given stays readable";
  }
  {
    RunJournal journal(deep, identity);
    journal.put("x", bytes_of(10, 1));
    journal.remove("x");
  }
  EXPECT_TRUE(fs::is_empty(root.path())) << "a journal without parts is none";
}

TEST_F(Journal, ReplacesAndRemoves) {
  const auto first = bytes_of(100, 1), second = bytes_of(90'000, 2);
  {
    RunJournal journal(target(), identity);
    journal.put("a", first);
    journal.put("b", first);
    journal.put("a", second);
    EXPECT_TRUE(is(journal.find("a"), second));
    journal.remove("b");
    EXPECT_FALSE(journal.find("b"));
    EXPECT_EQ(journal.num_parts(), 1U);
  }
  RunJournal journal(target(), identity);
  EXPECT_TRUE(is(journal.find("a"), second));
  EXPECT_FALSE(journal.find("b"));
}

TEST_F(Journal, RemovesAllThatBeginAlikeAlsoOfAnEarlierRun) {
  const auto small = bytes_of(100, 1), large = bytes_of(200'000, 2);
  {
    RunJournal journal(target(), identity);
    for (const char* name : {"mix/1/a", "mix/1/b", "mix/10/a", "mix/1", "other"}) journal.put(name, small);
    journal.put("mix/1/large", large);
  }
  RunJournal journal(target(), identity);
  journal.put("mix/1/new", large);
  EXPECT_TRUE(journal.find("mix/1/a"));
  journal.remove_all("mix/1/");
  for (const char* name : {"mix/1/a", "mix/1/b", "mix/1/large", "mix/1/new"}) EXPECT_FALSE(journal.find(name)) << name;
  for (const char* name : {"mix/10/a", "mix/1", "other"}) EXPECT_TRUE(is(journal.find(name), small)) << name;
  EXPECT_EQ(journal.num_parts(), 3U);
  journal.remove_all("");
  EXPECT_EQ(journal.num_parts(), 0U);
}

TEST_F(Journal, MapsLargePartsAlone) {
  const auto small = bytes_of(60'000, 1), large = bytes_of(70'000, 2);
  {
    RunJournal journal(target(), identity);
    for (int i = 0; i < 50; ++i) journal.put("small " + std::to_string(i), small);
    journal.put("large", large);
    journal.put("large", large);
    EXPECT_EQ(test::num_mappings(root.path()), 1);
  }
  EXPECT_EQ(test::num_mappings(root.path()), 0);
  RunJournal journal(target(), identity);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(is(journal.find("small " + std::to_string(i)), small));
  EXPECT_TRUE(is(journal.find("large"), large));
  EXPECT_EQ(test::num_mappings(root.path()), 1);
}

TEST_F(Journal, OfAnotherRunIsRefusedWithTheDifferenceAndTheWaysOut) {
  RunJournal(target(), identity).put("a", bytes_of(10, 1));
  const auto before = test::folder_contents(root.path());
  expect_error(ErrorCode::kMismatch,
               {".out.prunenet-journal", "--ratio was '0.3' there and is '0.25' now", "--restart", "another output"},
               [&] {
                 RunJournal(target(), {{"model", "abc"}, {"--ratio", "0.25"}});
               });
  expect_error(ErrorCode::kMismatch, {"model was 'abc' there and is 'abd' now"}, [&] {
    RunJournal(target(), {{"model", "abd"}, {"--ratio", "0.25"}});
  });
  expect_error(ErrorCode::kMismatch, {"--ratio was '0.3' there and is not given now"}, [&] {
    RunJournal(target(), {{"model", "abc"}});
  });
  expect_error(ErrorCode::kMismatch, {"--seed was not given there and is '7' now"}, [&] {
    RunJournal(target(), {{"model", "abc"}, {"--ratio", "0.3"}, {"--seed", "7"}});
  });
  expect_error(ErrorCode::kMismatch, {"another command", "--restart"}, [&] {
    RunJournal(target(), {{"model", "abc"}, {"--ratio", "0.3"}, {"--mask", ""}});
  });
  EXPECT_EQ(test::folder_contents(root.path()), before);

  const RunJournal::Identity other{{"model", "x"}};
  {
    RunJournal journal(target(), other, RunJournal::Opening::kBeginAnew);
    EXPECT_EQ(journal.num_found(), 0U);
    EXPECT_FALSE(journal.find("a"));
    journal.put("b", bytes_of(10, 2));
  }
  RunJournal journal(target(), other);
  EXPECT_TRUE(journal.find("b"));
}

TEST_F(Journal, BeginsAnewWhenAsked) {
  RunJournal(target(), identity).put("a", bytes_of(10, 1));
  {
    RunJournal journal(target(), identity, RunJournal::Opening::kBeginAnew);
    EXPECT_EQ(journal.num_found(), 0U);
    EXPECT_FALSE(journal.find("a"));
  }
  EXPECT_TRUE(fs::is_empty(root.path()));
}

// As a power cut or a stranger may leave it, at every length and in every byte of a small part.
TEST_F(Journal, CountsWhatIsNotWholeAsAbsent) {
  const auto bytes = bytes_of(150, 3);
  RunJournal(target(), identity).put("name", bytes);
  const fs::path part = folder() / the_only_part();
  const std::string whole = test::read_bytes(part);
  const auto holds = [&] {
    RunJournal journal(target(), identity);
    return journal.find("name").has_value();
  };
  EXPECT_TRUE(holds());
  for (size_t size = 0; size < whole.size(); ++size) {
    test::write_bytes(part, whole.substr(0, size));
    EXPECT_FALSE(holds()) << size;
    test::write_bytes(part, whole.substr(0, size) + std::string(whole.size() - size, '\0'));
    // The last bytes of the part are not zero, so every shorter one differs.
    EXPECT_FALSE(holds()) << "zeros from " << size;
  }
  const size_t padding_from = 32 + 4, padding_to = 64;  // between the name and the bytes: nobody's
  for (size_t i = 0; i < whole.size(); ++i) {
    if (i >= padding_from && i < padding_to) continue;
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    test::write_bytes(part, changed);
    EXPECT_FALSE(holds()) << "byte " << i;
  }
  test::write_bytes(part, whole + "x");
  EXPECT_FALSE(holds());
  test::write_bytes(part, std::string(whole.size(), '\0'));
  EXPECT_FALSE(holds());
  // What is absent is made again.
  {
    RunJournal journal(target(), identity);
    journal.put("name", bytes);
  }
  EXPECT_EQ(test::read_bytes(part), whole);
}

TEST_F(Journal, WhoseIdentityIsNotWholeIsBegunAnew) {
  RunJournal(target(), identity).put("a", bytes_of(10, 1));
  const fs::path file = folder() / "identity.part";
  const std::string whole = test::read_bytes(file);
  const std::string part = test::read_bytes(folder() / the_only_part());
  const std::string name = the_only_part();
  for (size_t size = 0; size < whole.size(); size += 7) {
    fs::create_directory(folder());
    test::write_bytes(folder() / name, part);
    test::write_bytes(file, whole.substr(0, size));
    RunJournal journal(target(), identity);
    EXPECT_EQ(journal.num_found(), 0U) << size;
    EXPECT_FALSE(journal.find("a")) << size;
  }
}

TEST_F(Journal, KeepsOutOfWhatIsNotItsOwn) {
  RunJournal(target(), identity).put("a", bytes_of(10, 1));
  const std::string part = the_only_part();
  const std::string other_hash(32, 'f');
  test::write_bytes(root / "secret", "a secret");
  test::write_bytes(folder() / "notes.txt", "mine");
  fs::create_directory(folder() / (other_hash + ".part"));  // a folder where a part would be
  fs::create_symlink(root / "secret", folder() / (std::string(32, 'e') + ".part"));
  fs::create_symlink(root / "secret", folder() / (part + ".new"));  // as if left by a killed run
  ASSERT_EQ(::mkfifo((folder() / (std::string(32, 'd') + ".part")).c_str(), 0600), 0);
  {
    RunJournal journal(target(), identity);
    EXPECT_TRUE(journal.find("a"));
    EXPECT_FALSE(fs::exists(fs::symlink_status(folder() / (part + ".new"))));
    journal.put("a", bytes_of(20, 2));
    journal.finish();
  }
  EXPECT_EQ(test::read_bytes(root / "secret"), "a secret");
  const fs::path done = folder().string() + "-done";
  EXPECT_EQ(test::read_bytes(done / "notes.txt"), "mine") << "what is not ours is not removed";
  fs::remove_all(done);

  // A part that became a link, or stands under another's name, is no part.
  RunJournal(target(), identity).put("a", bytes_of(10, 1));
  fs::rename(folder() / part, root / "moved");
  fs::create_symlink(root / "moved", folder() / part);
  {
    RunJournal journal(target(), identity);
    EXPECT_FALSE(journal.find("a"));
    journal.put("b", bytes_of(5, 1));
  }
  fs::remove(folder() / part);
  fs::rename(root / "moved", folder() / part);
  std::string of_b;
  for (const std::string& name : files()) {
    if (name != part && name != "identity.part") of_b = name;
  }
  fs::copy_file(folder() / of_b, folder() / part, fs::copy_options::overwrite_existing);
  RunJournal journal(target(), identity);
  EXPECT_FALSE(journal.find("a")) << "its name is b";
  EXPECT_TRUE(journal.find("b"));
}

TEST_F(Journal, IsNoLinkAndNoFile) {
  fs::create_directory(root / "elsewhere");
  fs::create_directory_symlink(root / "elsewhere", folder());
  expect_error(ErrorCode::kExists, {".out.prunenet-journal", "is no folder"}, [&] { RunJournal(target(), identity); });
  fs::remove(folder());
  test::write_bytes(folder(), "x");
  expect_error(ErrorCode::kExists, {".out.prunenet-journal", "is no folder"}, [&] { RunJournal(target(), identity); });
}

TEST_F(Journal, IsClaimedBeforeItHasParts) {
  {
    RunJournal first(root / "a" / "out", identity);
    first.claim();
    first.claim();
    expect_error(ErrorCode::kExists, {".out.prunenet-journal", "another process"},
                 [&] { RunJournal(root / "a" / "out", identity); });
    EXPECT_EQ(first.num_parts(), 0U);
  }
  EXPECT_TRUE(fs::is_empty(root.path())) << "nothing came of it";
}

TEST_F(Journal, BelongsToOneProcess) {
  RunJournal first(target(), identity);
  RunJournal second(target(), identity);  // there is nothing to be locked yet
  first.put("a", bytes_of(10, 1));
  expect_error(ErrorCode::kExists, {".out.prunenet-journal", "another process"},
               [&] { RunJournal(target(), identity); });
  expect_error(ErrorCode::kExists, {"another process"}, [&] { second.put("b", bytes_of(10, 1)); });
  EXPECT_TRUE(first.find("a"));
  EXPECT_FALSE(second.find("b"));

  // And so it is between processes; the lock goes with its holder, however that ends.
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const fs::path other = root / "other";
  const pid_t child = ::fork();
  if (child == 0) {
    RunJournal journal(other, identity);
    journal.put("a", bytes_of(10, 1));
    const char ready = 'x';
    if (::write(ends[1], &ready, 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  char ready = 0;
  ASSERT_EQ(::read(ends[0], &ready, 1), 1);
  expect_error(ErrorCode::kExists, {"another process"}, [&] { RunJournal(other, identity); });
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(RunJournal(other, identity).find("a"));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(Journal, ThatWasFinishedByHalfIsNoneAndIsClearedAway) {
  RunJournal(target(), identity).put("a", bytes_of(10, 1));
  const fs::path done = folder().string() + "-done";
  fs::rename(folder(), done);  // as far as a killed run came
  fs::create_symlink(root / "nowhere", done / (std::string(32, 'a') + ".part"));
  {
    RunJournal journal(target(), identity);
    EXPECT_FALSE(journal.find("a"));
    journal.put("b", bytes_of(10, 2));
    journal.finish();
  }
  EXPECT_TRUE(fs::is_empty(root.path())) << "a finish clears what another left";
  RunJournal(target(), identity).put("a", bytes_of(10, 1));
  fs::rename(folder(), done);
  RunJournal::clear_finished(target());
  EXPECT_TRUE(fs::is_empty(root.path()));
  fs::create_directory(root / "elsewhere");
  test::write_bytes(root / "elsewhere" / "identity.part", "not ours to remove");
  fs::create_directory_symlink(root / "elsewhere", done);
  RunJournal::clear_finished(target());
  EXPECT_TRUE(fs::exists(root / "elsewhere" / "identity.part"));
}

// On the former's name lies what is not ours, be it what a network file system keeps of files in use.
TEST_F(Journal, IsFinishedInPlaceWhereItCannotHaveItsOtherName) {
  const fs::path done = folder().string() + "-done";
  fs::create_directory(done);
  test::write_bytes(done / ".nfs0001", "in use");
  for (const bool foreign : {false, true}) {
    RunJournal journal(target(), identity);
    const auto bytes = bytes_of(1000, 4);
    const auto kept = journal.put("a", bytes);
    if (foreign) test::write_bytes(folder() / "notes.txt", "mine");
    EXPECT_TRUE(journal.finish());
    EXPECT_TRUE(is(kept, bytes));
    EXPECT_EQ(fs::exists(folder()), foreign) << "what is not ours stays";
    EXPECT_EQ(files(), foreign ? (std::set<std::string>{"notes.txt"}) : std::set<std::string>());
  }
  EXPECT_EQ(test::read_bytes(done / ".nfs0001"), "in use");
  EXPECT_EQ(RunJournal(target(), identity).num_found(), 0U);
}

TEST_F(Journal, AfterAFinishOfAnotherIsNotMixedUp) {
  RunJournal first(target(), identity);
  RunJournal second(target(), identity);
  first.put("a", bytes_of(10, 1));
  first.finish();
  second.put("b", bytes_of(10, 2));
  EXPECT_EQ(second.num_parts(), 1U);
}

// No file may grow beyond the limit: what a full disk does, without one.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &former_);
    const rlimit limit{bytes, former_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &former_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit former_{};
};

TEST_F(Journal, WithoutRoomKeepsWhatItHas) {
  const auto small = bytes_of(1000, 1), large = bytes_of(200'000, 2);
  {
    RunJournal journal(target(), identity);
    const auto kept = journal.put("a", small);
    const auto before = files();
    {
      const FileSizeLimit limit(100'000);
      expect_error(ErrorCode::kNoSpace, {".out.prunenet-journal", "cannot keep what is finished", "too large"},
                   [&] { journal.put("b", large); });
      expect_error(ErrorCode::kNoSpace, {}, [&] { journal.put("a", large); });
    }
    EXPECT_EQ(files(), before) << "no temporary stays";
    EXPECT_TRUE(is(kept, small));
    EXPECT_TRUE(is(journal.find("a"), small));
    EXPECT_FALSE(journal.find("b"));
  }
  RunJournal journal(target(), identity);
  EXPECT_TRUE(is(journal.find("a"), small));
  EXPECT_TRUE(is(journal.put("b", large), large)) << "there is room again";
}

TEST_F(Journal, WithoutRoomForItsFirstWordLeavesNothing) {
  RunJournal journal(root / "new" / "out", identity);
  {
    const FileSizeLimit limit(20);
    expect_error(ErrorCode::kNoSpace, {}, [&] { journal.put("a", bytes_of(10, 1)); });
  }
  EXPECT_TRUE(fs::is_empty(root.path()));
  journal.put("a", bytes_of(10, 1));
  EXPECT_TRUE(journal.find("a"));
}

// A process that does nothing but put is killed at many moments; each part that is found is whole.
TEST_F(Journal, SurvivesKillsAtAnyMoment) {
  size_t found = 0;
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      RunJournal journal(target(), identity);
      for (unsigned i = 0;; ++i) journal.put("part " + std::to_string(i % 7), bytes_of(100'000, i % 251));
    }
    ::usleep(static_cast<useconds_t>(3'000 + 1'500 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    RunJournal journal(target(), identity);
    for (int i = 0; i < 7; ++i) {
      const auto part = journal.find("part " + std::to_string(i));
      if (!part) continue;
      ++found;
      EXPECT_TRUE(is(part, bytes_of(100'000, static_cast<unsigned>((*part)[0]))));
    }
    for (const std::string& name : files()) EXPECT_FALSE(name.ends_with(".new")) << name;
  }
  EXPECT_GT(found, 20U);
}

}  // namespace
}  // namespace prunenet
