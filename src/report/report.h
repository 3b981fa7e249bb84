// The data a report is made of, and the one function that turns it into a page.
// Holds: the plain structs a caller fills in, and render_html().
// Leaves out: how the numbers were measured, and writing the page to disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace prunenet {

/// One transformer layer's feed-forward block, before and after pruning.
struct LayerReport {
  /// The layer's number in the model, counted from 0.
  int64_t index = 0;
  /// FFN neurons. A width_before of 0 means "not known": no share kept is shown.
  int64_t width_before = 0, width_after = 0;
  /// Shape [n]: descending; may be empty if not computed. Values that are not finite are left out of the page's
  /// charts and summaries (the panel says how many).
  std::vector<double> singular_values_before;
  /// Shape [m]: descending; may have another length than `singular_values_before`; may be empty.
  std::vector<double> singular_values_after;
  /// Two-sample Kolmogorov-Smirnov statistic between the two vectors above, 0..1. The page shows this number as it is
  /// and marks the place in the curves where it is attained, unless the curves themselves have another largest gap.
  std::optional<double> ks = std::nullopt;
  /// The whole layer was taken out: `width_after`, `singular_values_after` and `ks` are not looked at.
  bool dropped = false;
};

/// One episode of the policy's training.
struct EpisodeReport {
  /// The episode's number, as the trainer counts.
  int64_t index = 0;
  /// Mean reward over the episode's samples (no unit), and mean KS over its layers (0..1; all zero: not recorded).
  double avg_reward = 0, avg_ks = 0;
};

/// Whole-model numbers: parameters in elements, sizes in bytes on disk, floating-point operations for one token.
struct Totals {
  int64_t params_before = 0, params_after = 0, ffn_params_before = 0, ffn_params_after = 0, bytes_before = 0,
          bytes_after = 0, flops_per_token_before = 0, flops_per_token_after = 0;
};

/// Two models compared on the same text: how far the second (after) is from the first (before).
struct ComparisonReport {
  /// What the text is, e.g. "64 sequences of up to 256 tokens that toy wrote itself, seed 42".
  std::string text;
  /// Sequences, and tokens that were predicted in them.
  int64_t num_sequences = 0, num_predictions = 0;
  /// Mean KL(before || after) of the next token's distributions, in nats, and its standard error over the sequences.
  double kl_nats = 0;
  std::optional<double> kl_standard_error;
  /// Share of predictions with the same likeliest token, 0..1.
  double top1_agreement = 0;
  /// Perplexities of the text.
  double perplexity_before = 0, perplexity_after = 0;
  /// Mean KL at each position ([0]: the token after the first) and of each sequence; may be empty.
  std::vector<double> kl_by_position, kl_by_sequence;
};

/// One site of a layer that was cut or refitted: attention's output projection, or down of the FFN.
struct SiteReport {
  int64_t layer = 0;
  /// "attention" or "FFN".
  std::string site;
  /// KV groups, or neurons.
  int64_t units_before = 0, units_after = 0;
  /// Squared error of its outputs, as a share of the energy of what they ought to be: cut and nothing more; refitted.
  /// NaN where there is no such energy.
  double error_before = 0, error_after = 0;
  /// That energy, in units that all sites of a report share: what each counts in the errors of all layers together. A
  /// site without any counts nothing there. Empty where it is not known, as is taken for what no energy can be.
  std::optional<double> energy = std::nullopt;
};

/// What one layer's changes cost by themselves, the other layers as they were.
struct LayerKlReport {
  int64_t layer = 0;
  /// Mean KL(before || after) a token, in nats.
  double kl_nats = 0;
};

/// One method among others at the same size.
struct MethodReport {
  /// Its name, and what it does in a few words.
  std::string name, words;
  /// Shares that it removed, of the FFNs and of all parameters.
  double ffn_ratio = 0, total_ratio = 0;
  /// Mean KL(before || after) a token, in nats, and its standard error; NaN: not known.
  double kl_nats = 0;
  std::optional<double> kl_standard_error;
  /// Of the same text.
  double perplexity = 0;
  /// Size on disk; 0: not known.
  int64_t bytes = 0;
  /// Of pruning, without measuring.
  double elapsed_s = 0;
  /// Programs that know nothing of pruning load it as it is.
  bool loads = true;
};

/// Everything one page shows. All strings are plain text (UTF-8); none is trusted, all are escaped.
struct Report {
  /// The page's heading, e.g. "stories260K pruned by prunenet".
  std::string title;
  /// The source folder's name.
  std::string model_name;
  /// The model's architecture, e.g. "llama".
  std::string family;
  /// Names of the two curves, e.g. "dense" and "pruned". An empty after_label means that there is only one model: the
  /// page then shows the "before" numbers alone, and no KS.
  std::string before_label, after_label;
  /// Version of the program.
  std::string version;
  /// Name and value, shown as a table in this order (seed, ratio, method ...).
  std::vector<std::pair<std::string, std::string>> options;
  /// Whole-model numbers for the tiles at the top; without them only what the layers tell is shown.
  std::optional<Totals> totals;
  /// Mean KL(before || after) a token, in nats, where it was measured, and on what: "on 32 fresh sequences of its own text".
  std::optional<double> kl_nats = std::nullopt;
  std::string kl_text = {};
  /// Shown in this order, one panel and one table row each.
  std::vector<LayerReport> layers;
  /// Training history of the policy, may be empty.
  std::vector<EpisodeReport> episodes;
  /// The `index` of the episode whose policy was kept.
  std::optional<int64_t> best_episode;
  /// Sentences to show near the top (warnings and explanations).
  std::vector<std::string> notes;
  /// Errors before and after the refit, in any order; may be empty.
  std::vector<SiteReport> sites = {};
  /// KL of each layer alone; may be empty.
  std::vector<LayerKlReport> layer_kl = {};
  /// Methods compared, in the order of the table; may be empty.
  std::vector<MethodReport> methods = {};
  /// What the second model says differently.
  std::optional<ComparisonReport> comparison = std::nullopt;
};

/// Renders one self-contained HTML5 file: no network, no script, light and dark, readable on a phone and on paper.
/// The same report gives the same bytes. Never throws on odd numbers: NaN, infinities and empty vectors become a dash
/// or are left out. The page stays under about 2 MB for 80 layers, whatever the length of their vectors.
std::string render_html(const Report& report);

}  // namespace prunenet
