// From a cut folder to a GGUF file.
#include "cli/gguf_output.h"

#include "base/error.h"
#include "base/file.h"
#include "cli/gguf_type.h"
#include "cli/plan_output.h"
#include "convert/architecture.h"
#include "convert/to_gguf.h"

namespace prunenet::cli {

ToGgufOptions gguf_options(const PruneOptions& options, const OpenModel& open) {
  ToGgufOptions to;
  if (!options.type.empty()) to.type = gguf_type(options.type);
  to.vocabulary = !options.no_vocabulary;
  to.name = open.name();
  return to;
}

void check_formats(const CLI::App& verb, PruneOptions& options) {
  const bool from_gguf = options.self.from_gguf = is_gguf_name(options.model);
  options.self.to_gguf = is_gguf_name(options.output) || (from_gguf && options.output.empty());
  if (from_gguf) {
    refuse_said(
        verb, {"--type", "--no-vocabulary"},
        "does not go with a GGUF file, which stays what it is where it can: prunenet convert changes the result");
    if (!options.self.to_gguf) {
      fail(ErrorCode::kBadOption, "--output",
           "a GGUF file becomes a smaller GGUF file: name the output *.gguf (prunenet convert makes a folder of it)");
    }
  } else if (!options.self.to_gguf) {
    refuse_said(verb, {"--type", "--no-vocabulary"}, "is of GGUF outputs: name the output *.gguf");
  }
  if (options.self.to_gguf) refuse_said(verb, {"--max-shard-size"}, "is for folders; a GGUF file is one file");
}

bool goes_through_folder(const PruneOptions& options, const OpenModel& open) {
  return is_gguf_name(options.output) && open.checkpoint.gguf() == nullptr;
}

void require_prune_possible(const PruneOptions& options, const OpenModel& open) {
  if (!goes_through_folder(options, open)) {
    require_output_possible(open.checkpoint, options.output, options.may_replace_output());
    return;
  }
  require_gguf_possible(open.checkpoint, options.output, options.may_replace_output());
  const bool cuts_heads = options.is_self() && (options.self.heads > 0 || options.self.ratio_total);
  if (cuts_heads && !gguf_heads_may_be_cut(open.model.family)) {
    fail(ErrorCode::kUnsupported, options.self.heads > 0 ? "--heads" : "--ratio-total",
         "cuts heads, and llama.cpp wants heads x head size to be the hidden size in '{}' models: choose --ratio",
         open.model.family);
  }
  plan_gguf(open.checkpoint, open.model, gguf_options(options, open));  // throws for what llama.cpp does not know
}

GgufOutput::GgufOutput(const PruneOptions& options, const OpenModel& open)
    : options_(options), open_(open), file_(resolved_path(options.output), options.may_replace_output(), is_gguf_file) {}

void GgufOutput::write(const SlicePlan& plan, SliceOptions slice, Outcome& outcome, Progress& progress) {
  ToGgufOptions to = gguf_options(options_, open_);
  for (const auto& [name, text] : slice.extra_files) to.extra[metadata_key(name)] = text;
  const GgufPlan before = plan_gguf(open_.checkpoint, open_.model, to);
  const std::string header = format_gguf_header(before.metadata, specs_of(before.tensors), options_.output);
  file_.require_space(bytes_of(plan.tensors) + header.size() +
                      static_cast<uint64_t>(gguf_tensor_bytes(open_, plan.tensors, before, to.type)));
  const std::filesystem::path folder = file_.staging().parent_path() / "passing";  // gone with the staging of the file
  write_slice(open_.checkpoint, plan, folder, slice, progress);
  const OpenModel cut(folder.string());
  const GgufPlan gguf = plan_gguf(cut.checkpoint, cut.model, to);
  outcome.notes = say(gguf.notes, gguf.warnings, progress);
  outcome.file_bytes = write_gguf(cut.checkpoint, gguf, file_, progress);
  outcome.sizes.after.bytes = static_cast<int64_t>(bytes_of(specs_of(gguf.tensors)));
  outcome.uniform = true;  // llama.cpp loads it, as deci where layers differ
}

}  // namespace prunenet::cli
