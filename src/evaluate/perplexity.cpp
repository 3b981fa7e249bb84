// Windows and their sum.
#include "evaluate/perplexity.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "evaluate/text.h"

namespace prunenet {
namespace {

constexpr int64_t kDefaultWindow = 2048;

int64_t resolved_window(const PerplexityOptions& options, int64_t max_context) {
  if (options.window == 0) return max_context > 0 ? std::min(kDefaultWindow, max_context) : kDefaultWindow;
  if (options.window < 2) fail(ErrorCode::kBadOption, "--window", "must be at least 2: a token and one before it");
  if (max_context > 0 && options.window > max_context) {
    fail(ErrorCode::kBadOption, "--window", "{} ids, but the model sees no more than {} at once", options.window,
         max_context);
  }
  return options.window;
}

int64_t resolved_stride(const PerplexityOptions& options, int64_t window) {
  if (options.stride == 0) return window;
  if (options.stride < 0 || options.stride > window) {
    fail(ErrorCode::kBadOption, "--stride", "{} is not from 1 to the window of {}; more would leave tokens out",
         options.stride, window);
  }
  return options.stride;
}

// What is left of a document is counted in bytes by what its ids stand for.
void cut_document(Document& document, int64_t keep, const Tokenizer& tokenizer) {
  document.ids.resize(static_cast<size_t>(keep));
  document.num_bytes = std::min(document.num_bytes, static_cast<int64_t>(tokenizer.decode(document.ids, true).size()));
}

void add_document(PerplexityPlan& plan, std::string_view text, const TextEncoder& encoder,
                  const PerplexityOptions& options) {
  Document document{encoder.encode(text), static_cast<int64_t>(text.size())};
  const int64_t bos = plan.bos ? 1 : 0;
  const int64_t limit = options.max_tokens_per_document > 0 ? options.max_tokens_per_document - bos : INT64_MAX;
  if (static_cast<int64_t>(document.ids.size()) > limit) {
    cut_document(document, limit, encoder.tokenizer());
    ++plan.num_cut_documents;
  }
  auto windows = plan_windows(plan.documents.size(), static_cast<int64_t>(document.ids.size()), plan.bos.has_value(),
                              plan.window, plan.stride);
  if (windows.empty()) {
    ++plan.num_skipped_documents;
    return;
  }
  if (options.separator.empty() && options.limit > 0 && static_cast<int64_t>(windows.size()) > options.limit) {
    windows.resize(static_cast<size_t>(options.limit));
    cut_document(document, windows.back().end, encoder.tokenizer());
    ++plan.num_cut_documents;
  }
  plan.documents.push_back(std::move(document));
  plan.windows.insert(plan.windows.end(), windows.begin(), windows.end());
}

}  // namespace

std::vector<std::string_view> split_documents(std::string_view text, const std::string& separator) {
  if (separator.empty()) return {text};
  std::vector<std::string_view> documents;
  size_t begin = 0;
  const auto add = [&](size_t end) {
    std::string_view document = text.substr(begin, end > begin ? end - begin : 0);
    if (document.ends_with('\n')) document.remove_suffix(1);
    if (document.ends_with('\r')) document.remove_suffix(1);
    documents.push_back(document);
  };
  for (size_t line = 0; line < text.size();) {
    const size_t end = std::min(text.find('\n', line), text.size());
    std::string_view content = text.substr(line, end - line);
    if (content.ends_with('\r')) content.remove_suffix(1);
    if (content == separator) {
      add(line);
      begin = std::min(end + 1, text.size());
    }
    line = end + 1;
  }
  add(text.size());
  std::erase_if(documents, [](std::string_view document) { return strip(document).empty(); });
  return documents;
}

std::vector<Window> plan_windows(size_t document, int64_t num_tokens, bool has_bos, int64_t window, int64_t stride) {
  const int64_t capacity = window - 1;  // tokens that a window can score
  const int64_t step = std::min(stride, capacity);
  std::vector<Window> windows;
  int64_t scored = has_bos ? 0 : 1;  // tokens behind us
  while (scored < num_tokens) {
    const int64_t end = std::min(num_tokens, scored + (windows.empty() ? capacity : step));
    windows.push_back({document, scored, end});
    scored = end;
  }
  return windows;
}

PerplexityPlan plan_perplexity(std::string_view text, const std::string& where, const TextEncoder& encoder,
                               const PerplexityOptions& options) {
  PerplexityPlan plan;
  plan.window = resolved_window(options, encoder.max_context());
  plan.stride = resolved_stride(options, plan.window);
  plan.bos = encoder.bos();
  if (options.max_tokens_per_document == 1)
    fail(ErrorCode::kBadOption, "--max-tokens-per-document", "must be at least 2: a token and one before it");
  if (text.empty()) fail(ErrorCode::kFormat, where, "the file is empty: there is no text to score");
  if (const auto bad = first_bad_utf8(text))
    fail(ErrorCode::kFormat, where, "byte {} is no UTF-8; the text must be UTF-8", *bad);
  std::vector<std::string_view> documents = split_documents(text, options.separator);
  if (!options.separator.empty() && documents.size() == 1 && text.find(options.separator) == text.npos) {
    fail(ErrorCode::kBadOption, "--separator", "no line of '{}' is '{}'", where, options.separator);
  }
  if (!options.separator.empty() && options.limit > 0 && static_cast<int64_t>(documents.size()) > options.limit) {
    documents.resize(static_cast<size_t>(options.limit));
  }
  for (const std::string_view document : documents) add_document(plan, document, encoder, options);
  if (plan.windows.empty()) {
    fail(ErrorCode::kFormat, where, "nothing to score: {}",
         plan.bos ? "no document has a token" : "every document is a single token, and nothing stands before it");
  }
  return plan;
}

ScoreRequest PerplexityPlan::request(size_t window_index) const {
  const Window& scored = windows[window_index];
  const std::vector<TokenId>& ids = documents[scored.document].ids;
  const int64_t text_ids = window - (bos ? 1 : 0);  // room for text in a window
  const int64_t begin = std::max<int64_t>(0, scored.end - text_ids);
  ScoreRequest request;
  request.ids.reserve(static_cast<size_t>(window));
  request.ids.assign(ids.begin() + begin, ids.begin() + scored.end);
  if (bos) request.ids.insert(request.ids.begin(), *bos);
  request.first_scored = (bos ? 1 : 0) + scored.first - begin;
  return request;
}

RequestList PerplexityPlan::requests() const {
  RequestList list;
  list.stage = "perplexity";
  const int64_t text_ids = window - (bos ? 1 : 0);
  for (const Window& scored : windows) list.lengths.push_back((bos ? 1 : 0) + std::min(text_ids, scored.end));
  list.get = [this](size_t index) { return request(index); };
  return list;
}

int64_t PerplexityPlan::num_tokens() const {
  int64_t count = 0;
  for (const Window& scored : windows) count += scored.end - scored.first;
  return count;
}

int64_t PerplexityPlan::num_bytes() const {
  int64_t count = 0;
  for (const Document& document : documents) count += document.num_bytes;
  return count;
}

PerplexityResult perplexity_of(const PerplexityPlan& plan, const std::vector<RequestScore>& scores) {
  PRUNENET_CHECK(scores.size() == plan.windows.size());
  PerplexityResult result;
  for (const RequestScore& score : scores) result.nll_nats -= score.log_prob;
  result.num_tokens = plan.num_tokens();
  result.perplexity = std::exp(result.nll_nats / static_cast<double>(result.num_tokens));
  result.bits_per_byte =
      result.nll_nats / std::numbers::ln2 / static_cast<double>(std::max<int64_t>(1, plan.num_bytes()));
  return result;
}

}  // namespace prunenet
