// The journal of a run: what an interrupted evaluation has finished, so that the same command goes on from there. Lines
// of JSON, only ever appended: the first says which run it belongs to, each other holds one finished batch. A last line
// without its end was being written when the run ended: it is dropped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace prunenet {

/// What a run is: names and values, e.g. {"model", hash}. Two runs of equal identity give equal results.
using RunIdentity = std::vector<std::pair<std::string, std::string>>;

/// The log-likelihood of one request.
struct RequestScore {
  double log_prob = 0;     // natural logarithm, summed over the scored ids
  bool all_greedy = true;  // each scored id was the likeliest
};

class Journal {
 public:
  /// Opens or makes the file and locks it. Throws kExists for a file that is no journal or that another process writes;
  /// kMismatch, naming the first thing that differs, for the journal of another run; kFormat for a damaged one.
  Journal(const std::filesystem::path& path, const RunIdentity& identity);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// The scores of a finished batch of a stage, or nullptr.
  const std::vector<RequestScore>* find(const std::string& stage, int64_t batch) const;
  /// Appends a finished batch in one write. Throws kNoSpace, kIo.
  void add(const std::string& stage, int64_t batch, const std::vector<RequestScore>& scores);

  int64_t num_batches() const { return static_cast<int64_t>(batches_.size()); }
  const std::filesystem::path& path() const { return path_; }

 private:
  void read(const std::string& text, const RunIdentity& identity);
  void read_batch(const std::string& line, int64_t number);
  void append(const std::string& line);

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::map<std::pair<std::string, int64_t>, std::vector<RequestScore>> batches_;
};

}  // namespace prunenet
