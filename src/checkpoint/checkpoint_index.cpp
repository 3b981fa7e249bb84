// Parsing the shard index, event-driven like the safetensors header: hostile nesting costs nothing.
#include "checkpoint/checkpoint_index.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace prunenet {
namespace {

using Json = nlohmann::json;

// JSON events of {"metadata": {anything flat}, "weight_map": {"tensor": "file"}}.
class IndexEvents final : public Json::json_sax_t {
 public:
  IndexEvents(std::map<std::string, std::string>& map, const std::string& where) : map_(map), where_(where) {}

  bool start_object(size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(size_t) override {
    if (in_map_) reject_map();
    return open();
  }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    if (depth_ == 1) {
      in_map_ = key == "weight_map";
      if (in_map_ && has_map_) fail(ErrorCode::kFormat, where_, "'weight_map' stands twice");
      has_map_ |= in_map_;
    } else if (in_map_) {
      tensor_ = key;
    }
    return true;
  }
  bool string(string_t& value) override {
    if (!in_map_) return true;
    if (depth_ != 2) reject_map();
    if (!map_.emplace(tensor_, value).second) {
      fail(ErrorCode::kFormat, where_, "tensor '{}' stands twice in the weight_map", tensor_);
    }
    return true;
  }
  bool null() override { return scalar(); }
  bool boolean(bool) override { return scalar(); }
  bool number_integer(number_integer_t) override { return scalar(); }
  bool number_unsigned(number_unsigned_t) override { return scalar(); }
  bool number_float(number_float_t, const string_t&) override { return scalar(); }
  bool binary(binary_t&) override { return scalar(); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail(ErrorCode::kFormat, where_, "is no JSON: wrong at byte {}", position);
  }
  bool has_map() const { return has_map_; }

 private:
  bool open() {
    if (++depth_ > 8) fail(ErrorCode::kFormat, where_, "nested deeper than any index");
    if (in_map_ && depth_ > 2) reject_map();
    return true;
  }
  bool close() {
    --depth_;
    return true;
  }
  bool scalar() {
    if (in_map_) reject_map();
    return true;
  }
  [[noreturn]] void reject_map() const { fail(ErrorCode::kFormat, where_, "'weight_map' is not an object of texts"); }

  std::map<std::string, std::string>& map_;
  const std::string& where_;
  std::string tensor_;
  int depth_ = 0;
  bool in_map_ = false, has_map_ = false;
};

}  // namespace

std::map<std::string, std::string> parse_shard_index(std::string_view text, const std::string& where) {
  std::map<std::string, std::string> map;
  // The parser would take a zero byte for the end of the text and overlook what follows.
  const size_t zero = text.find('\0');
  if (zero != text.npos) fail(ErrorCode::kFormat, where, "is no JSON: zero byte at {}", zero);
  IndexEvents events(map, where);
  if (!Json::sax_parse(text.begin(), text.end(), &events)) fail(ErrorCode::kFormat, where, "is no JSON");
  if (!events.has_map() || map.empty()) fail(ErrorCode::kFormat, where, "has no 'weight_map' with tensors in it");
  return map;
}

}  // namespace prunenet
