// Reading evaluation data, with zlib where it is packed.
#include "evaluate/data_file.h"

#include <zlib.h>

#include <algorithm>
#include <memory>
#include <span>

#include "base/error.h"
#include "base/file.h"
#include "evaluate/text.h"

namespace prunenet {
namespace {

constexpr uint64_t kMaxTextBytes = 1u << 30;
constexpr size_t kChunkBytes = 1 << 18;

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
}

struct Inflater {
  z_stream stream{};
  explicit Inflater(const std::string& where) {
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) fail(ErrorCode::kInternal, where, "zlib does not start");
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

// A gzip file may hold several members, one after the other. Stops early, without an error, when `wanted` bytes are
// there.
std::string unpacked(std::span<const std::byte> packed, uint64_t wanted, const std::string& where) {
  Inflater inflater(where);
  z_stream& stream = inflater.stream;
  std::string text;
  std::string chunk(kChunkBytes, '\0');
  bool more_to_come = true;  // bytes left over from the last call, for which there was no room
  while ((!packed.empty() || more_to_come) && text.size() < wanted) {
    const size_t size = std::min(packed.size(), kChunkBytes);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    stream.avail_in = static_cast<uInt>(size);
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    const size_t used = size - stream.avail_in;
    const size_t made = chunk.size() - stream.avail_out;
    more_to_come = stream.avail_out == 0;
    if (status == Z_BUF_ERROR && packed.empty()) break;
    if (status != Z_OK && status != Z_STREAM_END) {
      fail(ErrorCode::kFormat, where, "the gzip data is damaged{}{}", stream.msg != nullptr ? ": " : "",
           stream.msg != nullptr ? stream.msg : "");
    }
    packed = packed.subspan(used);
    text.append(chunk, 0, made);
    if (status == Z_STREAM_END) {
      if (packed.empty()) return text;
      if (!is_gzip(packed)) fail(ErrorCode::kFormat, where, "something else follows the gzip data");
      inflateReset(&stream);
    }
  }
  if (text.size() < wanted) fail(ErrorCode::kFormat, where, "the gzip data is cut short");
  return text;
}

std::string read_up_to(const MappedFile& file, uint64_t limit_bytes) {
  const auto bytes = file.bytes();
  if (is_gzip(bytes)) return unpacked(bytes, limit_bytes, file.path().string());
  const size_t size = std::min<uint64_t>(bytes.size(), limit_bytes);
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

}  // namespace

std::string read_data_file(const std::filesystem::path& path, Sha256* hash) {
  const MappedFile file(path);
  std::string text = read_up_to(file, kMaxTextBytes + 1);
  if (text.size() > kMaxTextBytes) {
    fail(ErrorCode::kFormat, path.string(), "holds more than {} bytes of text", kMaxTextBytes);
  }
  if (hash != nullptr) hash->update(file.bytes());
  return text;
}

std::string read_data_start(const std::filesystem::path& path, uint64_t limit_bytes) {
  std::string text = read_up_to(MappedFile(path), limit_bytes);
  text.resize(std::min<uint64_t>(text.size(), limit_bytes));
  return text;
}

std::vector<DataLine> data_lines(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<DataLine> lines;
  int64_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!strip(line).empty()) lines.push_back({line, number});
  }
  return lines;
}

}  // namespace prunenet
