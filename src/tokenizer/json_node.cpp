// JsonNode: nlohmann's document with bounds on size and depth.
#include "tokenizer/json_node.h"

#include "base/file.h"

namespace prunenet::tokenization {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{128} << 20;  // several times the largest known
constexpr int kMaxDepth = 32;

}  // namespace

JsonNode::JsonNode(std::shared_ptr<const Json> root, const Json* json, std::string file, std::string path)
    : root_(std::move(root)),
      json_(json && json->is_null() ? nullptr : json),
      file_(std::move(file)),
      path_(std::move(path)) {}

JsonNode JsonNode::parse(std::string_view text, const std::string& file) {
  const auto bound_depth = [&](int depth, Json::parse_event_t event, Json&) {
    if (depth > kMaxDepth &&
        (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start)) {
      fail(ErrorCode::kFormat, file, "nested deeper than {} levels", kMaxDepth);
    }
    return true;
  };
  // The parser would take a zero byte for the end of the text and overlook what follows.
  if (const size_t zero = text.find('\0'); zero != text.npos)
    fail(ErrorCode::kFormat, file, "is no JSON: zero byte at {}", zero);
  std::shared_ptr<const Json> root;
  try {
    root = std::make_shared<const Json>(Json::parse(text.begin(), text.end(), bound_depth));
  } catch (const Json::exception& error) {
    fail(ErrorCode::kFormat, file, "is no JSON: {}", error.what());
  }
  if (!root->is_object()) fail(ErrorCode::kFormat, file, "is not a JSON object");
  const Json* json = root.get();
  return JsonNode(std::move(root), json, file, "");
}

JsonNode JsonNode::read(const std::filesystem::path& path) {
  return parse(read_text_file(path, kMaxBytes), path.string());
}

JsonNode JsonNode::of(Json object, const std::string& file) {
  auto root = std::make_shared<const Json>(std::move(object));
  const Json* json = root.get();
  return JsonNode(std::move(root), json, file, "");
}

const JsonNode::Json& JsonNode::json() const {
  if (!json_) fail(ErrorCode::kFormat, where(), "is missing");
  return *json_;
}

JsonNode JsonNode::operator[](std::string_view key) const {
  std::string path = path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  if (!json().is_object()) reject("an object");
  const auto found = json_->find(key);
  return JsonNode(root_, found == json_->end() ? nullptr : &*found, file_, std::move(path));
}

JsonNode JsonNode::element(size_t index) const {
  if (index >= size()) fail(ErrorCode::kFormat, where(), "has {} elements, expected at least {}", size(), index + 1);
  return JsonNode(root_, &(*json_)[index], file_, path_ + "[" + std::to_string(index) + "]");
}

size_t JsonNode::size() const {
  if (!json().is_array()) reject("a list");
  return json_->size();
}

const std::string& JsonNode::text() const {
  if (!json().is_string()) reject("a text");
  return json_->get_ref<const std::string&>();
}

std::string JsonNode::text_or(std::string_view otherwise) const {
  return present() ? text() : std::string(otherwise);
}

bool JsonNode::flag_or(bool otherwise) const {
  return flag().value_or(otherwise);
}

std::optional<bool> JsonNode::flag() const {
  if (!present()) return std::nullopt;
  if (!json_->is_boolean()) reject("true or false");
  return json_->get<bool>();
}

int32_t JsonNode::number() const {
  const Json& value = json();
  const bool fits = value.is_number_unsigned() ? value.get<uint64_t>() <= 0x7fffffffu
                                               : value.is_number_integer() && value >= 0 && value <= 0x7fffffff;
  if (!fits) reject("a whole number from 0 to 2147483647");
  return json_->get<int32_t>();
}

void JsonNode::reject(std::string_view expected) const {
  const bool is_short = present() && !json_->is_structured();
  fail(ErrorCode::kFormat, where(), "is {}, expected {}",
       is_short    ? json_->dump()
       : present() ? json_->type_name()
                   : "missing",
       expected);
}

}  // namespace prunenet::tokenization
