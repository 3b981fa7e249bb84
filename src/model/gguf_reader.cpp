// Typed access to metadata, and the sizes of a model.
#include "model/gguf_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace prunenet {
namespace {

constexpr int64_t kMaxLayers = 100'000;

int64_t vocabulary_size(const Checkpoint& checkpoint, const GgufReader& reader) {
  // The rows of the embedding are what runs; a vocabulary may be filled up.
  if (const Checkpoint::Entry* embedding = checkpoint.find("token_embd.weight")) {
    const std::vector<int64_t>& shape = embedding->stored.spec.shape;
    if (shape.size() == 2 && shape[0] >= 1 && shape[0] <= GgufReader::kMaxSize) return shape[0];
  }
  const GgufValue* tokens = checkpoint.gguf()->metadata().find("tokenizer.ggml.tokens");
  if (tokens != nullptr && tokens->length() >= 1 && tokens->length() <= static_cast<uint64_t>(GgufReader::kMaxSize))
    return static_cast<int64_t>(tokens->length());
  return reader.size("vocab_size");
}

}  // namespace

double shortest_decimal(double value) {
  const float narrowed = static_cast<float>(value);
  if (!std::isfinite(value) || static_cast<double>(narrowed) != value) return value;
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, narrowed);
  double decimal = value;
  std::from_chars(text, end.ptr, decimal);
  return decimal;
}

GgufReader::GgufReader(const Checkpoint& checkpoint, std::string architecture)
    : metadata_(checkpoint.gguf()->metadata()),
      where_(checkpoint.config_where()),
      architecture_(std::move(architecture)) {}

std::string GgufReader::key(std::string_view name) const {
  return fmt::format("{}.{}", architecture_, name);
}

std::optional<int64_t> GgufReader::find_size(std::string_view name, int64_t least) const {
  const auto value = metadata_.integer(key(name), where_);
  if (value) require_size(name, *value, least, kMaxSize);
  return value;
}

int64_t GgufReader::size(std::string_view name, int64_t most) const {
  const auto value = metadata_.integer(key(name), where_);
  if (!value) fail(ErrorCode::kFormat, where_, "lacks '{}'", key(name));
  require_size(name, *value, 1, most);
  return *value;
}

std::optional<double> GgufReader::find_number(std::string_view name) const {
  const auto value = metadata_.number(key(name), where_);
  if (!value) return std::nullopt;
  if (!std::isfinite(*value)) fail(ErrorCode::kFormat, where_, "'{}' is {}, expected a number", key(name), *value);
  return shortest_decimal(*value);
}

double GgufReader::positive(std::string_view name) const {
  const auto value = find_number(name);
  if (!value) fail(ErrorCode::kFormat, where_, "lacks '{}'", key(name));
  if (!(*value > 0)) fail(ErrorCode::kFormat, where_, "'{}' is {}, expected a number above 0", key(name), *value);
  return *value;
}

bool GgufReader::flag(std::string_view name, bool fallback) const {
  return metadata_.flag(key(name), where_).value_or(fallback);
}

std::optional<std::string> GgufReader::text(std::string_view name) const {
  return metadata_.text(key(name), where_);
}

std::optional<std::vector<int64_t>> GgufReader::layer_sizes(std::string_view name, int64_t layers) const {
  const GgufValue* found = metadata_.find(key(name));
  if (found == nullptr) return std::nullopt;
  if (found->type != GgufType::kArray) return std::vector<int64_t>(static_cast<size_t>(layers), *find_size(name, 0));
  if (found->length() != static_cast<uint64_t>(layers)) {
    fail(ErrorCode::kMismatch, where_, "'{}' has {} entries for {} layers", key(name), found->length(), layers);
  }
  auto sizes = metadata_.integers(key(name), where_);
  for (int64_t size : *sizes) require_size(name, size, 0, kMaxSize);
  return sizes;
}

void GgufReader::require_size(std::string_view name, int64_t value, int64_t least, int64_t most) const {
  if (value >= least && value <= most) return;
  fail(ErrorCode::kFormat, where_, "'{}' is {}, expected a whole number from {} to {}", key(name), value, least, most);
}

bool GgufSizes::uniform() const {
  const auto same = [](const std::vector<int64_t>& sizes) {
    return std::all_of(sizes.begin(), sizes.end(), [&](int64_t size) { return size == sizes.front(); });
  };
  return same(heads) && same(kv_heads) && same(widths);
}

GgufSizes read_gguf_sizes(const Checkpoint& checkpoint, const GgufReader& reader) {
  GgufSizes sizes;
  sizes.layers = reader.size("block_count", kMaxLayers);
  if (static_cast<size_t>(sizes.layers) > checkpoint.tensors().size()) {
    fail(ErrorCode::kMismatch, reader.where(), "'{}' is {}, and the file holds {} tensors", reader.key("block_count"),
         sizes.layers, checkpoint.tensors().size());
  }
  sizes.hidden = reader.size("embedding_length");
  sizes.vocab = vocabulary_size(checkpoint, reader);
  sizes.context = reader.size("context_length");
  const auto required = [&](std::string_view name) {
    auto values = reader.layer_sizes(name, sizes.layers);
    if (!values) fail(ErrorCode::kFormat, reader.where(), "lacks '{}'", reader.key(name));
    return std::move(*values);
  };
  sizes.heads = required("attention.head_count");
  sizes.widths = required("feed_forward_length");
  sizes.kv_heads = reader.layer_sizes("attention.head_count_kv", sizes.layers).value_or(sizes.heads);
  for (size_t layer = 0; layer < sizes.heads.size(); ++layer) {
    const auto refuse_absent = [&](std::string_view name, int64_t size) {
      if (size != 0) return;
      fail(ErrorCode::kUnsupported, reader.where(),
           "'{}' is 0 in layer {}: layers without attention or FFN, or with a linear map in their place, are not "
           "supported yet",
           reader.key(name), layer);
    };
    refuse_absent("attention.head_count", sizes.heads[layer]);
    refuse_absent("attention.head_count_kv", sizes.kv_heads[layer]);
    refuse_absent("feed_forward_length", sizes.widths[layer]);
    if (sizes.heads[layer] % sizes.kv_heads[layer] != 0) {
      fail(ErrorCode::kMismatch, reader.where(), "'{}' is {} and '{}' is {} in layer {}, which does not divide it",
           reader.key("attention.head_count"), sizes.heads[layer], reader.key("attention.head_count_kv"),
           sizes.kv_heads[layer], layer);
    }
  }
  sizes.head_dim = reader.find_size("attention.key_length").value_or(sizes.hidden / sizes.heads.front());
  const int64_t value_dim = reader.find_size("attention.value_length").value_or(sizes.hidden / sizes.heads.front());
  if (value_dim != sizes.head_dim) {
    fail(ErrorCode::kUnsupported, reader.where(),
         "heads have {} numbers of keys and {} of values ('{}', '{}'): they must be as many", sizes.head_dim, value_dim,
         reader.key("attention.key_length"), reader.key("attention.value_length"));
  }
  if (sizes.head_dim < 1) {
    fail(ErrorCode::kMismatch, reader.where(), "states {} heads for a hidden size of {}", sizes.heads.front(),
         sizes.hidden);
  }
  sizes.rotated = reader.find_size("rope.dimension_count").value_or(sizes.head_dim);
  return sizes;
}

}  // namespace prunenet
