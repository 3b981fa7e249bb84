// Results of prunenet eval, for people and for programs.
#include "cli/eval_output.h"

#include <fmt/format.h>

#include "cli/format.h"

namespace prunenet::cli {
namespace {

std::string bos_words(const std::optional<TokenId>& bos) {
  return bos ? fmt::format("BOS (id {}) before each", *bos) : "no BOS";
}

std::string accuracy_words(const std::optional<Accuracy>& accuracy) {
  return accuracy ? fmt::format("{:.4f} ± {:.4f}", accuracy->mean, accuracy->standard_error) : "-";
}

std::string line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json mean_or_null(const std::optional<Accuracy>& accuracy) {
  return accuracy ? Json(accuracy->mean) : Json(nullptr);
}
Json error_or_null(const std::optional<Accuracy>& accuracy) {
  return accuracy ? Json(accuracy->standard_error) : Json(nullptr);
}

Json task_json(const EvalOptions& options, const TaskRun& run) {
  const TaskResult& result = run.result;
  Json json = {{"task", task_info(result.task).name},
               {"acc", result.acc.mean},
               {"acc_norm", mean_or_null(result.acc_norm)},
               {"stderr", result.num_items > 1 ? Json(result.acc.standard_error) : Json(nullptr)},
               {"acc_norm_stderr", error_or_null(result.acc_norm)},
               {"acc_norm_chars", mean_or_null(result.acc_norm_characters)},
               {"num_items", result.num_items},
               {"shots", options.shots},
               {"contexts_cut", run.requests.num_cut},
               {"continuations_split", run.requests.num_split},
               {"layout", run.data.layout},
               {"data_sha256", run.data.sha256},
               {"dtype", options.dtype}};
  if (result.perplexity) json["perplexity"] = *result.perplexity;
  for (const GroupResult& group : result.groups) {
    json["subjects"].push_back({{"subject", group.group},
                                {"acc", group.acc.mean},
                                {"stderr", group.acc.standard_error},
                                {"num_items", group.num_items}});
  }
  return json;
}

Json item_json(const TaskRun& run, size_t index) {
  const Question& question = run.data.questions[index];
  const ItemResult& item = run.result.items[index];
  Json json = {{"task", task_info(run.result.task).name}, {"item", index}, {"where", question.where}};
  if (!question.group.empty()) json["subject"] = question.group;
  json["log_likelihoods"] = item.log_likelihoods;
  json["greedy"] = item.greedy;
  json["bytes"] = item.bytes;
  if (question.gold) {
    json["gold"] = *question.gold;
    json["picked"] = item.picked;
    if (run.result.acc_norm) json["picked_norm"] = item.picked_norm;
  }
  json["right"] = item.right;
  return json;
}

}  // namespace

void print_tasks(const EvalOptions& options, const std::string& model, const std::vector<TaskRun>& runs) {
  fmt::print("{}, {}, {} worked examples\n", model, engine_words(options), options.shots);
  fmt::print("  {:<32}{:>7}   {:<17} {:<17}\n", "task", "items", "acc", "acc_norm (bytes)");
  for (const TaskRun& run : runs) {
    const TaskResult& result = run.result;
    const std::string more = result.perplexity ? fmt::format("   perplexity {:.4g}", *result.perplexity) : "";
    fmt::print("  {:<32}{:>7}   {:<17} {:<17}{}\n", task_info(result.task).name, result.num_items,
               accuracy_words(result.acc), accuracy_words(result.acc_norm), more);
    for (const GroupResult& group : result.groups) {
      fmt::print("    {:<30}{:>7}   {:<17}\n", group.group, group.num_items, accuracy_words(group.acc));
    }
  }
}

void print_perplexity(const EvalOptions& options, const std::string& model, const PerplexityPlan& plan,
                      const PerplexityResult& result) {
  fmt::print("{}, {}\n", model, engine_words(options));
  fmt::print("  perplexity     {:.4f} over {} tokens\n", result.perplexity, result.num_tokens);
  fmt::print("  nll            {:.4f} nats, {:.5f} a token\n", result.nll_nats,
             result.nll_nats / static_cast<double>(result.num_tokens));
  fmt::print("  bits per byte  {:.5f} over {} bytes\n", result.bits_per_byte, plan.num_bytes());
  fmt::print("  windows        {} of at most {} ids, stride {}, {}\n", plan.windows.size(), plan.window, plan.stride,
             bos_words(plan.bos));
  if (!options.perplexity.separator.empty())
    fmt::print("  documents      {}, {} of them cut\n", plan.documents.size(), plan.num_cut_documents);
}

Json tasks_json(const EvalOptions& options, const std::vector<TaskRun>& runs, const std::vector<std::string>& missing) {
  if (runs.size() == 1 && wanted_tasks(options).size() == 1) return task_json(options, runs[0]);
  Json results = Json::array();
  for (const TaskRun& run : runs) results.push_back(task_json(options, run));
  return {{"results", std::move(results)}, {"missing", missing}};
}

Json perplexity_json(const EvalOptions& options, const PerplexityPlan& plan, const PerplexityResult& result) {
  return {{"task", "perplexity"},
          {"nll_nats", result.nll_nats},
          {"num_tokens", result.num_tokens},
          {"perplexity", result.perplexity},
          {"bits_per_byte", result.bits_per_byte},
          {"window", plan.window},
          {"stride", plan.stride},
          {"num_windows", plan.windows.size()},
          {"num_documents", plan.documents.size()},
          {"documents_cut", plan.num_cut_documents},
          {"num_bytes", plan.num_bytes()},
          {"bos", plan.bos ? Json(*plan.bos) : Json(nullptr)},
          {"parse_special", options.parse_special},
          {"dtype", options.dtype}};
}

std::string task_items(const std::vector<TaskRun>& runs) {
  std::string text;
  for (const TaskRun& run : runs) {
    for (size_t index = 0; index < run.data.questions.size(); ++index) text += line(item_json(run, index));
  }
  return text;
}

std::string window_items(const PerplexityPlan& plan, const std::vector<RequestScore>& scores) {
  std::string text;
  for (size_t index = 0; index < plan.windows.size(); ++index) {
    const Window& window = plan.windows[index];
    text += line({{"task", "perplexity"},
                  {"window", index},
                  {"document", window.document},
                  {"first_token", window.first},
                  {"num_tokens", window.end - window.first},
                  {"nll_nats", -scores[index].log_prob}});
  }
  return text;
}

}  // namespace prunenet::cli
