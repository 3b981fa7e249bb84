// Requests of questions, and accuracies.
#include "evaluate/choice_task.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/error.h"
#include "evaluate/text.h"

namespace prunenet {
namespace {

// The scores of all choices out of those of their requests.
std::vector<RequestScore> by_choice(const TaskRequests& requests, const std::vector<RequestScore>& scores) {
  std::vector<RequestScore> sums;
  for (size_t choice = 0; choice + 1 < requests.first.size(); ++choice) {
    RequestScore sum;
    for (size_t i = requests.first[choice]; i < requests.first[choice + 1]; ++i) {
      sum.log_prob += scores[i].log_prob;
      sum.all_greedy = sum.all_greedy && scores[i].all_greedy;
    }
    sums.push_back(sum);
  }
  return sums;
}

size_t largest(const std::vector<double>& values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

std::vector<double> divided(std::vector<double> values, const std::vector<int64_t>& by) {
  for (size_t i = 0; i < values.size(); ++i) values[i] /= static_cast<double>(by[i]);
  return values;
}

ItemResult judge_item(const Question& question, const RequestScore* scores) {
  ItemResult item;
  std::vector<int64_t> characters;
  for (size_t choice = 0; choice < question.num_choices(); ++choice) {
    const std::string& text = question.continuation(choice);
    item.log_likelihoods.push_back(scores[choice].log_prob);
    item.greedy.push_back(scores[choice].all_greedy);
    item.bytes.push_back(std::max<int64_t>(1, static_cast<int64_t>(text.size())));
    characters.push_back(std::max<int64_t>(1, count_characters(text)));
  }
  item.picked = largest(item.log_likelihoods);
  item.picked_norm = largest(divided(item.log_likelihoods, item.bytes));
  if (!question.gold) {
    item.right = item.right_norm = item.right_norm_characters = item.greedy[0];
    return item;
  }
  item.right = item.picked == *question.gold;
  item.right_norm = item.picked_norm == *question.gold;
  item.right_norm_characters = largest(divided(item.log_likelihoods, characters)) == *question.gold;
  return item;
}

class Counter {
 public:
  void add(bool right) {
    ++items_;
    right_ += right;
  }
  int64_t items() const { return items_; }
  Accuracy accuracy() const {
    const auto n = static_cast<double>(items_), k = static_cast<double>(right_);
    Accuracy accuracy{k / n, 0};
    if (items_ > 1) accuracy.standard_error = std::sqrt(k * (n - k) / n / (n - 1) / n);  // variance of zeros and ones
    return accuracy;
  }

 private:
  int64_t items_ = 0, right_ = 0;
};

std::vector<GroupResult> by_group(const TaskData& data, const std::vector<ItemResult>& items) {
  std::vector<std::string> names;
  std::map<std::string, Counter> counters;
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string& name = data.questions[i].group;
    if (!counters.contains(name)) names.push_back(name);
    counters[name].add(items[i].right);
  }
  std::vector<GroupResult> groups;
  for (const std::string& name : names) groups.push_back({name, counters[name].accuracy(), counters[name].items()});
  return groups;
}

}  // namespace

TaskRequests make_requests(const TaskData& data, const TextEncoder& encoder) {
  TaskRequests made;
  for (const Question& question : data.questions) {
    for (size_t choice = 0; choice < question.num_choices(); ++choice) {
      auto pair = encoder.encode_pair(question.context(choice), " " + question.continuation(choice), question.where);
      made.num_cut += pair.cut > 0;
      made.num_split += pair.requests.size() > 1;
      made.first.push_back(made.requests.size());
      std::move(pair.requests.begin(), pair.requests.end(), std::back_inserter(made.requests));
    }
  }
  made.first.push_back(made.requests.size());
  return made;
}

TaskResult judge(const TaskData& data, const TaskRequests& requests, const std::vector<RequestScore>& scores) {
  PRUNENET_CHECK(scores.size() == requests.requests.size());
  const std::vector<RequestScore> choices = by_choice(requests, scores);
  TaskResult result;
  result.task = data.task;
  Counter acc, acc_norm, acc_norm_characters;
  double log_likelihood = 0;
  size_t next = 0;  // of choices
  for (size_t i = 0; i < data.questions.size(); ++i) {
    PRUNENET_CHECK(next + data.questions[i].num_choices() <= choices.size());
    result.items.push_back(judge_item(data.questions[i], &choices[next]));
    next += data.questions[i].num_choices();
    const ItemResult& item = result.items.back();
    acc.add(item.right);
    acc_norm.add(item.right_norm);
    acc_norm_characters.add(item.right_norm_characters);
    log_likelihood += item.log_likelihoods[0];
  }
  result.num_items = acc.items();
  result.acc = acc.accuracy();
  if (task_info(data.task).has_acc_norm) {
    result.acc_norm = acc_norm.accuracy();
    result.acc_norm_characters = acc_norm_characters.accuracy();
  }
  if (data.task == Task::kLambada)
    result.perplexity = std::exp(-log_likelihood / static_cast<double>(result.num_items));
  if (data.task == Task::kMmlu) result.groups = by_group(data, result.items);
  return result;
}

}  // namespace prunenet
