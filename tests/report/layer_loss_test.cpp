// The report's section that says what each layer lost.
// Holds: where the numbers appear, where the marks lie, and the odd inputs that would break a careless section.
// Leaves out: how it looks.
#include "report/layer_loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "report/page_checks.h"
#include "report/text.h"

namespace prunenet {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kLargest = std::numeric_limits<int64_t>::max(), kLeast = std::numeric_limits<int64_t>::min();

// Errors and KLs that all differ; attention starts at layer 1, as where nothing comes before layer 0.
Report pruned(int64_t layers) {
  Report report;
  report.before_label = "dense";
  report.after_label = "pruned";
  std::mt19937_64 engine(5);
  std::uniform_real_distribution<double> share(0.1, 0.5);
  for (int64_t i = 0; i < layers; ++i) {
    report.layers.push_back({.index = i,
                             .width_before = 11008,
                             .width_after = 7000 + i,
                             .singular_values_before = {3, 2, 1},
                             .singular_values_after = {2, 1},
                             .ks = 0.25});
    const double error = share(engine);
    if (i > 0) report.sites.push_back({i, "attention", 32, 16, error / 2, error / 3});
    report.sites.push_back({i, "FFN", 11008, 7000 + i, error, error * 0.4});
    report.layer_kl.push_back({i, error * 0.07});
  }
  return report;
}

// The chart with this id, or nothing.
std::string chart_of(const std::string& page, const std::string& id) {
  const size_t at = page.find("aria-labelledby=\"" + id + "-t");
  if (at == std::string::npos) return "";
  return page.substr(at, page.find("</svg>", at) - at);
}

// One number for each element that starts with `start`: its attribute `name`.
std::vector<double> attributes(const std::string& text, const std::string& start, const std::string& name) {
  std::vector<double> values;
  for (size_t at = text.find(start); at != std::string::npos; at = text.find(start, at + 1)) {
    const size_t begin = text.find(" " + name + "=\"", at) + name.size() + 3;
    values.push_back(std::stod(text.substr(begin)));
  }
  return values;
}

std::vector<double> errors_of(const Report& report, const std::string& site, double SiteReport::*field) {
  std::vector<double> errors;
  for (const SiteReport& s : report.sites) {
    if (s.site == site) errors.push_back(s.*field);
  }
  return errors;
}

// `places` fall (pixels from the top) as `values` rise, and never the other way round.
void expect_falling(const std::vector<double>& values, const std::vector<double>& places) {
  ASSERT_EQ(values.size(), places.size());
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t j = 0; j < values.size(); ++j) {
      if (values[i] < values[j]) {
        EXPECT_GE(places[i], places[j]) << values[i] << ' ' << values[j];
      }
    }
  }
  EXPECT_GT(*std::max_element(places.begin(), places.end()) - *std::min_element(places.begin(), places.end()), 30);
}

void expect_sound(const std::string& page) {
  expect_well_formed(page);
  expect_only_numbers(page);
}

TEST(LayerLoss, EveryNumberIsInTheTable) {
  const Report report = pruned(12);
  const std::string page = layer_loss_section(report);
  for (const SiteReport& site : report.sites) {
    const std::string cells = "<td class=\"site\">" + site.site + "</td><td>" + format_exact(site.units_before) +
                              " \u2192 " + format_exact(site.units_after) + "</td><td>" +
                              format_value(site.error_before * 100) + "%</td><td>" +
                              format_value(site.error_after * 100) + "%</td>";
    EXPECT_EQ(count_of(page, cells), 1u) << cells;
  }
  for (const LayerKlReport& kl : report.layer_kl) {
    const std::string cell =
        std::string("<td rowspan=\"") + (kl.layer == 0 ? "1" : "2") + "\">" + format_value(kl.kl_nats) + "</td>";
    EXPECT_EQ(count_of(page, cell), 1u) << cell;
  }
  EXPECT_EQ(count_of(page, "<th scope=\"row\""), 12u);
  expect_sound(page);
}

TEST(LayerLoss, RowsAreInTheOrderOfLayersWhateverTheOrderOfWork) {
  Report report = pruned(9);
  const std::string page = layer_loss_section(report);
  std::reverse(report.layer_kl.begin(), report.layer_kl.end());
  std::stable_sort(report.sites.begin(), report.sites.end(), [](auto& l, auto& r) { return l.layer > r.layer; });
  EXPECT_EQ(layer_loss_section(report), page);
}

// The console sums over layers: where energies are known, so does the caption, which names what is what.
TEST(LayerLoss, TheCaptionTellsAllLayersTogetherFromTheirMedian) {
  Report report;
  for (int64_t layer = 0; layer < 3; ++layer)
    report.layers.push_back({.index = layer, .width_before = 8, .width_after = 4});
  report.sites = {{0, "FFN", 8, 4, 0.10, 0.05}, {1, "FFN", 8, 4, 0.20, 0.10}, {2, "FFN", 8, 4, 0.60, 0.30}};
  const std::string medians = "median layer 20.0% cut, 10.0% refitted; worst refitted 30.0%, in layer 2";
  EXPECT_NE(layer_loss_section(report).find(medians), std::string::npos);
  EXPECT_EQ(layer_loss_section(report).find("together"), std::string::npos);
  report.sites[0].energy = 1, report.sites[1].energy = 2, report.sites[2].energy = 5;
  const std::string page = layer_loss_section(report);
  EXPECT_NE(page.find("all layers together 43.8% cut, 21.9% refitted; " + medians), std::string::npos);  // 3.5, 1.75 of 8
  for (const std::optional<double> odd : std::vector<std::optional<double>>{{}, -1.0, kNan, kInfinity}) {
    report.sites[1].energy = odd;
    EXPECT_EQ(layer_loss_section(report).find("together"), std::string::npos) << odd.value_or(0);
    expect_sound(layer_loss_section(report));
  }
  report.sites.resize(1);
  EXPECT_EQ(layer_loss_section(report).find("median"), std::string::npos);
}

TEST(LayerLoss, ADeadLayerTakesNothingFromWhatIsSaidOfTheOthers) {
  Report report;
  for (int64_t layer = 0; layer < 3; ++layer)
    report.layers.push_back({.index = layer, .width_before = 8, .width_after = 4});
  const std::string all = "all layers together 50.0% cut, 25.0% refitted; ";  // (0.2 + 0.6 x 3) of 4
  for (const double share : {0.9, kNan}) {
    report.sites = {
        {0, "FFN", 8, 4, 0.20, 0.10, 1.0}, {1, "FFN", 8, 4, share, share, 0.0}, {2, "FFN", 8, 4, 0.60, 0.30, 3.0}};
    const std::string page = layer_loss_section(report);
    EXPECT_NE(page.find(all), std::string::npos) << share;
    expect_sound(page);
  }
  for (SiteReport& site : report.sites) site.energy = 0;
  const std::string page = layer_loss_section(report);
  EXPECT_EQ(page.find("together"), std::string::npos) << "nothing is a share of nothing";
  expect_sound(page);
}

TEST(LayerLoss, HigherErrorsLieHigher) {
  for (const int64_t layers : {5, 24, 80}) {
    const Report report = pruned(layers);
    const std::string page = layer_loss_section(report);
    for (const std::string site : {"FFN", "attention"}) {
      const std::string chart = chart_of(page, site == "FFN" ? "loss-ffn" : "loss-attention");
      // Cut and refitted errors share one scale.
      std::vector<double> values = errors_of(report, site, &SiteReport::error_before);
      std::vector<double> places = attributes(chart, "<circle class=\"ring\"", "cy");
      for (const double v : errors_of(report, site, &SiteReport::error_after)) values.push_back(v);
      for (const double p : attributes(chart, "<circle class=\"point\"", "cy")) places.push_back(p);
      expect_falling(values, places);
    }
    std::vector<double> kls;
    for (const LayerKlReport& kl : report.layer_kl) kls.push_back(kl.kl_nats);
    expect_falling(kls, attributes(chart_of(page, "loss-kl"), "<rect class=\"bar", "y"));
  }
}

TEST(LayerLoss, ALayerHasTheSamePlaceInEveryChart) {
  const std::string page = layer_loss_section(pruned(30));
  const std::vector<double> ffn = attributes(chart_of(page, "loss-ffn"), "<circle class=\"ring\"", "cx");
  const std::vector<double> attention = attributes(chart_of(page, "loss-attention"), "<circle class=\"ring\"", "cx");
  ASSERT_EQ(ffn.size(), 30u);
  ASSERT_EQ(attention.size(), 29u);
  EXPECT_TRUE(std::is_sorted(ffn.begin(), ffn.end(), std::less_equal<>()));
  EXPECT_TRUE(std::equal(attention.begin(), attention.end(), ffn.begin() + 1));
  // Marks neither touch the edges nor each other's place: the distance is the same all along.
  for (size_t i = 1; i < ffn.size(); ++i) EXPECT_NEAR(ffn[i] - ffn[i - 1], 100.0 / 30, 0.01);
}

TEST(LayerLoss, UnevenErrorsGetALogScaleThatKeepsTheirOrder) {
  Report report = pruned(10);
  EXPECT_EQ(layer_loss_section(report).find("log scale"), std::string::npos);
  double error = 0.9;
  std::vector<double> values;
  for (SiteReport& site : report.sites) {
    if (site.site != "FFN") continue;
    site.error_before = error;
    site.error_after = error / 2;
    values.push_back(error);
    error /= 3;
  }
  const std::string page = layer_loss_section(report);
  EXPECT_NE(page.find("log scale"), std::string::npos);
  EXPECT_NE(page.find("drawn at the lower edge"), std::string::npos);
  const std::vector<double> places = attributes(chart_of(page, "loss-ffn"), "<circle class=\"ring\"", "cy");
  expect_falling(values, places);
  // Equal factors are equal distances.
  EXPECT_NEAR(places[1] - places[0], places[2] - places[1], 0.2);
}

TEST(LayerLoss, ARefitThatMadeItWorseIsDrawnAsItIs) {
  Report report;
  report.sites = {{0, "FFN", 10, 5, 0.1, 0.3}, {1, "FFN", 10, 5, 0.2, 0.2}};
  const std::string chart = chart_of(layer_loss_section(report), "loss-ffn");
  const std::vector<double> rings = attributes(chart, "<circle class=\"ring\"", "cy");
  const std::vector<double> points = attributes(chart, "<circle class=\"point\"", "cy");
  EXPECT_GT(rings[0], points[0]);
  EXPECT_EQ(rings[1], points[1]);
}

TEST(LayerLoss, NothingKnownNoSection) {
  Report report = pruned(4);
  report.sites.clear();
  report.layer_kl.clear();
  EXPECT_EQ(layer_loss_section(report), "");
  const std::string page = render_html(report);
  for (const std::string part : {"What each layer lost", "loss-", "KL"}) {
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  }
}

TEST(LayerLoss, HalfOfItIsEnough) {
  Report only_kl = pruned(4), only_sites = pruned(4);
  only_kl.sites.clear();
  only_sites.layer_kl.clear();
  std::string page = layer_loss_section(only_kl);
  EXPECT_EQ(count_of(page, "<svg class=\"chart\""), 1u);
  EXPECT_EQ(page.find("<b>Error</b>"), std::string::npos);
  EXPECT_EQ(page.find("class=\"legend\""), std::string::npos);
  expect_sound(page);
  page = layer_loss_section(only_sites);
  EXPECT_EQ(count_of(page, "<svg class=\"chart\""), 2u);
  EXPECT_EQ(page.find("add up"), std::string::npos);
  expect_sound(page);
}

TEST(LayerLoss, SomeLayersOnly) {
  Report report = pruned(20);
  std::erase_if(report.sites, [](const SiteReport& s) { return s.layer % 3 != 0; });
  std::erase_if(report.layer_kl, [](const LayerKlReport& kl) { return kl.layer % 2 != 0; });
  const std::string page = layer_loss_section(report);
  // 0, 2, 3, 4, 6, 8, 9, 10, 12, 14, 15, 16, 18
  EXPECT_EQ(count_of(page, "<th scope=\"row\""), 13u);
  EXPECT_EQ(count_of(page, std::string("<td rowspan=\"2\">") + kNoNumber + "</td>"), 3u) << "KL of 3, 9 and 15";
  EXPECT_EQ(attributes(chart_of(page, "loss-kl"), "<rect class=\"bar", "y").size(), 10u);
  expect_sound(page);
}

TEST(LayerLoss, NumbersThatAreNoneBecomeDashes) {
  Report report;
  report.sites = {{0, "FFN", 10, 5, kNan, kInfinity}, {1, "FFN", 10, 5, 0.2, kNan}, {2, "FFN", 10, 5, 1e308, 0.1}};
  report.layer_kl = {{0, kNan}, {1, kInfinity}, {2, 0.5}};
  const std::string page = layer_loss_section(report);
  const std::string dash = kNoNumber;
  EXPECT_NE(page.find("<td>" + dash + "</td><td>" + dash + "</td><td rowspan=\"1\">" + dash + "</td>"),
            std::string::npos);
  EXPECT_NE(page.find("<td>20.0%</td><td>" + dash + "</td><td rowspan=\"1\">" + dash + "</td>"), std::string::npos);
  EXPECT_NE(page.find("<td>" + dash + "</td><td>10.0%</td><td rowspan=\"1\">0.500</td>"), std::string::npos);
  // What is no number has no mark.
  EXPECT_EQ(count_of(page, "class=\"ring\" cx"), 1u);
  EXPECT_EQ(count_of(page, "class=\"point\" cx"), 1u);
  EXPECT_EQ(count_of(page, "class=\"stem\""), 0u);
  expect_sound(page);
}

TEST(LayerLoss, NoNumberAtAllNoCharts) {
  Report report = pruned(3);
  for (SiteReport& site : report.sites) site.error_before = site.error_after = kNan;
  for (LayerKlReport& kl : report.layer_kl) kl.kl_nats = kNan;
  const std::string page = layer_loss_section(report);
  EXPECT_EQ(page.find("<svg"), std::string::npos);
  EXPECT_EQ(count_of(page, "<th scope=\"row\""), 3u);
  expect_sound(page);
}

TEST(LayerLoss, SurvivesUglyInputs) {
  const std::vector<double> odd = {0, -0.0,  -1,      5e-324,   1e-300, 1e-9,      1,
                                   7, 1e300, 1.7e308, -1.7e308, kNan,   kInfinity, -kInfinity};
  for (const double a : odd) {
    for (const double b : odd) {
      Report report;
      report.sites = {{kLargest, "FFN", kLeast, kLargest, a, b},
                      {kLeast, "attention", 0, -1, b, a},
                      {3, "FFN", 1, 1, 0.1, b},
                      {3, "FFN", 1, 1, a, 0.1},
                      {3, "", 1, 1, b, b}};
      report.layer_kl = {{3, a}, {3, b}, {kLeast, a}};
      expect_sound(render_html(report));
    }
  }
}

TEST(LayerLoss, EscapesTheSite) {
  Report report = pruned(2);
  const std::string evil = "</td><script>alert('1')</script>";
  report.sites.push_back({1, evil, 1, 1, 0.1, 0.1});
  const std::string page = render_html(report);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(count_of(page, escape_html(evil)), 1u);
}

TEST(LayerLoss, SameReportSameBytes) {
  const Report report = pruned(33);
  const Report copy = report;
  EXPECT_EQ(layer_loss_section(report), layer_loss_section(copy));
}

TEST(LayerLoss, StaysSmall) {
  const size_t size = layer_loss_section(pruned(80)).size();
  EXPECT_LT(size, 200000u);
  EXPECT_GT(size, 20000u);
  // In proportion to the layers.
  EXPECT_LT(layer_loss_section(pruned(800)).size(), 12 * size);
}

TEST(LayerLoss, ChartsHaveTitlesAndDescriptions) {
  const std::string page = layer_loss_section(pruned(6));
  EXPECT_EQ(count_of(page, "<svg class=\"chart\""), 3u);
  for (const std::string id : {"loss-ffn", "loss-attention", "loss-kl"}) {
    EXPECT_EQ(count_of(page, "<title id=\"" + id + "-t\">"), 1u);
    EXPECT_EQ(count_of(page, "<desc id=\"" + id + "-d\">"), 1u);
  }
  EXPECT_NE(page.find("do not add up"), std::string::npos);
}

TEST(LayerLoss, SaysWhereAnUncutSiteHasItsErrorFrom) {
  Report report = pruned(3);
  EXPECT_EQ(layer_loss_section(report).find("Where no units were cut"), std::string::npos);
  report.sites.front().units_after = report.sites.front().units_before;
  EXPECT_NE(layer_loss_section(report).find("Where no units were cut"), std::string::npos);
}

TEST(DroppedLayer, IsNeverShownAsKept) {
  Report report = pruned(4);
  report.layers[2].dropped = true;
  // Left over from the dense model; must not be believed.
  report.layers[2].width_after = 11008;
  report.layers[2].singular_values_after = report.layers[2].singular_values_before;
  report.layers[2].ks = 0;
  std::erase_if(report.sites, [](const SiteReport& s) { return s.layer == 2; });
  const std::string page = render_html(report);
  EXPECT_NE(page.find("layers <b>4 \u2192 3</b>"), std::string::npos);
  EXPECT_NE(page.find("<th scope=\"row\" rowspan=\"1\">2</th><td class=\"site\">dropped</td>"), std::string::npos);
  EXPECT_NE(page.find("<td>11,008</td><td>dropped</td><td>0.0%</td><td>" + std::string(kNoNumber) + "</td>"),
            std::string::npos);
  EXPECT_NE(page.find("dropped \u00B7 width 11,008"), std::string::npos);
  EXPECT_EQ(page.find("100.0% by layer"), std::string::npos);
  EXPECT_EQ(page.find("KS 0 "), std::string::npos);
  // Three layers of 7000, 7001 and 7003 neurons out of four of 11008.
  EXPECT_NE(page.find("47.7% overall, 0.0% to 63.6% by layer"), std::string::npos);
  expect_sound(page);
}

TEST(DroppedLayer, AllOfThem) {
  Report report = pruned(3);
  for (LayerReport& layer : report.layers) layer.dropped = true;
  report.sites.clear();
  const std::string page = render_html(report);
  EXPECT_NE(page.find("3 \u2192 0"), std::string::npos);
  expect_sound(page);
}

TEST(AdaptiveWidths, AreShownLayerByLayer) {
  Report report = pruned(5);
  for (size_t i = 0; i < 5; ++i) report.layers[i].width_after = 11008 * static_cast<int64_t>(5 + i) / 10;
  const std::string page = render_html(report);
  EXPECT_NE(page.find("70.0% overall, 50.0% to 90.0% by layer"), std::string::npos);
  for (const std::string share : {"50.0%", "60.0%", "70.0%", "80.0%", "90.0%"}) {
    EXPECT_GE(count_of(page, "<td>" + share + "</td>"), 1u) << share;
  }
}

}  // namespace
}  // namespace prunenet
