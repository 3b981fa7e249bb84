// Reading and appending to a journal.
#include "evaluate/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace prunenet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kMark = "{\"prunenet_eval_journal\":1,";  // how every journal begins
constexpr uint64_t kMaxJournalBytes = 4ull << 30;

std::string header_line(const RunIdentity& identity) {
  Json header = {{"prunenet_eval_journal", 1}};
  for (const auto& [name, value] : identity) header["run"][name] = value;
  return header.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

// What differs, or nothing.
std::string difference(const Json& theirs, const Json& ours) {
  for (const auto& [name, value] : ours.items()) {
    const std::string found = theirs.contains(name) ? theirs[name].dump() : "nothing";
    if (found != value.dump()) return fmt::format("{}: {} there, {} here", name, found, value.dump());
  }
  for (const auto& [name, value] : theirs.items()) {
    if (!ours.contains(name)) return fmt::format("{}: {} there, nothing here", name, value.dump());
  }
  return "";
}

}  // namespace

Journal::Journal(const std::filesystem::path& path, const RunIdentity& identity) : path_(path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    fail(ErrorCode::kExists, path.string(), "is no regular file, so no journal can be kept there");
  }
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_errno(path.string(), "open as the journal of the run");
  try {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) fail_errno(path.string(), "lock the journal");
      fail(ErrorCode::kExists, path.string(), "another process is writing this journal");
    }
    read(read_text_file(path, kMaxJournalBytes), identity);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

Journal::~Journal() {
  ::close(descriptor_);
}

void Journal::read(const std::string& text, const RunIdentity& identity) {
  const std::string header = header_line(identity);
  const size_t whole = text.rfind('\n') == text.npos ? 0 : text.rfind('\n') + 1;
  const size_t begun = std::min(text.size(), kMark.size());
  if (text.compare(0, begun, kMark, 0, begun) != 0) {
    fail(ErrorCode::kExists, path_.string(), "is no journal of prunenet eval, and is left as it is");
  }
  if (whole < text.size() && ::ftruncate(descriptor_, static_cast<off_t>(whole)) != 0)
    fail_errno(path_.string(), "cut the journal's last line");
  if (whole == 0) {
    append(header);
    return;
  }
  int64_t number = 0;
  for (size_t at = 0; at < whole;) {
    const size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (++number > 1) {
      read_batch(line, number);
      continue;
    }
    if (line + "\n" == header) continue;
    const Json theirs = Json::parse(line, nullptr, false);
    if (!theirs.is_object() || !theirs.contains("run") || !theirs["run"].is_object()) {
      fail(ErrorCode::kFormat, path_.string() + ":1", "the line that says which run this journal is of is damaged");
    }
    fail(ErrorCode::kMismatch, path_.string(), "is the journal of another run ({}); name another file, or delete it",
         difference(theirs["run"], Json::parse(header)["run"]));
  }
}

void Journal::read_batch(const std::string& line, int64_t number) {
  const std::string where = fmt::format("{}:{}", path_.string(), number);
  try {
    const Json json = Json::parse(line);
    const auto log_probs = json.at("log_probs").get<std::vector<double>>();
    const auto greedy = json.at("greedy").get<std::string>();
    if (log_probs.size() != greedy.size())
      fail(ErrorCode::kFormat, where, "{} log-probabilities, {} greedy marks", log_probs.size(), greedy.size());
    std::vector<RequestScore> scores;
    for (size_t i = 0; i < log_probs.size(); ++i) {
      if (!std::isfinite(log_probs[i])) fail(ErrorCode::kFormat, where, "a log-probability is not finite");
      scores.push_back({log_probs[i], greedy[i] == '1'});
    }
    const auto key = std::pair(json.at("stage").get<std::string>(), json.at("batch").get<int64_t>());
    if (!batches_.emplace(key, std::move(scores)).second)
      fail(ErrorCode::kFormat, where, "batch {} of {} stands here twice", key.second, key.first);
  } catch (const Json::exception& error) {
    fail(ErrorCode::kFormat, where, "the journal is damaged: {}", error.what());
  }
}

const std::vector<RequestScore>* Journal::find(const std::string& stage, int64_t batch) const {
  const auto found = batches_.find({stage, batch});
  return found == batches_.end() ? nullptr : &found->second;
}

void Journal::add(const std::string& stage, int64_t batch, const std::vector<RequestScore>& scores) {
  std::vector<double> log_probs;
  std::string greedy;
  for (const RequestScore& score : scores) {
    log_probs.push_back(score.log_prob);
    greedy += score.all_greedy ? '1' : '0';
  }
  append(Json{{"stage", stage}, {"batch", batch}, {"log_probs", log_probs}, {"greedy", greedy}}.dump() + "\n");
  batches_[{stage, batch}] = scores;
}

void Journal::append(const std::string& line) {
  const char* rest = line.data();
  size_t size = line.size();
  while (size > 0) {
    const ssize_t count = ::write(descriptor_, rest, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_errno(path_.string(), "write the journal");
    rest += count;
    size -= static_cast<size_t>(count);
  }
}

}  // namespace prunenet
