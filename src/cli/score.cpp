// prunenet score: what a model says of given tokens, number by number, for checks against other programs.
#include <fmt/format.h>

#include <cmath>

#include "cli/engine_options.h"
#include "cli/token_input.h"
#include "generate/generate.h"

namespace prunenet::cli {
namespace {

constexpr size_t kGreedyPrompt = 8;
constexpr int64_t kGreedyTokens = 16;

struct ScoreOptions : EngineVerbOptions {
  std::string model, ids, text;
  bool from_text = false;
};

struct Scored {
  std::vector<double> token_nll;  // of ids 1 .. n-1
  double nll_sum = 0;
  std::vector<float> logits_last;
  std::vector<TokenId> greedy;
};

Scored score_ids(Engine& engine, const ModelDescription& model, const std::vector<TokenId>& ids) {
  Scored scored;
  const ScoreRequest request{ids, 1};
  const auto scores = engine.score(std::span(&request, 1));
  for (const TokenScore& token : scores.front()) {
    scored.token_nll.push_back(-static_cast<double>(token.log_prob));
    scored.nll_sum += scored.token_nll.back();
  }
  const auto session = engine.open_session(1, static_cast<int64_t>(ids.size()));
  scored.logits_last = session->append(std::span(&ids, 1)).values;

  const std::vector<TokenId> prompt(ids.begin(),
                                    ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), kGreedyPrompt)));
  const auto length = static_cast<int64_t>(prompt.size());
  GenerateOptions greedy;  // no token stops it: 16 ids, or as many as the context holds
  greedy.max_tokens = model.max_context > 0 ? std::min(kGreedyTokens, model.max_context - length) : kGreedyTokens;
  scored.greedy = generate(engine, std::span(&prompt, 1), greedy).front().ids;
  return scored;
}

std::string said(const Tokenizer* tokenizer, std::span<const TokenId> ids) {
  if (tokenizer == nullptr) return "";
  return Json(text_of(*tokenizer, ids)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void print_scored(const OpenModel& open, const Tokenizer* tokenizer, const std::vector<TokenId>& ids,
                  const Scored& scored) {
  const auto count = static_cast<double>(scored.token_nll.size());
  fmt::print("{}: {} tokens\n", open.name(), ids.size());
  fmt::print("  token     NLL, nats  of the token given those before it\n");
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string nll = i == 0 ? "-" : fmt::format("{:.6f}", scored.token_nll[i - 1]);
    fmt::print("  {:>6}  {:>12}  {}\n", ids[i], nll, said(tokenizer, std::span(ids).subspan(i, 1)));
  }
  fmt::print("  sum     {:>12.6f}{}\n", scored.nll_sum,
             count > 0 ? fmt::format("  perplexity {:.4f}", std::exp(scored.nll_sum / count)) : "");
  const TokenId next = greedy_token(scored.logits_last);
  fmt::print("  likeliest next: {} {}\n", next, said(tokenizer, std::span(&next, 1)));
  fmt::print("  greedy after the first {}: {} {}\n", std::min(ids.size(), kGreedyPrompt), fmt::join(scored.greedy, ","),
             said(tokenizer, scored.greedy));
}

void score(const ScoreOptions& options) {
  const auto progress = make_progress(options);
  const OpenModel open(options.model);
  const auto tokenizer = options.from_text ? require_tokenizer(open, "--ids") : find_tokenizer(open);
  const std::string where = options.from_text ? "--text" : "--ids";
  const std::vector<TokenId> ids =
      options.from_text ? encode_text(*tokenizer, options.text, where) : parse_ids(options.ids);
  check_ids(ids, open.model, where);
  const auto engine = open_engine(open, options, *progress);
  const Scored scored = score_ids(*engine, open.model, ids);
  if (!options.json) {
    print_scored(open, tokenizer.get(), ids, scored);
    return;
  }
  print_json({{"model", open.name()},
              {"ids", ids},
              {"nll_sum_nats", scored.nll_sum},
              {"token_nll", scored.token_nll},
              {"logits_last", scored.logits_last},
              {"greedy", scored.greedy}});
}

}  // namespace

void add_score(CLI::App& program, Action& action) {
  auto options = std::make_shared<ScoreOptions>();
  CLI::App* verb = program.add_subcommand(
      "score", "What the model says of given tokens: their NLL, the logits after the last, and a greedy continuation");
  verb->add_option("MODEL", options->model, "Hugging Face folder, or a GGUF file")->required();
  CLI::Option* ids = verb->add_option("--ids", options->ids, "Token ids, taken as they are")->check(id_list());
  CLI::Option* text = verb->add_option("--text", options->text, "Text, which the model's tokenizer turns into ids");
  ids->excludes(text);
  add_engine_options(*verb, *options);
  verb->footer(
      "The NLL of a token is -log of its probability given those before it, in nats; the first token has none. The "
      "greedy\n"
      "continuation is of 16 tokens after the first 8 ids (all of them where there are fewer); nothing stops it "
      "early.\n"
      "Examples:\n"
      "  prunenet score ./Llama-2-7b-hf --ids 1,9038,2501,263,931\n"
      "  prunenet score ./Llama-2-7b-hf --text \"Once upon a time\" --json");
  verb->callback([options, ids, text, &action] {
    options->from_text = text->count() > 0;
    if (ids->count() + text->count() == 0) throw CLI::RequiredError("--ids or --text");
    action = [options] { score(*options); };
  });
}

}  // namespace prunenet::cli
