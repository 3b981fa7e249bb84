// Files of evaluation data: plain or gzip, read whole, and their lines. What the lines mean is the readers' business.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"

namespace prunenet {

/// The text of a file, unpacked when its first bytes say gzip (whatever its name). Throws kNotFound, kIo; kFormat when
/// the gzip data is damaged or cut, or when the text is larger than 1 GiB. Adds what the file holds to `hash` where
/// given.
std::string read_data_file(const std::filesystem::path& path, Sha256* hash = nullptr);

/// Up to `limit_bytes` of the start of the text of a file.
std::string read_data_start(const std::filesystem::path& path, uint64_t limit_bytes);

struct DataLine {
  std::string_view text;
  int64_t number = 0;  // in the file, from 1
};

/// The lines that hold more than whitespace, without their ends (LF or CRLF) and without a byte order mark. They point
/// into `text`.
std::vector<DataLine> data_lines(std::string_view text);

}  // namespace prunenet
