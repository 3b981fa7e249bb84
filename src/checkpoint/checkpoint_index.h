// The shard index, model.safetensors.index.json: which file holds which tensor.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace prunenet {

/// tensor name -> file name. Throws kFormat when the text is no index: no JSON, no 'weight_map', a value that is not a
/// text, a tensor named twice, nesting beyond what an index has. Memory: proportional to the text.
std::map<std::string, std::string> parse_shard_index(std::string_view text, const std::string& where);

}  // namespace prunenet
