// The file layouts in which questions are distributed: which one a line belongs to, and one reader for each. Told by
// the fields of the line, never by the name of the file. docs/evaluation.md lists them.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "evaluate/data_file.h"
#include "evaluate/question.h"
#include "evaluate/record.h"

namespace prunenet {

enum class Layout {
  kFoundryChoices,     // llm-foundry: query, choices, gold (PIQA, ARC, HellaSwag)
  kFoundryWinogrande,  // llm-foundry: context_options, continuation, gold
  kFoundryLambada,     // llm-foundry: context, continuation
  kPiqa,               // goal, sol1, sol2, with the labels in a file beside it
  kWinogrande,         // sentence, option1, option2, answer
  kHellaswag,          // activity_label, ctx_a, ctx_b, endings, label
  kArc,                // question: {stem, choices: [{text, label}]}, answerKey
  kLambada,            // text
  kOlmoRequests,       // doc, request, idx, doc_id, label: log-likelihood requests of HellaSwag
};

/// The layout of a line, by the first of its fields that only one layout has; nothing for a line of none of them.
std::optional<Layout> layout_of(const Record& record);
/// "llm-foundry", "original" or "log-likelihood requests".
std::string_view layout_name(Layout layout);

/// Whether a line of that layout can be a question of `task`. Both ARC tasks look alike.
bool may_hold(Layout layout, const Record& first, Task task);
/// "ARC questions": what a line of that layout holds, for errors.
std::string questions_of(Layout layout, const Record& first);

/// One question out of one line of any layout but kPiqa (without a label) and kOlmoRequests. Throws kFormat.
Question read_question(Layout layout, const Record& record);

/// PIQA's own files: `labels` are the lines of the labels file, one a question, or empty where the lines have a label.
Question read_piqa(const Record& record, std::optional<std::string_view> label, const std::string& label_where);

/// HellaSwag as log-likelihood requests, four lines a question: see read_task.
void read_olmo_requests(std::span<const DataLine> lines, const std::string& file, TaskData& data);

/// MMLU as a folder with test/SUBJECT_test.csv and dev/SUBJECT_dev.csv, or one such file. Throws kNotFound, kFormat.
void read_mmlu(const std::filesystem::path& path, TaskData& data, Sha256& hash);
/// Whether a folder has the files of MMLU.
bool is_mmlu_folder(const std::filesystem::path& folder);

}  // namespace prunenet
