// The kinds of decoders, each after its namesake of the tokenizers library, but that bytes which make no UTF-8 stay as
// they are.
#include "tokenizer/decoder.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tokenizer/byte_level.h"
#include "tokenizer/regex.h"
#include "tokenizer/unicode.h"

namespace prunenet::tokenization {
namespace {

constexpr int kMaxNesting = 8;
constexpr size_t kMaxSteps = 32;
constexpr size_t kMaxTextBytes = size_t{1} << 30;

class SpacesBetween final : public Decoder {
 public:
  void apply(std::vector<std::string>& texts) const override {
    for (size_t i = 1; i < texts.size(); ++i) texts[i].insert(0, 1, ' ');
  }
};

class ByteLevelDecoder final : public Decoder {
 public:
  void apply(std::vector<std::string>& texts) const override {
    for (std::string& text : texts) {
      std::string bytes;
      bytes.reserve(text.size());
      bool all = true;
      for (size_t at = 0; at < text.size() && all;) {
        const CodePoint point = code_point_at(text, at);
        const auto byte = byte_level_byte(point.value);
        all = byte.has_value();
        if (byte) bytes += *byte;
        at += point.size_bytes;
      }
      if (all) text = std::move(bytes);  // else it is an added token, which stands for itself
    }
  }
};

class ReplaceDecoder final : public Decoder {
 public:
  ReplaceDecoder(Regex pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(std::vector<std::string>& texts) const override {
    for (std::string& text : texts) pattern_.replace_all(text, content_);
  }

 private:
  Regex pattern_;
  std::string content_;
};

class ByteFallback final : public Decoder {
 public:
  void apply(std::vector<std::string>& texts) const override {
    for (std::string& text : texts) {
      if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') continue;
      const int high = digit(text[3]), low = digit(text[4]);
      if (high >= 0 && low >= 0) text.assign(1, static_cast<char>(high * 16 + low));
    }
  }

 private:
  static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  }
};

class Fuse final : public Decoder {
 public:
  void apply(std::vector<std::string>& texts) const override {
    std::string all;
    for (const std::string& text : texts) all += text;
    texts.assign(1, std::move(all));
  }
};

class StripDecoder final : public Decoder {
 public:
  StripDecoder(std::string content, int32_t start, int32_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  void apply(std::vector<std::string>& texts) const override {
    for (std::string& text : texts) {
      size_t begin = 0, end = text.size();
      for (int32_t i = 0; i < start_ && std::string_view(text).substr(begin).starts_with(content_); ++i)
        begin += content_.size();
      for (int32_t i = 0;
           i < stop_ && end >= begin + content_.size() && std::string_view(text).substr(0, end).ends_with(content_);
           ++i) {
        end -= content_.size();
      }
      text = text.substr(begin, end - begin);
    }
  }

 private:
  std::string content_;
  int32_t start_, stop_;
};

class MetaspaceDecoder final : public Decoder {
 public:
  MetaspaceDecoder(std::string mark, bool drops_first) : mark_(std::move(mark)), drops_first_(drops_first) {}
  void apply(std::vector<std::string>& texts) const override {
    for (size_t i = 0; i < texts.size(); ++i) {
      const std::string space = i == 0 && drops_first_ ? "" : " ";
      for (size_t at = texts[i].find(mark_); at != std::string::npos; at = texts[i].find(mark_, at + space.size())) {
        texts[i].replace(at, mark_.size(), space);
      }
    }
  }

 private:
  std::string mark_;
  bool drops_first_;
};

std::string character(const JsonNode& node) {
  const std::string& text = node.text();
  if (text.empty() || code_point_at(text, 0).size_bytes != text.size()) node.reject("one character");
  return text;
}

void append_steps(const JsonNode& node, Decoders& steps, int nesting) {
  if (nesting > kMaxNesting) fail(ErrorCode::kFormat, node.where(), "sequences nested deeper than {}", kMaxNesting);
  if (steps.size() >= kMaxSteps) fail(ErrorCode::kFormat, node.where(), "more than {} steps", kMaxSteps);
  const std::string& kind = node.kind();
  if (kind == "Sequence") {
    const JsonNode members = node["decoders"];
    for (size_t i = 0; i < members.size(); ++i) append_steps(members.element(i), steps, nesting + 1);
  } else if (kind == "ByteLevel") {
    steps.push_back(std::make_unique<ByteLevelDecoder>());
  } else if (kind == "Replace") {
    steps.push_back(std::make_unique<ReplaceDecoder>(read_pattern(node["pattern"]), node["content"].text()));
  } else if (kind == "ByteFallback") {
    steps.push_back(std::make_unique<ByteFallback>());
  } else if (kind == "Fuse") {
    steps.push_back(std::make_unique<Fuse>());
  } else if (kind == "Strip") {
    steps.push_back(
        std::make_unique<StripDecoder>(character(node["content"]), node["start"].number(), node["stop"].number()));
  } else if (kind == "Metaspace") {
    const bool never = node["prepend_scheme"].text_or("always") == "never" || !node["add_prefix_space"].flag_or(true);
    steps.push_back(std::make_unique<MetaspaceDecoder>(character(node["replacement"]), !never));
  } else {
    fail(ErrorCode::kUnsupported, node.where(), "decoder '{}' is not supported", kind);
  }
}

}  // namespace

std::string joined(const Decoders& steps, std::vector<std::string> texts) {
  for (const auto& step : steps) {
    step->apply(texts);
    size_t size = 0;
    for (const std::string& text : texts) size += text.size();
    if (size > kMaxTextBytes) fail(ErrorCode::kFormat, "decoder", "makes a text of more than {} bytes", kMaxTextBytes);
  }
  std::string all;
  for (const std::string& text : texts) all += text;
  return all;
}

Decoders read_decoder(const JsonNode& node) {
  Decoders steps;
  if (node.present()) {
    append_steps(node, steps, 0);
  } else {
    steps.push_back(std::make_unique<SpacesBetween>());
  }
  return steps;
}

}  // namespace prunenet::tokenization
