// moments.json and layer-NNN.safetensors.
#include "moments/moments_file.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "checkpoint/safetensors.h"

namespace prunenet {
namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

constexpr const char* kManifestName = "moments.json";
constexpr int kVersion = 1;
constexpr uint64_t kMaxManifestBytes = uint64_t{1} << 30;  // it may hold the text

std::string layer_name(int64_t layer) {
  return fmt::format("layer-{:03}.safetensors", layer);
}

int64_t packed_size(int64_t n) {
  return n * (n + 1) / 2;
}

template <typename T>
std::span<const std::byte> bytes_of(std::span<const T> values) {
  return std::as_bytes(values);
}

void append_upper(FileWriter& writer, const Matrix<float>& matrix) {
  for (int64_t i = 0; i < matrix.rows(); ++i) {
    const float* const first = matrix.data() + i * matrix.cols() + i;
    writer.append(bytes_of(std::span<const float>(first, static_cast<size_t>(matrix.cols() - i))));
  }
}

ordered_json to_json(const MomentsManifest& manifest) {
  ordered_json maps = ordered_json::array();
  for (const MapDescription& map : manifest.maps) {
    maps.push_back({{"name", map.name}, {"inputs", map.inputs}, {"outputs", map.outputs}});
  }
  ordered_json json{
      {"prunenet_moments", kVersion}, {"checkpoint", manifest.checkpoint}, {"source", manifest.source}, {"maps", maps}};
  if (!manifest.sequences.empty()) json["sequences"] = manifest.sequences;
  return json;
}

// Any exception of the JSON library becomes one of ours, naming the file.
MomentsManifest parse_manifest(const std::string& text, const std::string& where) {
  try {
    const auto json = nlohmann::json::parse(text);
    const auto& version = json.at("prunenet_moments");
    if (version != kVersion) {
      fail(ErrorCode::kUnsupported, where, "is version {} of the format, expected {}", version.dump(), kVersion);
    }
    MomentsManifest manifest;
    manifest.checkpoint = json.at("checkpoint").get<std::string>();
    manifest.source = json.at("source").get<std::string>();
    for (const auto& map : json.at("maps")) {
      manifest.maps.push_back({map.at("name").get<std::string>(), map.at("inputs").get<std::vector<int64_t>>(),
                               map.at("outputs").get<std::vector<int64_t>>()});
    }
    if (json.contains("sequences")) manifest.sequences = json.at("sequences").get<std::vector<std::vector<TokenId>>>();
    if (manifest.maps.empty()) fail(ErrorCode::kFormat, where, "lists no map");
    for (const MapDescription& map : manifest.maps) {
      const size_t layers = manifest.maps.front().inputs.size();
      bool fits = map.inputs.size() == layers && map.outputs.size() == layers;
      for (const auto* widths : {&map.inputs, &map.outputs}) {
        for (const int64_t width : *widths) fits = fits && width > 0 && width < (int64_t{1} << 31);
      }
      if (!fits) fail(ErrorCode::kFormat, where, "map '{}' lists widths that fit no {} layers", map.name, layers);
    }
    return manifest;
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::kFormat, where, "is no description of moments: {}", error.what());
  }
}

const StoredTensor* find(const SafetensorsFile& file, const std::string& name) {
  for (const StoredTensor& tensor : file.header().tensors) {
    if (tensor.spec.name == name) return &tensor;
  }
  return nullptr;
}

const StoredTensor& require_tensor(const SafetensorsFile& file, const TensorSpec& expected, const std::string& where) {
  const StoredTensor* const found = find(file, expected.name);
  if (found == nullptr) fail(ErrorCode::kMismatch, where, "lacks tensor '{}'", expected.name);
  if (found->spec.dtype != expected.dtype || found->spec.shape != expected.shape) {
    fail(ErrorCode::kMismatch, where, "tensor '{}' is {}, expected {}", expected.name, to_string(found->spec),
         to_string(expected));
  }
  if (worst_value(file.bytes(*found), expected.dtype) != Finiteness::kFinite) {
    fail(ErrorCode::kNonFinite, where, "tensor '{}' holds NaN or infinity", expected.name);
  }
  return *found;
}

Matrix<float> read_upper(const SafetensorsFile& file, const std::string& name, int64_t n, const std::string& where) {
  const TensorSpec expected{name, Dtype::kF32, {packed_size(n)}};
  const StoredTensor& tensor = require_tensor(file, expected, where);
  Matrix<float> matrix(n, n);
  const std::byte* source = file.bytes(tensor).data();
  for (int64_t i = 0; i < n; ++i) {
    widen(source, Dtype::kF32, static_cast<size_t>(n - i), matrix.data() + i * n + i);
    source += static_cast<size_t>(n - i) * sizeof(float);
  }
  file.file().release(tensor.offset, tensor.spec.size_bytes());
  return matrix;
}

}  // namespace

MomentsWriter::MomentsWriter(const fs::path& folder, MomentsManifest manifest, bool overwrite)
    : manifest_(std::move(manifest)), output_(folder, overwrite, kManifestName) {
  PRUNENET_CHECK(!manifest_.maps.empty());
}

void MomentsWriter::write(const std::vector<const StoredMoments*>& layer) {
  PRUNENET_CHECK(layer.size() == manifest_.maps.size() && written_ < manifest_.num_layers());
  std::vector<TensorSpec> specs;
  std::map<std::string, std::string> metadata;
  uint64_t size_bytes = 0;
  for (size_t m = 0; m < layer.size(); ++m) {
    const MapDescription& map = manifest_.maps[m];
    const StoredMoments& stored = *layer[m];
    const int64_t f = map.inputs[static_cast<size_t>(written_)], d = map.outputs[static_cast<size_t>(written_)];
    PRUNENET_CHECK(stored.moments.width() == f && static_cast<int64_t>(stored.moments.mean.size()) == f);
    PRUNENET_CHECK(!stored.sensitivity || stored.sensitivity->rows() == d);
    specs.push_back({map.name + ".mean", Dtype::kF64, {f}});
    specs.push_back({map.name + ".second", Dtype::kF32, {packed_size(f)}});
    if (stored.sensitivity) specs.push_back({map.name + ".sensitivity", Dtype::kF32, {packed_size(d)}});
    metadata[map.name + ".tokens"] = std::to_string(stored.moments.tokens);
  }
  for (const TensorSpec& spec : specs) size_bytes += spec.size_bytes();
  output_.require_space(size_bytes);
  FileWriter writer(output_.staging() / layer_name(written_));
  writer.append(format_safetensors_header(specs, metadata));
  for (const StoredMoments* stored : layer) {
    throw_if_cancelled();
    writer.append(bytes_of(std::span<const double>(stored->moments.mean)));
    append_upper(writer, stored->moments.second);
    if (stored->sensitivity) append_upper(writer, *stored->sensitivity);
  }
  writer.close();
  ++written_;
}

void MomentsWriter::finish() {
  PRUNENET_CHECK(written_ == manifest_.num_layers());
  FileWriter writer(output_.staging() / kManifestName);
  writer.append(to_json(manifest_).dump(manifest_.sequences.empty() ? 2 : -1) + "\n");
  writer.close();
  output_.commit();
}

MomentsReader::MomentsReader(const fs::path& folder) : folder_(folder) {
  const fs::path path = folder / kManifestName;
  std::error_code error;
  if (!fs::is_directory(folder, error)) fail(ErrorCode::kNotFound, folder.string(), "is no folder of moments");
  if (!fs::exists(path, error))
    fail(ErrorCode::kNotFound, folder.string(), "holds no moments: there is no {}", kManifestName);
  manifest_ = parse_manifest(read_text_file(path, kMaxManifestBytes), path.string());
}

void MomentsReader::require(const std::string& checkpoint_hash, const std::vector<MapDescription>& maps) const {
  const std::string where = (folder_ / kManifestName).string();
  for (const MapDescription& expected : maps) {
    const MapDescription* found = nullptr;
    for (const MapDescription& map : manifest_.maps) {
      if (map.name == expected.name) found = &map;
    }
    if (found == nullptr) fail(ErrorCode::kMismatch, where, "holds no moments of '{}'", expected.name);
    if (found->inputs.size() != expected.inputs.size()) {
      fail(ErrorCode::kMismatch, where, "is of a model of {} layers, this one has {}", found->inputs.size(),
           expected.inputs.size());
    }
    for (size_t i = 0; i < expected.inputs.size(); ++i) {
      if (found->inputs[i] == expected.inputs[i] && found->outputs[i] == expected.outputs[i]) continue;
      fail(ErrorCode::kMismatch, where, "layer {}: the moments of '{}' are of a map {} x {}, the model's is {} x {}", i,
           expected.name, found->outputs[i], found->inputs[i], expected.outputs[i], expected.inputs[i]);
    }
  }
  if (manifest_.checkpoint != checkpoint_hash) {
    fail(ErrorCode::kMismatch, where, "is of another model: its fingerprint is {}, this one's {}", manifest_.checkpoint,
         checkpoint_hash);
  }
}

StoredMoments MomentsReader::read(int64_t layer, const std::string& map) const {
  PRUNENET_CHECK(layer >= 0 && layer < manifest_.num_layers());
  const MapDescription* description = nullptr;
  for (const MapDescription& candidate : manifest_.maps) {
    if (candidate.name == map) description = &candidate;
  }
  PRUNENET_CHECK(description != nullptr);
  const int64_t f = description->inputs[static_cast<size_t>(layer)],
                d = description->outputs[static_cast<size_t>(layer)];
  const SafetensorsFile file(folder_ / layer_name(layer));
  const std::string where = file.file().path().string();
  StoredMoments stored;
  const auto& metadata = file.header().metadata;
  const auto tokens = metadata.find(map + ".tokens");
  if (tokens == metadata.end()) fail(ErrorCode::kMismatch, where, "does not say how many tokens '{}' is of", map);
  const std::string& digits = tokens->second;
  if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos) {
    fail(ErrorCode::kFormat, where, "'{}.tokens' is '{}', expected a number", map, digits);
  }
  stored.moments.tokens = std::stoll(digits);
  const TensorSpec expected{map + ".mean", Dtype::kF64, {f}};
  const StoredTensor& mean = require_tensor(file, expected, where);
  stored.moments.mean.resize(static_cast<size_t>(f));
  widen(file.bytes(mean).data(), Dtype::kF64, stored.moments.mean.size(), stored.moments.mean.data());
  stored.moments.second = read_upper(file, map + ".second", f, where);
  for (int64_t i = 0; i < f; ++i) {
    if (!(stored.moments.second(i, i) >= 0))
      fail(ErrorCode::kFormat, where, "'{}.second' has a negative square, of input {}", map, i);
  }
  if (find(file, map + ".sensitivity") != nullptr)
    stored.sensitivity = read_upper(file, map + ".sensitivity", d, where);
  return stored;
}

}  // namespace prunenet
