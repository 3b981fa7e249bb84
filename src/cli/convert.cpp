// prunenet convert: a folder becomes a GGUF file, a GGUF file a folder, and either gets another type.
#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/system.h"
#include "cli/format.h"
#include "cli/gguf_type.h"
#include "cli/verb.h"
#include "convert/to_folder.h"
#include "convert/to_gguf.h"
#include "slice/slice.h"

namespace prunenet::cli {
namespace {

struct ConvertOptions : CommonOptions {
  std::string model, output, type, name;
  bool force = false, no_vocabulary = false;
  double max_shard_gb = 5;
};

struct Converted {
  uint64_t bytes = 0, tensor_bytes = 0;  // of the files; of the tensors in them
  size_t tensors = 0;
  std::vector<std::string> notes, types;
};

void describe(const std::vector<ConvertedTensor>& tensors, Converted& result) {
  const std::vector<TensorSpec> specs = specs_of(tensors);
  result.tensors = specs.size();
  result.types = dtypes_of(specs);
  result.tensor_bytes = bytes_of(specs);
}

// What an earlier prune noted beside the weights, as keys of the file.
std::map<std::string, std::string> former_artefacts(const OpenModel& open) {
  std::map<std::string, std::string> keys;
  if (open.checkpoint.gguf() != nullptr) return keys;
  for (const char* name : {"prunenet.json", "mask.json"}) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(open.checkpoint.folder() / name, error)) continue;
    keys[metadata_key(name)] = read_text_file(resolve_inside(open.checkpoint.folder(), name), uint64_t{1} << 30);
  }
  return keys;
}

Converted convert_model(const ConvertOptions& options, const OpenModel& open, Progress& progress) {
  Converted result;
  const auto type = options.type.empty() ? std::nullopt : std::optional(gguf_type(options.type));
  if (is_gguf_name(options.output)) {
    require_gguf_possible(open.checkpoint, options.output, options.force);
    ToGgufOptions to;
    to.type = type;
    to.vocabulary = !options.no_vocabulary;
    to.name = options.name;
    to.extra = former_artefacts(open);
    const GgufPlan plan = plan_gguf(open.checkpoint, open.model, to);
    result.notes = say(plan.notes, plan.warnings, progress);
    result.bytes = write_gguf(open.checkpoint, plan, options.output, options.force, progress);
    describe(plan.tensors, result);
    return result;
  }
  const FolderPlan plan = plan_folder(open.checkpoint, open.model, type);
  result.notes = say({}, plan.warnings, progress);
  result.bytes = write_folder(open.checkpoint, plan, options.output, options.force,
                              shard_bytes(options.max_shard_gb), progress);
  describe(plan.tensors, result);
  return result;
}

void convert(const ConvertOptions& options) {
  const Stopwatch watch;
  const auto progress = make_progress(options);
  const OpenModel open(options.model);
  const uint64_t before = open.checkpoint.tensor_bytes();
  const Converted result = convert_model(options, open, *progress);
  const double elapsed_s = watch.elapsed_s();
  if (options.json) {
    print_json({{"model", open.name()},
                {"output", options.output},
                {"family", open.model.family},
                {"tensors", result.tensors},
                {"dtypes", result.types},
                {"tensor_bytes_before", before},
                {"tensor_bytes", result.tensor_bytes},
                {"bytes", result.bytes},
                {"notes", result.notes},
                {"elapsed_s", elapsed_s}});
    return;
  }
  fmt::print("{}: {} model, {} tensors, {} -> {} ({})\n", open.name(), open.model.family, result.tensors,
             format_bytes(static_cast<double>(before)), format_bytes(static_cast<double>(result.tensor_bytes)),
             fmt::join(result.types, " and "));
  fmt::print("done in {}, {} on disk: {}\n", format_duration(elapsed_s), format_bytes(static_cast<double>(result.bytes)),
             options.output);
}

}  // namespace

void add_convert(CLI::App& program, Action& action) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* verb = program.add_subcommand(
      "convert", "Write a model as a GGUF file for llama.cpp, or a GGUF file as a Hugging Face folder");
  verb->add_option("MODEL", options->model, "Hugging Face folder, or a GGUF file")->required();
  verb->add_option("-o,--output", options->output,
                   "What to write; must not exist. A name that ends with .gguf: a GGUF file; else a folder (of GGUF "
                   "files, those of the llama architecture become one)")
      ->required();
  verb->add_option("--type", options->type,
                   "Type of the matrices (in a folder, of all tensors); as they are stored when not given (quantised "
                   "ones become f16 in a folder). Vectors of a GGUF file are f32")
      ->check(gguf_type_names());
  verb->add_option("--name", options->name, "general.name of the GGUF file; the folder's name when not given");
  verb->add_flag("--no-vocabulary", options->no_vocabulary,
                 "Write a GGUF file without a tokenizer: llama.cpp then takes token ids only");
  verb->add_option("--max-shard-size", options->max_shard_gb, "Largest weight file of a folder, in GB (10^9 bytes)")
      ->capture_default_str()
      ->check(positive_number());
  verb->add_flag("--force", options->force, "Replace the output");
  add_common_options(*verb, *options, false);
  verb->footer(
      "Examples:\n"
      "  prunenet convert ./Llama-2-7b-hf -o llama-2-7b.q8_0.gguf --type q8_0\n"
      "  prunenet convert llama-2-7b.gguf -o ./Llama-2-7b-hf");
  verb->callback([options, verb, &action] {
    if (is_gguf_name(options->output)) {
      refuse_said(*verb, {"--max-shard-size"}, "is for folders; a GGUF file is one file");
    } else {
      refuse_said(*verb, {"--name", "--no-vocabulary"}, "is for GGUF files; name the output *.gguf");
      if (CLI::detail::to_lower(options->type) == "q8_0")
        fail(ErrorCode::kBadOption, "--type",
             "q8_0 is a type of GGUF files: name the output *.gguf, or choose f32, f16 or bf16");
    }
    action = [options] { convert(*options); };
  });
}

}  // namespace prunenet::cli
