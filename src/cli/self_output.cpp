// What self-calibrated pruning says of itself.
#include "cli/self_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "cli/format.h"

namespace prunenet::cli {
namespace {

// NaN, which a report shows as a dash, where there is nothing to be a share of.
double relative(double error, const SiteOutcome& site) {
  return site.target_energy > 0 ? error / site.target_energy : std::numeric_limits<double>::quiet_NaN();
}

Json site_json(const SiteOutcome& site) {
  return {{"site", site.site == Site::kFfn ? "ffn" : "attention"},
          {"units_before", site.units_before},
          {"units_after", site.units_after},
          {"target_energy", site.target_energy},
          {"error_before", site.error_before},
          {"error_refitted", site.error_refitted},
          {"error_after", site.error_after},
          {"damping", site.damping},
          {"refit_damping", site.refit_damping},
          {"damping_raised", site.damping_raised},
          {"neuron_steps", site.neuron_steps},
          {"dead_units", site.dead_units},
          {"tokens", site.tokens}};
}

Json optional_json(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json candidate_json(const MixCandidate& candidate) {
  return {{"layers", candidate.layers_dropped},          {"kv_groups", candidate.kv_groups_removed},
          {"width", candidate.widths.front()},           {"total_ratio", candidate.total_ratio},
          {"estimated_kl_nats", candidate.estimated_kl}, {"kl_nats", optional_json(candidate.kl)}};
}

// Sums over the layers of one kind of site.
struct Sums {
  double energy = 0, before = 0, after = 0;
  int64_t count = 0, steps = 0;
  bool cut = false;  // units went
};

Sums sums_of(const SelfRun& run, Site site) {
  Sums sums;
  for (const SiteOutcome& outcome : run.outcome.sites) {
    if (outcome.site != site) continue;
    sums.energy += outcome.target_energy;
    sums.before += outcome.error_before;
    sums.after += outcome.error_after;
    sums.steps = std::max(sums.steps, outcome.neuron_steps);
    sums.cut = sums.cut || outcome.units_after < outcome.units_before;
    ++sums.count;
  }
  return sums;
}

}  // namespace

Json calibration_json(const SelfRun& run) {
  Json json = {{"text", run.calibration}, {"kl_nats_on_it", optional_json(run.outcome.kl_on_own)}};
  if (run.fresh_kl) json["kl_nats_on_fresh_text"] = *run.fresh_kl;
  if (run.fresh_kl) json["fresh_sequences"] = run.fresh_sequences;
  if (!run.dropped.empty()) {
    json["dropped"] = Json::array();
    for (const DroppedLayer& layer : run.dropped)
      json["dropped"].push_back({{"layer", layer.layer}, {"kl_nats", layer.kl}});
  }
  if (run.adaptive) {
    json["adaptive"] = {
        {"cost", run.adaptive->cost}, {"uniform_cost", run.adaptive->uniform_cost}, {"exact", run.adaptive->exact}};
  }
  if (run.mix) {
    json["mixes"] = Json::array();
    for (const MixCandidate& candidate : run.mix->candidates) json["mixes"].push_back(candidate_json(candidate));
  }
  return json;
}

void add_sites(const SelfRun& run, int64_t layer, Json& object) {
  for (const SiteOutcome& site : run.outcome.sites) {
    if (site.layer == layer) object["sites"].push_back(site_json(site));
  }
}

Json self_json(const SelfRun& run) {
  Json json = {{"kl_nats", optional_json(run.fresh_kl)}, {"calibration", calibration_json(run)}};
  json["sites"] = Json::array();
  for (const SiteOutcome& site : run.outcome.sites) {
    json["sites"].push_back({{"layer", site.layer}});
    json["sites"].back().update(site_json(site));
  }
  if (!run.layer_kl.empty()) json["layer_kl_nats"] = run.layer_kl;
  return json;
}

void print_self(const SelfRun& run, const ModelDescription& model) {
  fmt::print("  {:<16} {}\n", "measured on", run.calibration);
  for (const Site site : {Site::kAttention, Site::kFfn}) {
    const Sums sums = sums_of(run, site);
    if (sums.count == 0 || !(sums.energy > 0)) continue;
    const std::string lost = sums.cut ? "lost by the cut" : "off because of the layers before";
    const std::string name = site == Site::kFfn ? "FFN outputs" : "attention";
    if (!run.refits) {
      fmt::print("  {:<16} {} {}, all layers together; nothing is refitted\n", name,
                 format_percent(sums.before / sums.energy), lost);
      continue;
    }
    fmt::print("  {:<16} {} {}, {} after the refit, all layers together{}\n", name,
               format_percent(sums.before / sums.energy), lost, format_percent(sums.after / sums.energy),
               sums.steps > 0
                   ? fmt::format(" (neurons too, {} Gauss-Newton step{})", sums.steps, sums.steps == 1 ? "" : "s")
                   : "");
  }
  const auto& groups = run.changed->mask().kept_kv_groups;
  size_t stays = 0;  // the first layer that does
  while (run.changed->mask().drops(static_cast<int64_t>(stays))) ++stays;
  if (!groups.empty())
    fmt::print("  {:<16} {:>10} -> {:>10}\n", "KV groups", model.layers[stays].attention.kv_groups.width,
               groups[stays].size());
  if (!run.changed->mask().dropped_layers.empty()) {
    fmt::print("  {:<16} {:>10} -> {:>10} (without {})\n", "layers", model.layers.size(),
               model.layers.size() - run.changed->mask().dropped_layers.size(),
               fmt::join(run.changed->mask().dropped_layers, ", "));
  }
  if (run.adaptive) {
    fmt::print("  {:<16} estimated cost {:.4f}, {:.4f} if all layers lost the same share; widths are multiples of {}\n",
               "adaptive", run.adaptive->cost, run.adaptive->uniform_cost, run.adaptive->width_multiple);
  }
  if (run.mix) {
    fmt::print("  mixes tried (KL in nats a token):\n    {:>7} {:>9} {:>9} {:>8} {:>10} {:>9}\n", "layers", "KV groups",
               "width", "removed", "estimate", "measured");
    size_t shown = 0;
    for (const MixCandidate& candidate : run.mix->candidates) {
      if (++shown > 6) break;
      fmt::print("    {:>7} {:>9} {:>9} {:>8} {:>10.4f} {:>9}\n", -candidate.layers_dropped,
                 -candidate.kv_groups_removed, candidate.widths.front(), format_percent(candidate.total_ratio),
                 candidate.estimated_kl, candidate.kl ? fmt::format("{:.4f}", *candidate.kl) : "-");
    }
  }
  if (!run.fresh_kl) {
    fmt::print("  {:<16} not measured, as the model was not run for it: prunenet compare does that\n", "KL from dense");
  }
  if (run.fresh_kl) {
    fmt::print("  {:<16} {:.4f} nats a token, on {} fresh sequences of its own text{}\n", "KL from dense",
               *run.fresh_kl, run.fresh_sequences,
               run.outcome.kl_on_own ? fmt::format(" ({:.4f} on what it was fitted to)", *run.outcome.kl_on_own) : "");
    constexpr double kFar = 3, kWorthWords = 0.005;
    if (run.outcome.kl_on_own && *run.fresh_kl > kWorthWords && *run.fresh_kl > kFar * *run.outcome.kl_on_own) {
      fmt::print(
          "  {:<16} fresh text costs {:.1f} times what the fitted text does: more text to calibrate on would help\n",
          "", *run.fresh_kl / *run.outcome.kl_on_own);
    }
  }
}

void add_to_report(const SelfRun& run, Report& report) {
  report.options.emplace_back("measured on", run.calibration);
  report.kl_nats = run.fresh_kl;
  if (run.fresh_kl)
    report.kl_text = fmt::format("nats a token, on {} fresh sequences of its own text", run.fresh_sequences);
  if (run.fresh_kl) {
    report.options.emplace_back(
        "KL from dense",
        fmt::format("{:.4f} nats a token, on {} fresh sequences of its own text", *run.fresh_kl, run.fresh_sequences));
  }
  if (run.mix) {
    for (const MixCandidate& c : run.mix->candidates) {
      if (!c.kl) continue;  // estimated only
      report.options.emplace_back("mix tried", fmt::format("{} layers and {} KV groups fewer, width {}: {} removed, KL {:.4f}",
                                                           c.layers_dropped, c.kv_groups_removed, c.widths.front(),
                                                           format_percent(c.total_ratio), *c.kl));
    }
  }
  for (const SiteOutcome& site : run.outcome.sites) {
    report.sites.push_back({site.layer, site_name(site.site), site.units_before, site.units_after,
                            relative(site.error_before, site), relative(site.error_after, site), site.target_energy});
  }
  for (size_t l = 0; l < run.layer_kl.size(); ++l)
    report.layer_kl.push_back({static_cast<int64_t>(l), run.layer_kl[l]});
}

}  // namespace prunenet::cli
