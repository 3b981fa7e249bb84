// What every new checkpoint folder or file needs beside its weights: a place apart from the source, the source's side
// files, small texts.
#pragma once

#include <filesystem>
#include <string_view>

#include "checkpoint/checkpoint.h"

namespace prunenet {

/// Throws kBadOption when `out` (a resolved path) is the checkpoint itself, under any name, lies in its folder, or
/// would replace a folder that holds it.
void require_apart(const Checkpoint& checkpoint, const std::filesystem::path& out);

uint64_t size_bytes(const Checkpoint::SideFiles& side);
/// Copies side.copied into the folder.
void copy_side_files(const Checkpoint::SideFiles& side, const std::filesystem::path& folder);

/// Writes a file that is not there yet.
void write_new_file(const std::filesystem::path& path, std::string_view text);

}  // namespace prunenet
