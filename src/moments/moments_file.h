// Moments on disk: a folder with moments.json (what they are of, and from what) and one safetensors file a layer, so
// that cutting again at another ratio runs no model. Written and read a layer at a time.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/output_folder.h"
#include "base/token_id.h"
#include "moments/moments.h"

namespace prunenet {

/// One kind of linear map that every layer has: "down" (input of down), "output" (input of attention's output).
struct MapDescription {
  std::string name;
  std::vector<int64_t> inputs;   // F of each layer
  std::vector<int64_t> outputs;  // D of each layer
};

struct MomentsManifest {
  std::string checkpoint;  // model_fingerprint of the model
  std::string source;      // in words and numbers: "own text, 64 x 256 ids, temperature 1, seed 1"
  std::vector<MapDescription> maps;
  std::vector<std::vector<TokenId>> sequences;  // the text itself, where it is to be used again; may be empty

  int64_t num_layers() const { return maps.empty() ? 0 : static_cast<int64_t>(maps.front().inputs.size()); }
};

/// What is stored of one map of one layer.
struct StoredMoments {
  Moments moments;
  std::optional<Matrix<float>> sensitivity;  // G [D, D]: the upper triangle; what lies below is unspecified
};

/// Writes a folder that appears whole, after the last layer, or not at all. Layers in order, maps in the manifest's
/// order. Second moments and G are stored as packed upper triangles in f32, row by row: 2 F (F + 1) bytes.
class MomentsWriter {
 public:
  /// Throws kExists unless `overwrite`; a folder without moments.json is never replaced.
  MomentsWriter(const std::filesystem::path& folder, MomentsManifest manifest, bool overwrite);
  /// `layer` holds one entry for each map. Throws kNoSpace, kIo.
  void write(const std::vector<const StoredMoments*>& layer);
  /// After the last layer: puts the folder in its place.
  void finish();

 private:
  MomentsManifest manifest_;
  OutputFolder output_;
  int64_t written_ = 0;
};

/// Reads such a folder. Every error names the file, what was expected and what was found.
class MomentsReader {
 public:
  /// Throws kNotFound, kFormat (not JSON, keys missing, another version).
  explicit MomentsReader(const std::filesystem::path& folder);
  const MomentsManifest& manifest() const { return manifest_; }
  /// Throws kMismatch when the moments are of another model: its hash, or one of the `maps` (name, layers, shapes), is
  /// not there. Maps that are stored beyond these do not matter.
  void require(const std::string& checkpoint_hash, const std::vector<MapDescription>& maps) const;
  /// Throws kNotFound, kFormat (truncated), kMismatch (another shape, a tensor missing), kNonFinite.
  StoredMoments read(int64_t layer, const std::string& map) const;

 private:
  std::filesystem::path folder_;
  MomentsManifest manifest_;
};

}  // namespace prunenet
