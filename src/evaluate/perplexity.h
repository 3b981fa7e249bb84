// Perplexity of text: documents are cut into overlapping or adjoining windows in which every token is scored exactly
// once.
//
// A window holds at most W ids. Where the tokenizer adds BOS, BOS is the first of them and the text follows; else the
// first id is a token of the text, of which the document's very first can never be scored, and later windows begin with
// the token before the first one that they score. So a window scores at most W - 1 tokens, and each window after the
// first ends min(stride, W - 1) tokens after the one before it, or where the document ends. Of its tokens it scores
// those that no window before has scored; all before them are context.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "evaluate/journal.h"
#include "evaluate/scorer.h"
#include "evaluate/text_encoder.h"

namespace prunenet {

struct PerplexityOptions {
  int64_t window = 0;                   // W, at least 2; 0: the model's longest sequence, at most 2048
  int64_t stride = 0;                   // 1 to W; 0: W, windows that share as little as possible
  int64_t max_tokens_per_document = 0;  // ids of a document, BOS included, that are kept; 0: all
  int64_t limit = 0;                    // documents where there is a separator, else windows; 0: all
  std::string separator = {};           // a line that stands between two documents; empty: the file is one document
};

/// One document: its text and its ids, without BOS.
struct Document {
  std::vector<TokenId> ids;
  int64_t num_bytes = 0;  // that these ids stand for
};

struct Window {
  size_t document = 0;
  int64_t first = 0, end = 0;  // tokens of the document that this window scores
};

struct PerplexityPlan {
  std::vector<Document> documents;
  std::vector<Window> windows;  // in the order of the text
  int64_t window = 0, stride = 0;
  std::optional<TokenId> bos;
  int64_t num_cut_documents = 0;
  int64_t num_skipped_documents = 0;  // with fewer than one token that could be scored

  ScoreRequest request(size_t window_index) const;
  /// For score_requests; the plan must outlive it.
  RequestList requests() const;
  int64_t num_tokens() const;  // scored
  int64_t num_bytes() const;
};

/// The documents between lines that are `separator` and nothing else, without the line ends beside those lines; the
/// whole text where `separator` is empty.
std::vector<std::string_view> split_documents(std::string_view text, const std::string& separator);

/// The windows of a document of `num_tokens`, as described above.
std::vector<Window> plan_windows(size_t document, int64_t num_tokens, bool has_bos, int64_t window, int64_t stride);

/// Throws kBadOption for a window or stride that makes no sense; kFormat, naming `where`, for a text that is empty, is
/// no UTF-8 or has no token that could be scored.
PerplexityPlan plan_perplexity(std::string_view text, const std::string& where, const TextEncoder& encoder,
                               const PerplexityOptions& options);

struct PerplexityResult {
  double nll_nats = 0;  // sum over all scored tokens
  int64_t num_tokens = 0;
  double perplexity = 0;     // exp(nll_nats / num_tokens); infinite where that is too large for a number
  double bits_per_byte = 0;  // nll_nats / ln 2 / bytes of the text
};

PerplexityResult perplexity_of(const PerplexityPlan& plan, const std::vector<RequestScore>& scores);

}  // namespace prunenet
