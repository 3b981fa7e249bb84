// Regex: PCRE2 with JIT where the system allows it, and bounds on time and memory.
#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "base/error.h"

namespace prunenet::tokenization {
namespace {

constexpr size_t kMaxPatternBytes = 16384;
constexpr size_t kMaxGrowth = 32;  // of a text by a replacement
constexpr size_t kJitStackBytes = size_t{8} << 20;
constexpr uint32_t kHeapLimitKib = 64 << 10;

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

// What PCRE2 would take for something else than Oniguruma does, if anything.
std::string_view foreign_part(std::string_view pattern) {
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const std::string_view rest = pattern.substr(i);
    if (pattern[i] == '\\') {
      if (rest.size() > 1 && std::string_view("hHKCNQE").find(rest[1]) != std::string_view::npos)
        return rest.substr(0, 2);
      ++i;
      if (rest.size() > 2 && rest[2] == '{') i = std::min(pattern.size(), pattern.find('}', i));  // \p{L}, \x{20}
    } else if (in_class) {
      if (rest.starts_with("&&") || (rest[0] == '[' && !rest.starts_with("[:"))) return rest.substr(0, 2);
      if (rest.starts_with("[:")) {
        const size_t end = pattern.find(":]", i);
        if (end == pattern.npos) return rest.substr(0, 2);
        i = end + 1;
      } else if (rest[0] == ']') {
        in_class = false;
      }
    } else if (rest[0] == '[') {
      in_class = true;
      if (rest.starts_with("[^")) ++i;
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') return rest.substr(0, 2);
    } else if (rest.starts_with("}+") || rest.starts_with("(*") || rest.starts_with("(?m") || rest.starts_with("(?s")) {
      return rest.substr(0, std::min<size_t>(3, rest.size()));
    }
  }
  return {};
}

// What Oniguruma and llama.cpp call a space (White_Space of Unicode), and the rest, as members of a class. PCRE2's own
// \s takes U+180E too.
constexpr std::string_view kSpaceMembers =
    R"(\t-\r\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kOtherMembers =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e})"
    R"(\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";

std::string with_spaces_spelled_out(std::string_view pattern) {
  std::string spelled;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char kind = pattern[++i];
      if (kind != 's' && kind != 'S') {
        spelled.append({c, kind});
        continue;
      }
      const std::string_view members = kind == 's' ? kSpaceMembers : kOtherMembers;
      spelled.append(in_class ? "" : "[").append(members).append(in_class ? "" : "]");
      continue;
    }
    if (in_class && pattern.substr(i).starts_with("[:")) {  // [:alpha:]
      const size_t end = pattern.find(":]", i) + 2;         // it is there, as foreign_part has seen
      spelled.append(pattern.substr(i, end - i));
      i = end - 1;
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    spelled += c;
  }
  return spelled;
}

// What a match needs besides the expression; one a thread, because a text has many short matches.
struct Scratch {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 << 10, kJitStackBytes, nullptr);

  Scratch() {
    if (!data || !context) throw std::bad_alloc();
    if (stack) pcre2_jit_stack_assign(context, nullptr, stack);
    pcre2_set_heap_limit(context, kHeapLimitKib);
  }
  ~Scratch() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

Scratch& scratch() {
  thread_local Scratch mine;
  return mine;
}

}  // namespace

struct Regex::Code {
  pcre2_code* compiled = nullptr;

  Code() = default;
  ~Code() { pcre2_code_free(compiled); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
};

Regex::Regex(const std::string& pattern, const std::string& where) : where_(where) {
  if (pattern.size() > kMaxPatternBytes) {
    fail(ErrorCode::kFormat, where, "regular expression of {} bytes, expected at most {}", pattern.size(),
         kMaxPatternBytes);
  }
  if (const std::string_view foreign = foreign_part(pattern); !foreign.empty()) {
    fail(ErrorCode::kUnsupported, where, "'{}' in the regular expression {} is not supported", foreign, pattern);
  }
  auto code = std::make_shared<Code>();
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  if (!context) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  const auto compile = [&](const std::string& text) {
    // In Ruby's syntax ^ and $ stand at every line.
    return pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                         PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                         context.get());
  };
  code->compiled = compile(pattern);  // as it stands first: an error is to name its place in it
  if (!code->compiled) {
    fail(ErrorCode::kFormat, where, "regular expression {} is wrong at character {}: {}", pattern, offset,
         message_of(error));
  }
  if (const std::string spelled = with_spaces_spelled_out(pattern); spelled != pattern) {
    pcre2_code_free(std::exchange(code->compiled, nullptr));
    code->compiled = compile(spelled);
    if (!code->compiled) {
      fail(ErrorCode::kUnsupported, where, "the spaces in the regular expression {} cannot be spelled out: {}", pattern,
           message_of(error));
    }
  }
  pcre2_jit_compile(code->compiled, PCRE2_JIT_COMPLETE);  // where the system forbids it, matching is only slower
  code_ = std::move(code);
}

Regex Regex::literal(std::string_view text, const std::string& where) {
  Regex regex;
  regex.literal_ = text;
  regex.where_ = where;
  return regex;
}

void Regex::find_all(std::string_view text, std::vector<Span>& matches) const {
  matches.clear();
  if (!code_) {
    if (literal_.empty()) return;
    for (size_t at = text.find(literal_); at != text.npos; at = text.find(literal_, at + literal_.size())) {
      matches.push_back({at, at + literal_.size()});
    }
    return;
  }
  Scratch& mine = scratch();
  const size_t steps = 100'000 + 16 * std::min<size_t>(text.size(), 100'000'000);
  pcre2_set_match_limit(mine.context, static_cast<uint32_t>(steps));
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(mine.data);
  for (size_t from = 0; from <= text.size();) {
    const int found = pcre2_match(code_->compiled, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                  PCRE2_NO_UTF_CHECK, mine.data, mine.context);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) fail(ErrorCode::kFormat, where_, "the regular expression cannot be applied: {}", message_of(found));
    const Span match{ends[0], ends[1]};
    if (match.empty() && !matches.empty() && matches.back().end == match.end) {
      if (from >= text.size()) break;
      from += code_point_at(text, from).size_bytes;
      continue;
    }
    matches.push_back(match);
    from = match.end;
  }
}

void Regex::replace_all(std::string& text, std::string_view content) const {
  std::vector<Span> matches;
  find_all(text, matches);
  if (matches.empty()) return;
  if (matches.size() * content.size() > kMaxGrowth * text.size() + 4096) {
    fail(ErrorCode::kFormat, where_, "the replacement makes the text more than {} times as long", kMaxGrowth);
  }
  std::string out;
  out.reserve(text.size());
  size_t kept = 0;
  for (const Span& match : matches) {
    out.append(text, kept, match.begin - kept).append(content);
    kept = match.end;
  }
  text = std::move(out.append(text, kept));
}

Regex read_pattern(const JsonNode& node) {
  if (const JsonNode regex = node["Regex"]; regex.present()) return Regex(regex.text(), regex.where());
  return Regex::literal(node["String"].text(), node.where());
}

}  // namespace prunenet::tokenization
