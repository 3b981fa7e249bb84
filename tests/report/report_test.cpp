// Tests of the report room: the page as a whole, its numbers and its curves.
// Holds: properties that hold for any report, and the odd inputs that would break a careless one.
// Leaves out: how the page looks.
#include "report/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "report/axis.h"
#include "report/page_checks.h"
#include "report/stats.h"
#include "report/text.h"

namespace prunenet {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> random_values(std::mt19937_64& engine, size_t count, bool with_ties = false) {
  std::uniform_real_distribution<double> exponent(-2, 2);
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i) {
    const double value = std::pow(10.0, exponent(engine));
    values.push_back(with_ties ? std::round(value) : value);
  }
  std::sort(values.rbegin(), values.rend());
  return values;
}

Report sample_report(int64_t layers, size_t values, int64_t episodes = 0) {
  std::mt19937_64 engine(7);
  Report report{
      .title = "toy pruned by prunenet",
      .model_name = "toy",
      .family = "llama",
      .before_label = "dense",
      .after_label = "pruned",
      .version = "0.1.0",
      .options = {{"seed", "42"}, {"ratio", "0.3"}},
      .totals = Totals{1350000000, 963000000, 800000000, 413000000, 2700000000, 1926000000, 2600000000, 1830000000},
      .layers = {},
      .episodes = {},
      .best_episode = std::nullopt,
      .notes = {"A note."}};
  for (int64_t i = 0; i < layers; ++i) {
    LayerReport layer{.index = i,
                      .width_before = 11008,
                      .width_after = 7000 + i,
                      .singular_values_before = random_values(engine, values),
                      .singular_values_after = random_values(engine, values - values / 5),
                      .ks = std::nullopt};
    layer.ks = find_ks_gap(clean_spectrum(layer.singular_values_before), clean_spectrum(layer.singular_values_after))
                   .value()
                   .size();
    report.layers.push_back(std::move(layer));
  }
  for (int64_t i = 0; i < episodes; ++i) {
    report.episodes.push_back({.index = i, .avg_reward = std::sin(static_cast<double>(i)), .avg_ks = 0.1});
  }
  if (episodes > 0) report.best_episode = episodes / 2;
  return report;
}

// Values that come from a broken model, an unfinished run or a bug elsewhere.
Report ugly_report() {
  Report report = sample_report(0, 0);
  const auto add = [&](std::vector<double> before, std::vector<double> after, std::optional<double> ks) {
    report.layers.push_back({.index = static_cast<int64_t>(report.layers.size()),
                             .width_before = 0,
                             .width_after = -5,
                             .singular_values_before = std::move(before),
                             .singular_values_after = std::move(after),
                             .ks = ks});
  };
  add({}, {}, std::nullopt);
  add({0}, {0}, kNan);
  add({1}, {1}, 0.0);
  add({5, 5, 5}, {5, 5}, kInfinity);
  add({kNan, kInfinity, 3, -kInfinity}, {kNan}, 0.5);
  add({1e308, 1e-308, 0}, {5e-324}, 1.0);
  add({1.7e308, -1.7e308}, {1.7e308}, 2.0);
  add({5e-324}, {}, -1.0);
  add({-1, -2}, {4}, 1.0);
  add({0, 0, 0, 1e-300}, {0}, 0.25);
  report.layers.back().width_before = std::numeric_limits<int64_t>::max();
  report.layers.back().width_after = std::numeric_limits<int64_t>::min();
  report.totals = Totals{0, 5, -1, 3, std::numeric_limits<int64_t>::max(), 0, std::numeric_limits<int64_t>::min(), 1};
  report.episodes = {{0, kNan, kInfinity},
                     {std::numeric_limits<int64_t>::max(), 1e308, 0.5},
                     {std::numeric_limits<int64_t>::min(), -1e308, kNan},
                     {3, 1, 1}};
  report.best_episode = 12345;
  return report;
}

TEST(EscapeHtml, ReplacesMarkup) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
}

TEST(EscapeHtml, KeepsUtf8AndReplacesWhatIsNot) {
  EXPECT_EQ(escape_html("\u00fc\u4e2d\U0001F999"), "\u00fc\u4e2d\U0001F999");
  for (const std::string bad :
       {"\xff", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\x80", "\x01", "\x7f"}) {
    const std::string escaped = escape_html("a" + bad + "b");
    EXPECT_EQ(escaped.find(bad), std::string::npos);
    EXPECT_TRUE(escaped.starts_with("a\uFFFD")) << escaped;
    EXPECT_TRUE(escaped.ends_with("b")) << escaped;
  }
  EXPECT_EQ(escape_html(std::string_view("\0", 1)), "\uFFFD");
  EXPECT_EQ(escape_html("gpj.\u202Etxt"), "gpj.\uFFFDtxt");
}

TEST(Format, CountsForPeople) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(9999), "9,999");
  EXPECT_EQ(format_count(260032), "260\u00A0K");
  EXPECT_EQ(format_count(999499), "999\u00A0K");
  EXPECT_EQ(format_count(999999), "1.00\u00A0M");
  EXPECT_EQ(format_count(1350000000), "1.35\u00A0B");
  EXPECT_EQ(format_count(-1350000000), "-1.35\u00A0B");
  EXPECT_EQ(format_bytes(512), "512\u00A0B");
  EXPECT_EQ(format_bytes(13476855808), "13.5\u00A0GB");
  EXPECT_EQ(format_flops(13214154752), "13.2\u00A0G");
  EXPECT_EQ(format_exact(std::numeric_limits<int64_t>::min()), "-9,223,372,036,854,775,808");
  EXPECT_EQ(format_exact(-123), "-123");
}

TEST(Format, Values) {
  EXPECT_EQ(format_value(0.0312), "0.0312");
  EXPECT_EQ(format_value(0.1), "0.100");
  EXPECT_EQ(format_value(0.9999), "1.00");
  EXPECT_EQ(format_value(9.999), "10.0");
  EXPECT_EQ(format_value(99.99), "100");
  EXPECT_EQ(format_value(12345), "12,350");
  EXPECT_EQ(format_value(1.2e-5), "1.2e-5");
  EXPECT_EQ(format_value(0.0), "0");
  EXPECT_EQ(format_value(-2.5), "-2.50");
  EXPECT_EQ(format_value(kNan), kNoNumber);
  EXPECT_EQ(format_percent(0.4213), "42.1%");
  EXPECT_EQ(format_percent(kInfinity), kNoNumber);
  EXPECT_EQ(format_plain(12.50, 3), "12.5");
  EXPECT_EQ(format_plain(-0.0001, 2), "0");
  EXPECT_EQ(format_plain(kNan, 2), "0");
}

TEST(Axis, AlwaysUsable) {
  const std::vector<double> ends = {0, 1, -1, 5e-324, 1e-300, 0.03, 49.9, 1e6, 1.7e308, -1.7e308, kNan, kInfinity};
  for (const double low : ends) {
    for (const double high : ends) {
      for (const Axis& axis :
           {linear_axis(low, high, 4), padded_axis(low, high, 4), log_axis(low, high),
            integer_axis(std::isfinite(low) ? static_cast<int64_t>(std::clamp(low, -1e9, 1e9)) : 7, 7, 5)}) {
        EXPECT_TRUE(std::isfinite(axis.low) && std::isfinite(axis.high) && axis.low < axis.high) << low << ' ' << high;
        EXPECT_LE(axis.ticks.size(), 12u);
        for (const Tick& tick : axis.ticks) {
          EXPECT_TRUE(tick.position >= 0 && tick.position <= 1);
          EXPECT_FALSE(tick.label.empty());
        }
      }
    }
  }
}

TEST(Axis, CoversItsRangeWithDistinctTicks) {
  for (const auto& [low, high] :
       std::vector<std::pair<double, double>>{{0.2, 40}, {0.01, 3}, {1e-5, 100}, {2, 3}, {0.95, 1.05}, {7, 7}}) {
    for (const Axis& axis : {linear_axis(low, high, 4), padded_axis(low, high, 4), log_axis(low, high)}) {
      EXPECT_LE(axis.low, low * (1 + 1e-9));
      EXPECT_GE(axis.high, high * (1 - 1e-9));
      EXPECT_GE(axis.ticks.size(), 2u) << low << ' ' << high;
      for (size_t i = 1; i < axis.ticks.size(); ++i) {
        EXPECT_LT(axis.ticks[i - 1].position, axis.ticks[i].position);
        EXPECT_NE(axis.ticks[i - 1].label, axis.ticks[i].label);
      }
    }
  }
}

TEST(KsGap, IsTheLargestDifferenceAndLiesWhereItSays) {
  std::mt19937_64 engine(11);
  for (int round = 0; round < 200; ++round) {
    const bool ties = round % 2 == 0;
    const Spectrum a = clean_spectrum(random_values(engine, 1 + engine() % 60, ties));
    const Spectrum b = clean_spectrum(random_values(engine, 1 + engine() % 60, ties));
    const auto share_at = [](const Spectrum& s, double x) {
      const auto below = std::count_if(s.ascending.begin(), s.ascending.end(), [&](double v) { return v <= x; });
      return static_cast<double>(below) / static_cast<double>(s.ascending.size());
    };
    double largest = 0;
    for (const Spectrum* s : {&a, &b}) {
      for (const double x : s->ascending) largest = std::max(largest, std::abs(share_at(a, x) - share_at(b, x)));
    }
    const std::optional<KsGap> gap = find_ks_gap(a, b);
    ASSERT_TRUE(gap);
    EXPECT_DOUBLE_EQ(gap->size(), largest);
    EXPECT_DOUBLE_EQ(gap->share_before, share_at(a, gap->value));
    EXPECT_DOUBLE_EQ(gap->share_after, share_at(b, gap->value));
  }
}

TEST(KsGap, KnownCases) {
  EXPECT_FALSE(find_ks_gap(clean_spectrum({}), clean_spectrum({1})));
  EXPECT_DOUBLE_EQ(find_ks_gap(clean_spectrum({2, 1}), clean_spectrum({1, 2}))->size(), 0);
  const KsGap apart = *find_ks_gap(clean_spectrum({3, 2, 1}), clean_spectrum({0.3, 0.2}));
  EXPECT_DOUBLE_EQ(apart.size(), 1);
  EXPECT_DOUBLE_EQ(apart.value, 0.3);
}

TEST(QuantileCurve, IsMonotoneBoundedAndSpansTheAxis) {
  std::mt19937_64 engine(13);
  for (const size_t n : {1u, 2u, 3u, 99u, 100u, 101u, 198u, 199u, 5000u}) {
    const Spectrum spectrum = clean_spectrum(random_values(engine, n));
    const std::vector<QuantilePoint> curve = quantile_curve(spectrum, 200);
    ASSERT_GE(curve.size(), 2u) << n;
    EXPECT_LE(curve.size(), 200u) << n;
    EXPECT_DOUBLE_EQ(curve.front().quantile, 0);
    EXPECT_DOUBLE_EQ(curve.back().quantile, 1);
    EXPECT_DOUBLE_EQ(curve.front().value, spectrum.ascending.front());
    EXPECT_DOUBLE_EQ(curve.back().value, spectrum.ascending.back());
    for (size_t i = 1; i < curve.size(); ++i) {
      EXPECT_LE(curve[i - 1].quantile, curve[i].quantile);
      EXPECT_LE(curve[i - 1].value, curve[i].value);
    }
  }
}

TEST(RenderHtml, EscapesEveryString) {
  Report report = sample_report(2, 8, 3);
  const std::string evil = "</title></style><script>alert('1')</script><img src=\"x\" onerror=\"y\">";
  report.title = report.model_name = report.family = report.before_label = report.after_label = report.version = evil;
  report.options = {{evil, evil}};
  report.notes = {evil};
  const std::string page = render_html(report);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_EQ(count_of(page, "</style>"), 1u);
  EXPECT_GE(count_of(page, "&lt;script&gt;"), 8u);
  expect_well_formed(page);
}

TEST(RenderHtml, RefersToNothingOutside) {
  const std::string page = render_html(sample_report(3, 20, 5));
  for (const std::string part :
       {"http:", "https:", "//", "src=", "@import", "url(", "<link", "<script", "javascript:"}) {
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  }
  // What links there are stay inside the page.
  EXPECT_EQ(count_of(page, "href="), count_of(page, "href=\"#"));
}

TEST(RenderHtml, SameReportSameBytes) {
  const Report report = sample_report(4, 300, 50);
  const Report copy = report;
  EXPECT_EQ(render_html(report), render_html(copy));
}

TEST(RenderHtml, OrderOfValuesDoesNotMatter) {
  Report report = sample_report(2, 40);
  const std::string page = render_html(report);
  for (LayerReport& layer : report.layers)
    std::reverse(layer.singular_values_before.begin(), layer.singular_values_before.end());
  EXPECT_EQ(render_html(report), page);
}

TEST(RenderHtml, SurvivesOddNumbers) {
  for (const Report& report : {ugly_report(), Report{}, sample_report(1, 1, 1), sample_report(1, 1)}) {
    const std::string page = render_html(report);
    expect_well_formed(page);
    expect_only_numbers(page);
  }
}

TEST(RenderHtml, StaysSmallForALargeModel) {
  const std::string page = render_html(sample_report(80, 5000, 20000));
  EXPECT_LT(page.size(), 1500000u);
  EXPECT_GT(page.size(), 100000u);
}

TEST(RenderHtml, HoldsEveryLayerInTableAndPanels) {
  const Report report = sample_report(37, 16);
  const std::string page = render_html(report);
  for (size_t i = 0; i < report.layers.size(); ++i) {
    const std::string at = std::to_string(i);
    const LayerReport& layer = report.layers[i];
    EXPECT_EQ(count_of(page, "<th scope=\"row\"><a href=\"#layer-" + at + "\">" + at + "</a></th><td>11,008</td><td>" +
                                 format_exact(layer.width_after) + "</td>"),
              1u);
    EXPECT_EQ(count_of(page, "id=\"layer-" + at + "\""), 1u);
    EXPECT_GE(count_of(page, "KS " + format_value(layer.ks)), 1u);
  }
}

TEST(RenderHtml, EveryChartHasTitleAndDescription) {
  const std::string page = render_html(sample_report(6, 30, 10));
  EXPECT_EQ(count_of(page, "<svg class=\"chart\""), 6u + 4u);
  EXPECT_EQ(count_of(page, "aria-labelledby="), 10u);
  EXPECT_EQ(count_of(page, "<desc id="), 10u);
}

TEST(RenderHtml, MarksTheGapWhereItIs) {
  Report report = sample_report(1, 1);
  report.layers[0].singular_values_before = {4, 3, 2, 1};
  report.layers[0].singular_values_after = {4, 1.5, 1.2, 1};
  report.layers[0].ks = 0.5;
  // At 1.5, a quarter of one spectrum and three quarters of the other are reached.
  EXPECT_EQ(count_of(render_html(report), "<line class=\"gap\" x1=\"25%\" x2=\"75%\""), 1u);
  // A KS that the curves do not have is shown, but no place is made up for it.
  report.layers[0].ks = 0.3;
  const std::string page = render_html(report);
  EXPECT_EQ(page.find("class=\"gap\""), std::string::npos);
  EXPECT_NE(page.find("KS 0.300"), std::string::npos);
}

TEST(RenderHtml, ChoosesALogScaleForAWideSpread) {
  Report report = sample_report(1, 1);
  report.layers[0].singular_values_before = {10, 5, 1};
  report.layers[0].singular_values_after = {10, 5, 1};
  EXPECT_EQ(render_html(report).find("log scale"), std::string::npos);
  report.layers[0].singular_values_after = {10, 5, 0.1};
  EXPECT_NE(render_html(report).find("log scale"), std::string::npos);
}

TEST(RenderHtml, OneModelHasNoComparison) {
  Report report = sample_report(3, 20);
  report.after_label.clear();
  const std::string page = render_html(report);
  for (const std::string part : {"KS", "Kolmogorov", "class=\"before\"", "removed", "\u2192"}) {
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  }
  EXPECT_NE(page.find("1.35\u00A0B"), std::string::npos);
}

TEST(RenderHtml, ShowsTilesHistoryAndOptions) {
  const std::string page = render_html(sample_report(3, 20, 30));
  EXPECT_NE(page.find("1.35\u00A0B"), std::string::npos);
  EXPECT_NE(page.find("963\u00A0M"), std::string::npos);
  // The bar is as long as the words say.
  EXPECT_NE(page.find("28.7% removed<span class=\"meter\"><span style=\"width:28.7%\">"), std::string::npos);
  EXPECT_NE(page.find("best episode 15"), std::string::npos);
  EXPECT_LT(page.find(">seed<"), page.find(">ratio<"));
  EXPECT_NE(page.find("Kolmogorov-Smirnov"), std::string::npos);
  EXPECT_NE(page.find("prunenet 0.1.0"), std::string::npos);
}

}  // namespace
}  // namespace prunenet
