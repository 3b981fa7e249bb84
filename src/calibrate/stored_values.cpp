// Bytes of numbers.
#include "calibrate/stored_values.h"

#include <cstring>

namespace prunenet {
namespace {

void append(std::vector<std::byte>& bytes, const void* data, size_t size) {
  const auto* first = static_cast<const std::byte*>(data);
  bytes.insert(bytes.end(), first, first + size);
}

}  // namespace

void ValueWriter::add(int64_t value) {
  append(bytes_, &value, sizeof value);
}
void ValueWriter::add(double value) {
  append(bytes_, &value, sizeof value);
}
void ValueWriter::add(std::span<const int64_t> values) {
  add(static_cast<int64_t>(values.size()));
  append(bytes_, values.data(), values.size_bytes());
}
void ValueWriter::add(std::span<const double> values) {
  add(static_cast<int64_t>(values.size()));
  append(bytes_, values.data(), values.size_bytes());
}

template <typename Value>
Value ValueReader::take() {
  Value value{};
  good_ = good_ && bytes_.size() >= sizeof value;
  if (!good_) return value;
  std::memcpy(&value, bytes_.data(), sizeof value);
  bytes_ = bytes_.subspan(sizeof value);
  return value;
}

template <typename Value>
std::vector<Value> ValueReader::take_list() {
  const auto count = take<int64_t>();
  good_ = good_ && count >= 0 && static_cast<uint64_t>(count) <= bytes_.size() / sizeof(Value);
  if (!good_ || count == 0) return {};
  std::vector<Value> values(static_cast<size_t>(count));
  std::memcpy(values.data(), bytes_.data(), values.size() * sizeof(Value));
  bytes_ = bytes_.subspan(values.size() * sizeof(Value));
  return values;
}

int64_t ValueReader::whole() {
  return take<int64_t>();
}
double ValueReader::real() {
  return take<double>();
}
std::vector<int64_t> ValueReader::wholes() {
  return take_list<int64_t>();
}
std::vector<double> ValueReader::reals() {
  return take_list<double>();
}

void put_number(ResultStore& store, const std::string& name, double value) {
  ValueWriter writer;
  writer.add(value);
  store.put(name, writer.bytes());
}

std::optional<double> find_number(const ResultStore& store, const std::string& name) {
  const auto bytes = store.find(name);
  if (!bytes) return std::nullopt;
  ValueReader reader(*bytes);
  const double value = reader.real();
  if (!reader.is_whole()) return std::nullopt;
  return value;
}

void put_texts(ResultStore& store, const std::string& name, const std::vector<std::vector<TokenId>>& texts) {
  ValueWriter writer;
  writer.add(static_cast<int64_t>(texts.size()));
  for (const auto& ids : texts) writer.add(std::vector<int64_t>(ids.begin(), ids.end()));
  store.put(name, writer.bytes());
}

std::optional<std::vector<std::vector<TokenId>>> find_texts(const ResultStore& store, const std::string& name,
                                                            int64_t most, int64_t vocab) {
  const auto bytes = store.find(name);
  if (!bytes) return std::nullopt;
  ValueReader reader(*bytes);
  std::vector<std::vector<TokenId>> texts;
  const int64_t count = reader.whole();
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<int64_t> ids = reader.wholes();
    if (ids.empty() || static_cast<int64_t>(ids.size()) > most) return std::nullopt;  // also where the part ends early
    for (const int64_t id : ids) {
      if (id < 0 || id >= vocab) return std::nullopt;
    }
    texts.emplace_back(ids.begin(), ids.end());
  }
  if (!reader.is_whole()) return std::nullopt;
  return texts;
}

}  // namespace prunenet
