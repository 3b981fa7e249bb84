// A run that is interrupted and goes on gives the bytes of a whole run and computes nothing twice, wherever it was
// interrupted and wherever its journal was cut.
#include "evaluate/journal.h"

#include "evaluate/fakes.h"
#include "evaluate/scorer.h"
#include "support/support.h"

namespace prunenet::test {
namespace {

const RunIdentity kIdentity{{"model", "abc"}, {"--batch", "3"}};

std::vector<ScoreRequest> some_requests() {
  std::vector<ScoreRequest> requests;
  for (int i = 0; i < 20; ++i) {
    ScoreRequest request;
    for (int t = 0; t < 3 + i * 7 % 11; ++t) request.ids.push_back(3 + (i * 31 + t * t) % 50);
    request.first_scored = 1 + i % 3;
    requests.push_back(std::move(request));
  }
  return requests;
}

struct Finished {
  std::vector<RequestScore> scores;
  int64_t batches = 0;
};

Finished run(const std::vector<ScoreRequest>& requests, Journal* journal, int64_t stop_after = -1) {
  HashEngine engine(60);
  if (stop_after >= 0) {
    engine.before_batch = [stop_after](int64_t before) {
      if (before == stop_after) fail(ErrorCode::kCancelled, "", "stop");
    };
  }
  SilentProgress silent;
  Finished result;
  result.scores = score_requests(engine, request_list("piqa", requests), {.requests = 3}, journal, silent);
  result.batches = engine.batches;
  return result;
}

void expect_same(const std::vector<RequestScore>& a, const std::vector<RequestScore>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].log_prob, b[i].log_prob) << i;  // to the bit
    EXPECT_EQ(a[i].all_greedy, b[i].all_greedy) << i;
  }
}

TEST(Batches, AreBoundedAndHoldEachRequestOnce) {
  const std::vector<int64_t> lengths{5, 100, 7, 7, 1, 40, 99, 7};
  for (const BatchOptions options :
       {BatchOptions{0, 50}, BatchOptions{0, 100}, BatchOptions{0, 1}, BatchOptions{3, 1}, BatchOptions{0, 4096}}) {
    std::vector<int> seen(lengths.size());
    int64_t last = 1000;
    for (const auto& batch : plan_batches(lengths, options)) {
      ASSERT_FALSE(batch.empty());
      const auto size = static_cast<int64_t>(batch.size());
      if (options.requests > 0) {
        EXPECT_LE(size, options.requests);
      }
      if (options.requests == 0 && size > 1) {
        EXPECT_LE(size * lengths[batch[0]], options.ids);
      }
      for (const size_t index : batch) {
        EXPECT_LE(lengths[index], last);
        last = lengths[index];
        ++seen[index];
      }
    }
    EXPECT_EQ(seen, std::vector<int>(lengths.size(), 1));
  }
  EXPECT_TRUE(plan_batches({}, {}).empty());
}

TEST(Batches, EveryRequestGetsItsOwnScore) {
  const auto requests = some_requests();
  const Finished whole = run(requests, nullptr);
  HashEngine engine(60);
  for (size_t i = 0; i < requests.size(); ++i) {
    double sum = 0;
    const auto tokens = engine.score({&requests[i], 1});
    for (const TokenScore& token : tokens[0]) sum += static_cast<double>(token.log_prob);
    EXPECT_EQ(whole.scores[i].log_prob, sum) << i;
  }
}

TEST(Journal, AnInterruptedRunGoesOnWhereItStopped) {
  const auto requests = some_requests();
  const Finished whole = run(requests, nullptr);
  ASSERT_EQ(whole.batches, 7);
  for (int64_t stop = 0; stop < whole.batches; ++stop) {
    const TemporaryFolder folder;
    {
      Journal journal(folder / "j", kIdentity);
      expect_error(ErrorCode::kCancelled, {"stop"}, [&] { run(requests, &journal, stop); });
    }
    Journal journal(folder / "j", kIdentity);
    EXPECT_EQ(journal.num_batches(), stop);
    const Finished rest = run(requests, &journal);
    EXPECT_EQ(rest.batches, whole.batches - stop);
    expect_same(rest.scores, whole.scores);
  }
}

TEST(Journal, AFinishedOneComputesNothing) {
  const TemporaryFolder folder;
  const auto requests = some_requests();
  Finished first;
  {
    Journal journal(folder / "j", kIdentity);
    first = run(requests, &journal);
  }
  const std::string bytes = read_bytes(folder / "j");
  Journal journal(folder / "j", kIdentity);
  const Finished again = run(requests, &journal, 0);
  EXPECT_EQ(again.batches, 0);
  expect_same(first.scores, again.scores);
  EXPECT_EQ(read_bytes(folder / "j"), bytes);
}

TEST(Journal, CutAtEveryByteItStillGoesOn) {
  const TemporaryFolder folder;
  const auto requests = some_requests();
  Finished whole;
  {
    Journal journal(folder / "j", kIdentity);
    whole = run(requests, &journal);
  }
  const std::string bytes = read_bytes(folder / "j");
  const size_t last_line = bytes.rfind('\n', bytes.size() - 2) + 1;
  const size_t header_end = bytes.find('\n') + 1;
  for (size_t size = 0; size < bytes.size(); ++size) {
    if (size == header_end) size = last_line;
    write_bytes(folder / "cut", bytes.substr(0, size));
    const Finished rest = [&] {
      Journal journal(folder / "cut", kIdentity);
      return run(requests, &journal);
    }();
    ASSERT_EQ(rest.batches, size < header_end ? 7 : 1) << size;
    expect_same(rest.scores, whole.scores);
    ASSERT_EQ(read_bytes(folder / "cut"), bytes) << size;
  }
}

TEST(Journal, AnotherRunsJournalIsRefusedWithWhatDiffers) {
  const TemporaryFolder folder;
  { Journal journal(folder / "j", kIdentity); }
  const std::string bytes = read_bytes(folder / "j");
  const auto refused = [&](const RunIdentity& identity, const std::vector<std::string>& fragments) {
    expect_error(ErrorCode::kMismatch, fragments, [&] { Journal(folder / "j", identity); });
  };
  refused({{"model", "abd"}, {"--batch", "3"}}, {"another run", "model", "abc", "abd"});
  refused({{"model", "abc"}, {"--batch", "4"}}, {"--batch", "\"3\" there", "\"4\" here"});
  refused({{"model", "abc"}}, {"--batch", "nothing here"});
  refused({{"model", "abc"}, {"--batch", "3"}, {"--shots", "5"}}, {"--shots", "nothing there"});
  EXPECT_EQ(read_bytes(folder / "j"), bytes);
}

TEST(Journal, WhatIsNoJournalIsLeftAlone) {
  const TemporaryFolder folder;
  for (const std::string other : {"my notes", "{\"a\": 1}\n", "\n", "{\"prunenet_eval_journal\":2,\n"}) {
    write_bytes(folder / "f", other);
    expect_error(ErrorCode::kExists, {"no journal"}, [&] { Journal(folder / "f", kIdentity); });
    EXPECT_EQ(read_bytes(folder / "f"), other);
  }
  expect_error(ErrorCode::kExists, {"regular"}, [&] { Journal(folder.path(), kIdentity); });
  expect_error(ErrorCode::kIo, {"absent"}, [&] { Journal(folder / "absent" / "j", kIdentity); });
  const Journal held(folder / "held", kIdentity);
  expect_error(ErrorCode::kExists, {"another process"}, [&] { Journal(folder / "held", kIdentity); });
}

TEST(Journal, DamagedLinesAreNamed) {
  const TemporaryFolder folder;
  const auto requests = some_requests();
  {
    Journal journal(folder / "j", kIdentity);
    run(requests, &journal);
  }
  const std::string bytes = read_bytes(folder / "j");
  const std::string header = bytes.substr(0, bytes.find('\n') + 1);
  const auto refused = [&](const std::string& line, const std::string& fragment, ErrorCode code = ErrorCode::kFormat) {
    write_bytes(folder / "d", header + line + "\n");
    expect_error(code, {"d", fragment}, [&] {
      Journal journal(folder / "d", kIdentity);
      run(requests, &journal);
    });
  };
  refused("junk", "d:2");
  refused("{}", "d:2");
  refused(R"({"stage":"piqa","batch":0,"log_probs":[-1,-2],"greedy":"0"})", "d:2");
  refused(R"({"stage":"piqa","batch":0,"log_probs":[-1,null],"greedy":"00"})", "d:2");
  refused(R"({"stage":"piqa","batch":0,"log_probs":[-1],"greedy":"0"})", "has 1 results, but 3 requests",
          ErrorCode::kMismatch);
  const std::string line = R"({"stage":"piqa","batch":0,"log_probs":[-1,-2,-3],"greedy":"000"})";
  refused(line + "\n" + line, "twice");
  write_bytes(folder / "h", "{\"prunenet_eval_journal\":1,\"run\":3}\n");
  expect_error(ErrorCode::kFormat, {"h:1"}, [&] { Journal(folder / "h", kIdentity); });
}

}  // namespace
}  // namespace prunenet::test
