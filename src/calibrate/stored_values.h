// Numbers as the parts of a result: written in full, so that a run that goes on has the same bits, and read with
// suspicion, since a store may be a folder on a disk.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result_store.h"
#include "base/token_id.h"

namespace prunenet {

class ValueWriter {
 public:
  void add(int64_t value);
  void add(double value);
  /// Its length, then its values.
  void add(std::span<const int64_t> values);
  void add(std::span<const double> values);
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// Gives the values in the order in which they were written. What is not there is 0 or empty, and `is_whole` false.
class ValueReader {
 public:
  explicit ValueReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  int64_t whole();
  double real();
  std::vector<int64_t> wholes();
  std::vector<double> reals();
  /// All was there, and nothing is left.
  bool is_whole() const { return good_ && bytes_.empty(); }

 private:
  template <typename Value>
  Value take();
  template <typename Value>
  std::vector<Value> take_list();

  std::span<const std::byte> bytes_;
  bool good_ = true;
};

/// A number of its own.
void put_number(ResultStore& store, const std::string& name, double value);
std::optional<double> find_number(const ResultStore& store, const std::string& name);

/// Sequences of ids. Found ones have from 1 to `most` ids each, all in [0, vocab).
void put_texts(ResultStore& store, const std::string& name, const std::vector<std::vector<TokenId>>& texts);
std::optional<std::vector<std::vector<TokenId>>> find_texts(const ResultStore& store, const std::string& name,
                                                            int64_t most, int64_t vocab);

}  // namespace prunenet
