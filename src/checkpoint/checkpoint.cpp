// Opening a checkpoint: a GGUF file, or a folder with its config, single file or shards, and what must be copied beside
// them.
#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <array>
#include <set>
#include <system_error>

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/checkpoint_index.h"

namespace prunenet {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";
constexpr uint64_t kMaxConfigBytes = 16u << 20;
constexpr std::string_view kSplitCountKey = "split.count";

// Weights in other formats, which a pruned copy must not carry: they would be the dense model's.
constexpr std::array<std::string_view, 12> kOtherWeights{".bin",  ".pt",   ".pth",  ".ckpt",     ".h5",     ".msgpack",
                                                         ".onnx", ".gguf", ".ggml", ".pdparams", ".tflite", ".ot"};

bool ends_with_any(const std::string& name, std::span<const std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return name.ends_with(ending); });
}

bool is_weights_file(const std::string& name) {
  return name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json") ||
         name.ends_with(".bin.index.json");
}

// The names in a folder, sorted.
std::vector<std::string> names_in(const fs::path& folder) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) fail(ErrorCode::kIo, folder.string(), "cannot list the folder: {}", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

// A folder whose weights are in a GGUF file only: the file itself is what can be opened.
void refuse_gguf_inside(const fs::path& folder) {
  for (const std::string& name : names_in(folder)) {
    if (fs::path(name).extension() != ".gguf") continue;
    fail(ErrorCode::kUnsupported, folder.string(),
         "has no safetensors, its weights are in '{}'; give that file itself: {}", name, (folder / name).string());
  }
}

std::vector<std::string> shard_names(const fs::path& folder, std::map<std::string, std::string>& weight_map) {
  std::error_code error;  // a link to itself counts as missing
  const bool single = fs::exists(folder / kSingleFile, error);
  const bool sharded = fs::exists(folder / kIndexFile, error);
  if (sharded && !single) {
    const fs::path index = resolve_inside(folder, std::string(kIndexFile));
    weight_map = parse_shard_index(read_text_file(index, kMaxSafetensorsHeaderBytes), (folder / kIndexFile).string());
    std::set<std::string> names;
    for (const auto& [tensor, file] : weight_map) names.insert(file);
    return {names.begin(), names.end()};
  }
  if (single) return {std::string(kSingleFile)};
  refuse_gguf_inside(folder);
  for (const std::string& name : names_in(folder)) {
    if (ends_with_any(name, kOtherWeights)) {
      fail(ErrorCode::kUnsupported, folder.string(),
           "its weights are in '{}'; only safetensors are read (transformers writes them with save_pretrained)", name);
    }
  }
  fail(ErrorCode::kNotFound, folder.string(), "neither {} nor {} is there", kSingleFile, kIndexFile);
}

}  // namespace

fs::path resolve_inside(const fs::path& folder, const std::string& name) {
  const fs::path path = folder / name;
  if (name.empty() || name == "." || name == ".." || name.find_first_of(std::string_view("/\\\0", 3)) != name.npos) {
    fail(ErrorCode::kFormat, folder.string(), "file name '{}' is a path: only files of the folder itself are read",
         name);
  }
  std::error_code error;
  if (!fs::exists(path, error)) fail(ErrorCode::kNotFound, path.string(), "no such file");
  fs::path real = fs::canonical(path, error);
  if (error) fail(ErrorCode::kIo, path.string(), "cannot resolve: {}", error.message());
  const fs::path home = fs::canonical(folder);
  if (real.parent_path() == home) return real;
  // models--ORG--NAME/snapshots/REVISION/FILE -> ../../blobs/HASH
  const fs::path snapshots = home.parent_path();
  if (snapshots.filename() == "snapshots" && real.parent_path() == snapshots.parent_path() / "blobs") return real;
  fail(ErrorCode::kFormat, path.string(), "is a symlink to '{}', outside the folder; replace it by a copy",
       real.string());
}

Checkpoint::Checkpoint(const fs::path& path) : folder_(path) {
  std::error_code error;
  if (!fs::exists(path, error)) fail(ErrorCode::kNotFound, path.string(), "no such folder or file");
  if (fs::is_directory(path, error)) {
    open_folder();
  } else if (is_gguf_file(path)) {
    open_gguf();
  } else {
    fail(ErrorCode::kFormat, path.string(),
         "is neither a folder nor a GGUF file; a Hugging Face checkpoint folder or a GGUF file is expected");
  }
}

void Checkpoint::open_gguf() {
  gguf_ = std::make_unique<GgufFile>(folder_);
  const GgufMetadata& metadata = gguf_->metadata();
  if (const auto parts = metadata.integer(kSplitCountKey, folder_.string()); parts.value_or(1) > 1) {
    fail(ErrorCode::kUnsupported, folder_.string(),
         "is one of {} parts of a split model; merge them first (llama-gguf-split --merge)", *parts);
  }
  for (const StoredTensor& tensor : gguf_->header().tensors) {
    index_.emplace(tensor.spec.name, tensors_.size());
    tensors_.push_back({tensor, 0});
  }
  if (tensors_.empty()) fail(ErrorCode::kFormat, folder_.string(), "holds no weights (no tensors), metadata alone");
}

void Checkpoint::open_folder() {
  const fs::path& folder = folder_;
  std::error_code error;
  if (!fs::exists(folder / "config.json", error)) {
    refuse_gguf_inside(folder);
    fail(ErrorCode::kNotFound, folder.string(), "has no config.json: not a Hugging Face checkpoint folder");
  }
  config_text_ = read_text_file(resolve_inside(folder, "config.json"), kMaxConfigBytes);

  std::map<std::string, std::string> weight_map;
  for (const std::string& name : shard_names(folder, weight_map)) {
    shards_.emplace_back(resolve_inside(folder, name));
    shard_names_.push_back(name);
    for (const StoredTensor& tensor : shards_.back().header().tensors) {
      const auto [place, is_new] = index_.emplace(tensor.spec.name, tensors_.size());
      if (!is_new)
        fail(ErrorCode::kMismatch, (folder / name).string(), "tensor '{}' is in an earlier shard too", place->first);
      if (!weight_map.empty()) {
        const auto listed = weight_map.find(tensor.spec.name);
        if (listed == weight_map.end() || listed->second != name) {
          fail(ErrorCode::kMismatch, (folder / kIndexFile).string(), "tensor '{}' is stored in '{}', the index says {}",
               tensor.spec.name, name, listed == weight_map.end() ? "nothing of it" : "'" + listed->second + "'");
        }
      }
      tensors_.push_back({tensor, shards_.size() - 1});
    }
  }
  for (const auto& [tensor, file] : weight_map) {
    if (!index_.contains(tensor)) {
      fail(ErrorCode::kMismatch, (folder / kIndexFile).string(), "names tensor '{}' in '{}', which does not hold it",
           tensor, file);
    }
  }
  if (tensors_.empty()) fail(ErrorCode::kFormat, folder.string(), "its weight files hold no tensors");
}

const Checkpoint::Entry* Checkpoint::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const Checkpoint::Entry& Checkpoint::at(const std::string& name) const {
  const Entry* entry = find(name);
  if (entry == nullptr) fail(ErrorCode::kMismatch, folder_.string(), "has no tensor '{}'", name);
  return *entry;
}

const MappedFile& Checkpoint::file_of(const Entry& entry) const {
  return gguf_ ? gguf_->file() : shards_[entry.shard].file();
}

void Checkpoint::release(const Entry& entry) const {
  file_of(entry).release(entry.stored.offset, entry.stored.spec.size_bytes());
}

std::string Checkpoint::where(const Entry& entry) const {
  return fmt::format("{}: tensor '{}'", file_of(entry).path().string(), entry.stored.spec.name);
}

std::string Checkpoint::config_where() const {
  return gguf_ ? folder_.string() + ": metadata" : (folder_ / "config.json").string();
}

const std::map<std::string, std::string>& Checkpoint::metadata() const {
  static const std::map<std::string, std::string> kNone;
  return gguf_ ? kNone : shards_.front().header().metadata;
}

uint64_t Checkpoint::tensor_bytes() const {
  uint64_t sum = 0;
  for (const Entry& entry : tensors_) sum += entry.stored.spec.size_bytes();
  return sum;
}

std::string Checkpoint::header_hash() const {
  Sha256 hash;
  if (gguf_) hash.update(gguf_->file().bytes().first(gguf_->header().data_offset));
  for (const SafetensorsFile& shard : shards_) {
    hash.update(shard.file().bytes().first(shard.header().header_bytes));
  }
  return hash.hex_digest();
}

bool Checkpoint::is_shard(const std::string& name) const {
  return std::find(shard_names_.begin(), shard_names_.end(), name) != shard_names_.end();
}

Checkpoint::SideFiles Checkpoint::side_files() const {
  SideFiles files;
  if (gguf_) return files;
  std::error_code error;
  for (const std::string& name : names_in(folder_)) {
    if (name == "config.json" || name == "prunenet.json" || name == "mask.json" || name == kIndexFile || is_shard(name))
      continue;
    if (name.starts_with('.') || is_weights_file(name) || ends_with_any(name, kOtherWeights) ||
        !fs::is_regular_file(folder_ / name, error)) {
      files.left_out.push_back(name);
    } else {
      files.copied.push_back({name, resolve_inside(folder_, name)});
    }
  }
  return files;
}

}  // namespace prunenet
