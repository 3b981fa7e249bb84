// Reading the metadata of one GGUF file, with the keys of its architecture and errors that name them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace prunenet {

/// Metadata holds numbers as f32: of one that is an f32, the number of the shortest decimal that gives it, which is
/// what the model's authors wrote (1e-05, not 9.999999747378752e-06).
double shortest_decimal(double value);

class GgufReader {
 public:
  /// `checkpoint` is a GGUF file and must outlive it.
  GgufReader(const Checkpoint& checkpoint, std::string architecture);

  const std::string& where() const { return where_; }
  const std::string& architecture() const { return architecture_; }
  /// "llama.block_count"
  std::string key(std::string_view name) const;
  bool has(std::string_view name) const { return metadata_.has(key(name)); }

  // `name` stands for its key; nothing where that is absent. Throw kFormat for values of another kind or range.
  /// A whole number from `least` to 2^31 - 1.
  std::optional<int64_t> find_size(std::string_view name, int64_t least = 1) const;
  /// From 1 to `most`; throws kFormat where the key is absent.
  int64_t size(std::string_view name, int64_t most = kMaxSize) const;
  std::optional<double> find_number(std::string_view name) const;
  /// A number above 0; throws kFormat where the key is absent.
  double positive(std::string_view name) const;
  bool flag(std::string_view name, bool fallback) const;
  std::optional<std::string> text(std::string_view name) const;
  /// A size of every layer, 0 allowed: one number for all, or an array. Throws kMismatch for one of another length.
  std::optional<std::vector<int64_t>> layer_sizes(std::string_view name, int64_t layers) const;

  static constexpr int64_t kMaxSize = (int64_t{1} << 31) - 1;

 private:
  void require_size(std::string_view name, int64_t value, int64_t least, int64_t most) const;

  const GgufMetadata& metadata_;
  std::string where_, architecture_;
};

/// The sizes that all architectures state. Heads, key-value heads and FFN widths are those of every layer.
struct GgufSizes {
  int64_t layers = 0, hidden = 0, vocab = 0, context = 0, head_dim = 0;
  int64_t rotated = 0;  // numbers of a head that rotary positions turn
  std::vector<int64_t> heads, kv_heads, widths;

  bool uniform() const;
};

/// Throws kFormat and kMismatch for what is missing or contradicts itself, kUnsupported for layers without attention or
/// FFN and for values of another size than keys.
GgufSizes read_gguf_sizes(const Checkpoint& checkpoint, const GgufReader& reader);

}  // namespace prunenet
