// The demo model's text files: settings, tokenizer, model card. They depend on the seed nowhere but in the card.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace prunenet {

/// File name -> contents, for every file of the checkpoint folder but the weights.
std::map<std::string, std::string> demo_texts(uint64_t seed);

}  // namespace prunenet
