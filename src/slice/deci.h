// Writing the DeciLM layout (model/deci.h): a LLaMA whose layers have widths of their own, for vLLM, SGLang and
// TensorRT-LLM. The config is spelled as those of NVIDIA's Nemotron-NAS models are.
#pragma once

#include <string>
#include <vector>

#include "model/description.h"
#include "slice/config_editor.h"

namespace prunenet {

/// Throws kUnsupported where the layout cannot hold the model, or layers have different numbers of query heads;
/// kBadOption for a width that is no multiple of 256. `layers` are the sizes of the layers that stay, `kept` their
/// indices in the source.
void require_deci_can_state(const ModelDescription& model, const std::vector<LayerSizes>& layers,
                            const std::vector<size_t>& kept, const std::string& where);

/// States every layer in `block_configs`; what else the source says of a block stays.
void state_deci_blocks(ConfigEditor& config, const ModelDescription& model, const std::vector<LayerSizes>& layers,
                       const std::vector<size_t>& kept);

/// The other keys by which a LLaMA becomes a DeciLM.
void become_deci(ConfigEditor& config);

/// The Python file that `auto_map` names. Programs that load the layout get their config object through transformers,
/// which knows no nemotron-nas: every checkpoint of this kind brings its class along. It holds no model code.
inline constexpr const char* kDeciConfigFile = "configuration_decilm.py";
std::string deci_config_class();

}  // namespace prunenet
