// prunenet inspect: what a checkpoint is, from its config and headers alone.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/format.h"
#include "cli/gguf_metadata.h"
#include "cli/verb.h"

namespace prunenet::cli {
namespace {

struct InspectOptions : CommonOptions {
  std::string model;
  bool metadata = false;
};

template <typename Get>
std::vector<int64_t> of_layers(const ModelDescription& model, Get get) {
  std::vector<int64_t> values;
  for (const LayerDescription& layer : model.layers) values.push_back(get(layer));
  return values;
}

void inspect(const InspectOptions& options) {
  const OpenModel open(options.model);
  if (options.metadata && open.checkpoint.gguf() == nullptr) fail(ErrorCode::kBadOption, "--metadata", "is of GGUF files, and '{}' is a folder", options.model);
  const ModelDescription& model = open.model;
  const ModelSize size = open.size();
  const auto heads = of_layers(model, [](const LayerDescription& l) { return l.heads; });
  const auto kv_heads = of_layers(model, [](const LayerDescription& l) { return l.kv_heads; });
  const LayerDescription& first = model.layers.front();
  const bool loads = model.width_is_uniform();
  const GgufFile* file = open.checkpoint.gguf();
  if (options.json) {
    Json json = {{"family", model.family},
                {"model_type", model.model_type},
                {"layers", model.layers.size()},
                {"hidden", model.hidden},
                {"vocab", model.vocab},
                {"ffn_widths", model.ffn_widths()},
                {"heads", heads},
                {"kv_heads", kv_heads},
                {"head_dim", first.head_dim},
                {"gated_ffn", first.ffn.gate.has_value()},
                {"tied_head", model.tied_head},
                {"dtypes", open.dtypes()},
                {"params", size.params},
                {"ffn_params", size.ffn_params},
                {"flops_per_token", size.flops_per_token},
                {"bytes", size.bytes},
                {"width_matches_config", loads}};
    if (file != nullptr) json["gguf"] = {{"version", file->header().version}, {"metadata", metadata_json(file->metadata())}};
    print_json(json);
    return;
  }
  fmt::print("{}: {} model\n", open.name(), model.family);
  fmt::print("  layers            {}\n", model.layers.size());
  fmt::print("  hidden size       {}\n", model.hidden);
  fmt::print("  FFN width         {}{}\n", format_widths(model.ffn_widths()), first.ffn.gate ? ", gated" : ", plain");
  fmt::print("  attention heads   {}, {} for keys and values, size {}\n", first.heads, first.kv_heads, first.head_dim);
  fmt::print("  vocabulary        {}, head {}\n", model.vocab, model.tied_head ? "tied to the embedding" : "of its own");
  fmt::print("  parameters        {}, {} of them in the FFNs\n", format_count(static_cast<double>(size.params)),
             format_percent(static_cast<double>(size.ffn_params) / static_cast<double>(size.params)));
  fmt::print("  FLOPs a token     {} (matrix products; attention scores not counted)\n",
             format_count(static_cast<double>(size.flops_per_token)));
  fmt::print("  stored            {} in {} tensors, {}\n", format_bytes(static_cast<double>(size.bytes)),
             open.checkpoint.tensors().size(), fmt::join(open.dtypes(), " and "));
  if (file != nullptr) {
    fmt::print("  GGUF              version {}, {} keys of metadata{}\n", file->header().version, file->metadata().items().size(),
               options.metadata ? ":" : " (--metadata shows them)");
    if (options.metadata) print_metadata(file->metadata());
  }
  if (!loads) {
    fmt::print("  note: {} states FFN width {}, the tensors have {}: stock programs will not load this model\n",
               file != nullptr ? "the metadata" : "config.json", model.config_width, format_widths(model.ffn_widths()));
  }
}

}  // namespace

void add_inspect(CLI::App& program, Action& action) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* verb = program.add_subcommand("inspect", "Say what a checkpoint is: family, sizes, parameters. Reads no weights");
  verb->add_option("MODEL", options->model, "Hugging Face folder, or a GGUF file")->required();
  verb->add_flag("--metadata", options->metadata, "List the metadata of a GGUF file (--json always has it)");
  add_common_options(*verb, *options, false);
  verb->footer("Examples:\n  prunenet inspect ./Llama-2-7b-hf\n  prunenet inspect llama-2-7b.gguf --metadata");
  verb->callback([options, &action] { action = [options] { inspect(*options); }; });
}

}  // namespace prunenet::cli
