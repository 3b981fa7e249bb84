// A checkpoint: a folder as Hugging Face writes it, with config.json, one safetensors file or several with an index,
// and the files of the tokenizer; or a GGUF file, which holds all of this in itself. What the tensors mean is the
// business of the model room.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/gguf.h"
#include "checkpoint/safetensors.h"

namespace prunenet {

class Checkpoint {
 public:
  struct Entry {
    StoredTensor stored;
    size_t shard = 0;  // which file
  };

  /// Opens and validates everything but the values of the weights. Throws kIo (a file or folder that may not be read),
  /// kNotFound (no folder, no config, no weights, a shard that the index names), kFormat (a GGUF file without tensors,
  /// too), kMismatch (index and shards disagree), kUnsupported (only weights of another format, one part of a split
  /// GGUF file). Files outside the folder are never read: an index naming a path, or a symlink that leaves the folder,
  /// is refused; links of the Hugging Face cache (`../../blobs/...`) are followed. `path` is a folder, or a file that
  /// begins with the magic of GGUF.
  explicit Checkpoint(const std::filesystem::path& path);

  /// The folder, or the GGUF file.
  const std::filesystem::path& folder() const { return folder_; }
  /// The GGUF file behind it; nullptr for a folder.
  const GgufFile* gguf() const { return gguf_.get(); }
  /// What states the sizes, for errors: "FOLDER/config.json", or "FILE.gguf: metadata".
  std::string config_where() const;
  /// config.json, byte for byte; empty for a GGUF file, whose sizes are in its metadata.
  const std::string& config_text() const { return config_text_; }

  /// All tensors in the order in which they are stored: shard by shard, byte by byte.
  const std::vector<Entry>& tensors() const { return tensors_; }
  /// The tensor of that name, or nullptr.
  const Entry* find(const std::string& name) const;
  /// The tensor of that name; throws kMismatch when there is none.
  const Entry& at(const std::string& name) const;

  /// The stored bytes of a tensor, in the mapping.
  std::span<const std::byte> bytes(const Entry& entry) const {
    return gguf_ ? gguf_->bytes(entry.stored) : shards_[entry.shard].bytes(entry.stored);
  }
  /// Lets the memory of a tensor's pages go; see MappedFile::release.
  void release(const Entry& entry) const;
  /// "model-00001-of-00002.safetensors: tensor 'x'": for errors.
  std::string where(const Entry& entry) const;

  /// Bytes of all tensors together, without headers.
  uint64_t tensor_bytes() const;
  /// SHA-256 over the headers of all shards, in order: identifies names, types, shapes and layout of the weights; of a
  /// GGUF file over all that lies before its data.
  std::string header_hash() const;
  /// Metadata of the first shard (`"format": "pt"` and what else its writer noted); none of a GGUF file, see `gguf`.
  const std::map<std::string, std::string>& metadata() const;

  /// A top-level file of the folder that a pruned copy needs as well.
  struct SideFile {
    std::string name;
    std::filesystem::path source;  // resolved
  };
  struct SideFiles {
    std::vector<SideFile> copied;       // tokenizer, generation settings, licence, code ...
    std::vector<std::string> left_out;  // other weights, sub-folders, hidden files
  };
  /// Everything in the folder but config.json, the safetensors files and their index, and what an earlier cut noted
  /// (prunenet.json, mask.json); nothing for a GGUF file. Throws
  /// kFormat for a symlink that leaves the folder.
  SideFiles side_files() const;

 private:
  void open_folder();
  void open_gguf();
  bool is_shard(const std::string& name) const;
  const MappedFile& file_of(const Entry& entry) const;

  std::filesystem::path folder_;
  std::string config_text_;
  std::unique_ptr<GgufFile> gguf_;
  std::vector<SafetensorsFile> shards_;
  std::vector<std::string> shard_names_;
  std::vector<Entry> tensors_;
  std::map<std::string, size_t> index_;  // name -> place in tensors_
};

/// The real file behind `folder`/`name`. Throws kFormat when name is a path or a symlink that leaves the folder, and
/// kNotFound when there is none. The links of a Hugging Face cache snapshot are allowed.
std::filesystem::path resolve_inside(const std::filesystem::path& folder, const std::string& name);

}  // namespace prunenet
