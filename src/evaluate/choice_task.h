// Tasks whose questions are answered by comparing log-likelihoods, and LAMBADA, whose word must be written greedily:
// their requests, and the scores of the task from those of the requests. Metrics as lm-evaluation-harness defines them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evaluate/journal.h"
#include "evaluate/question.h"
#include "evaluate/text_encoder.h"

namespace prunenet {

/// The requests of a task. Choice j of all choices of all questions, in their order, has requests first[j] to
/// first[j + 1] - 1: nearly always one.
struct TaskRequests {
  std::vector<ScoreRequest> requests;
  std::vector<size_t> first;
  int64_t num_cut = 0;    // choices whose context lost its front to the model's limit
  int64_t num_split = 0;  // choices that needed more than one request
};

/// Throws what TextEncoder::encode_pair throws. Cost: each context and each whole is encoded once.
TaskRequests make_requests(const TaskData& data, const TextEncoder& encoder);

/// A mean of zeros and ones.
struct Accuracy {
  double mean = 0;
  double standard_error = 0;  // sample standard deviation / sqrt(n); 0 for a single item
};

/// What came of one question.
struct ItemResult {
  std::vector<double> log_likelihoods;  // of the choices
  std::vector<bool> greedy;             // whether greedy decoding would write the choice
  std::vector<int64_t> bytes;           // of the choices, without the blank before them
  size_t picked = 0, picked_norm = 0;   // the choice of the highest log-likelihood, and of that divided by its bytes
  bool right = false, right_norm = false, right_norm_characters = false;
};

struct GroupResult {
  std::string group;
  Accuracy acc;
  int64_t num_items = 0;
};

struct TaskResult {
  Task task = Task::kPiqa;
  int64_t num_items = 0;
  Accuracy acc;
  std::optional<Accuracy> acc_norm;             // divided by the bytes of the choice
  std::optional<Accuracy> acc_norm_characters;  // divided by its characters, as the code of lm-evaluation-harness does
  std::optional<double> perplexity;             // LAMBADA: exp(-mean log-likelihood of the word)
  std::vector<GroupResult> groups;              // MMLU: by subject, in the order of the data
  std::vector<ItemResult> items;
};

/// `scores` are those of `requests`. Of equal log-likelihoods the first choice wins.
TaskResult judge(const TaskData& data, const TaskRequests& requests, const std::vector<RequestScore>& scores);

}  // namespace prunenet
