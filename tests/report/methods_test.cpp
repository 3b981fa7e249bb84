// The report's section that puts methods beside each other at the same size.
// Holds: where the numbers appear, where the bars and whiskers end, and the odd inputs that would break a careless
// section.
// Leaves out: how it looks.
#include "report/methods.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "report/page_checks.h"
#include "report/text.h"

namespace prunenet {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kLargest = std::numeric_limits<int64_t>::max(), kLeast = std::numeric_limits<int64_t>::min();

MethodReport method(const std::string& name, double kl, std::optional<double> error = std::nullopt) {
  MethodReport method;
  method.name = name;
  method.words = "words of " + name;
  method.ffn_ratio = 0.3;
  method.total_ratio = 0.2;
  method.kl_nats = kl;
  method.kl_standard_error = error;
  method.perplexity = 4.0123;
  method.bytes = 3'010'000;
  method.elapsed_s = 1.25;
  return method;
}

// What compare-methods fills in: no layers, no totals, one model.
Report compared(std::vector<MethodReport> methods) {
  Report report;
  report.title = "toy: methods compared";
  report.model_name = "toy";
  report.before_label = "dense";
  report.options = {{"text", "16 sequences"}};
  report.methods = std::move(methods);
  return report;
}

Report usual() {
  return compared(
      {method("random", 0.311, 0.012), method("product", 0.0312, 0.0011), method("self", 0.00121, 0.00004)});
}

std::vector<double> attributes(const std::string& text, const std::string& start, const std::string& name) {
  std::vector<double> values;
  for (size_t at = text.find(start); at != std::string::npos; at = text.find(start, at + 1)) {
    const size_t begin = text.find(" " + name + "=\"", at) + name.size() + 3;
    values.push_back(std::stod(text.substr(begin)));
  }
  return values;
}

std::vector<double> bar_ends(const std::string& page) {
  return attributes(page, "<rect class=\"bar", "width");
}

void expect_sound(const std::string& page) {
  expect_well_formed(page);
  expect_only_numbers(page);
}

TEST(Methods, EveryNumberIsInTheTable) {
  Report report = usual();
  report.methods[1].loads = false;
  report.methods[1].elapsed_s = 125;
  report.methods[1].ffn_ratio = 0.281;
  const std::string page = methods_section(report);
  for (const std::string row :
       {"<tr><th scope=\"row\">random</th><td class=\"words\">words of random</td><td>30.0%</td><td>20.0%</td>"
        "<td>0.311 \u00B1 0.012</td><td>4.012</td><td>3.01\u00A0MB</td><td>1.2\u00A0s</td><td>yes</td></tr>",
        "<tr><th scope=\"row\">product</th><td class=\"words\">words of product</td><td>28.1%</td><td>20.0%</td>"
        "<td>0.0312 \u00B1 "
        "0.0011</td><td>4.012</td><td>3.01\u00A0MB</td><td>2\u00A0min\u00A005\u00A0s</td><td>no</td></tr>",
        "<tr class=\"least\"><th scope=\"row\">self <span class=\"badge\">best</span></th><td class=\"words\">words of "
        "self</td><td>30.0%</td>"
        "<td>20.0%</td><td>0.001210 \u00B1 0.000040</td>"}) {
    EXPECT_EQ(count_of(page, row), 1u) << row;
  }
  expect_sound(page);
}

TEST(Methods, BarsFollowTheOrderOfTheTableAndTheirValues) {
  const std::string page = methods_section(usual());
  const std::vector<double> ends = bar_ends(page);
  ASSERT_EQ(ends.size(), 3u);
  EXPECT_GT(ends[0], ends[1]);
  EXPECT_GT(ends[1], ends[2]);
  EXPECT_GT(ends[2], 3) << "the best is still a bar";
  EXPECT_LT(ends[0], 100);
  const std::vector<double> rows = attributes(page, "<rect class=\"bar", "y");
  EXPECT_LT(rows[0], rows[1]);
  EXPECT_LT(rows[1], rows[2]);
}

TEST(Methods, EqualFactorsAreEqualLengthsOnALogScale) {
  const std::string page = methods_section(compared({method("a", 0.3), method("b", 0.03), method("c", 0.003)}));
  EXPECT_NE(page.find("log scale"), std::string::npos);
  EXPECT_NE(page.find("no bar starts at 0"), std::string::npos);
  const std::vector<double> ends = bar_ends(page);
  EXPECT_NEAR(ends[0] - ends[1], ends[1] - ends[2], 0.01);
}

TEST(Methods, LengthsAreInProportionOnALinearScale) {
  const std::string page = methods_section(compared({method("a", 0.3), method("b", 0.15), method("c", 0.03)}));
  EXPECT_EQ(page.find("log"), std::string::npos);
  const std::vector<double> ends = bar_ends(page);
  EXPECT_NEAR(ends[0], 2 * ends[1], 0.01);
  EXPECT_NEAR(ends[0], 10 * ends[2], 0.02);
}

TEST(Methods, TheScaleTurnsLogarithmicBeyondAFactorOfTwelve) {
  EXPECT_EQ(methods_section(compared({method("a", 1.2), method("b", 0.1001)})).find("log scale"), std::string::npos);
  EXPECT_NE(methods_section(compared({method("a", 1.2), method("b", 0.0999)})).find("log scale"), std::string::npos);
}

TEST(Methods, WhiskersEndOneStandardErrorAway) {
  // Linear from 0: the same share of the plot for each nat.
  const std::string page =
      methods_section(compared({method("a", 0.3, 0.03), method("b", 0.2, 0.01), method("c", 0.1)}));
  const std::vector<double> ends = bar_ends(page);
  const std::vector<double> from = attributes(page, "<line class=\"whisker\"", "x1");
  const std::vector<double> to = attributes(page, "<line class=\"whisker\"", "x2");
  ASSERT_EQ(from.size(), 6u) << "a line and two ends for each of two";
  EXPECT_NEAR(from[0], ends[0] * 0.9, 0.01);
  EXPECT_NEAR(to[0], ends[0] * 1.1, 0.01);
  EXPECT_LE(to[0], 100);
  EXPECT_NEAR(from[3], ends[1] * 0.95, 0.01);
  EXPECT_NEAR(to[3], ends[1] * 1.05, 0.01);
  EXPECT_NE(page.find("one standard error"), std::string::npos);
  EXPECT_EQ(methods_section(compared({method("a", 0.3), method("b", 0.2)})).find("Whiskers"), std::string::npos);
}

TEST(Methods, AnErrorBeyondAllBoundsDoesNotSquashTheBars) {
  const std::string page = methods_section(compared({method("a", 0.3, 1e9), method("b", 0.2, 0.01)}));
  EXPECT_GT(bar_ends(page)[0], 25);
  EXPECT_EQ(attributes(page, "<line class=\"whisker\"", "x2")[0], 100);
  expect_sound(page);
}

TEST(Methods, MarksTheBestAndOnlyIt) {
  const std::string page = methods_section(usual());
  EXPECT_EQ(count_of(page, "class=\"bar least\""), 1u);
  EXPECT_EQ(count_of(page, ">best<"), 2u) << "in the chart and in the table";
  EXPECT_NE(page.find("<span>best: self, 0.00121</span>"), std::string::npos);
}

TEST(Methods, AllThatAreEquallyGoodAreTheBest) {
  const std::string page = methods_section(compared({method("a", 0.1), method("b", 0.3), method("c", 0.1)}));
  EXPECT_EQ(count_of(page, "class=\"bar least\""), 2u);
  EXPECT_EQ(count_of(page, "<tr class=\"least\">"), 2u);
}

TEST(Methods, WithoutADifferenceNoneIsTheBest) {
  for (const auto& methods : {std::vector{method("a", 0.1)}, std::vector{method("a", 0.1), method("b", 0.1)},
                              std::vector{method("a", 0.1), method("b", kNan)}}) {
    const Report report = compared(methods);
    const std::string page = render_html(report);
    EXPECT_EQ(page.find(">best<"), std::string::npos);
    EXPECT_EQ(page.find("class=\"bar least\""), std::string::npos);
    EXPECT_EQ(page.find("Lowest KL"), std::string::npos);
    expect_sound(page);
  }
}

TEST(Methods, SaysWhereTheBestIsNotClearlySo) {
  Report report = compared({method("a", 0.3, 0.01), method("b", 0.105, 0.003), method("c", 0.1, 0.003)});
  EXPECT_NE(methods_section(report).find("best: c, 0.100; its whisker overlaps that of b<"), std::string::npos);
  report.methods[1].kl_nats = 0.107;
  EXPECT_EQ(methods_section(report).find("overlaps"), std::string::npos);
  report.methods[0].kl_nats = report.methods[1].kl_nats = 0.101;
  EXPECT_NE(methods_section(report).find("overlaps those of 2 others"), std::string::npos);
}

TEST(Methods, SaysWhereTheSizesDiffer) {
  Report report = usual();
  EXPECT_EQ(methods_section(report).find("not all the same"), std::string::npos);
  report.methods[0].bytes = 3'100'000;
  EXPECT_NE(methods_section(report).find("from 3.01\u00A0MB to 3.10\u00A0MB"), std::string::npos);
}

TEST(Methods, WhatIsLargerThanTheOthersIsNotTheBest) {
  Report report = usual();
  report.methods.push_back(method("padded", 0.0001, 0.00001));
  report.methods.back().bytes = 3'500'000;
  std::string page = render_html(report);
  EXPECT_NE(page.find("<span>best: self, 0.00121</span>"), std::string::npos);
  EXPECT_EQ(count_of(page, "class=\"bar pale\""), 1u);
  EXPECT_EQ(count_of(page, ">larger</text>"), 1u);
  EXPECT_NE(page.find("not counted as the best"), std::string::npos);
  EXPECT_NE(page.find("<dd class=\"big\">0.00121</dd><dd>self</dd>"), std::string::npos);
  // A smaller one has won against the odds.
  report.methods.back().bytes = 2'500'000;
  page = render_html(report);
  EXPECT_NE(page.find("<span>best: padded, 0.000100</span>"), std::string::npos);
  EXPECT_EQ(count_of(page, ">best, smaller</text>"), 1u);
  EXPECT_EQ(page.find("not counted as the best"), std::string::npos);
  // And one that lost is not to blame.
  report.methods.back().kl_nats = 0.9;
  EXPECT_NE(render_html(report).find("<dd class=\"big\">0.311</dd><dd>random, "), std::string::npos);
}

TEST(Methods, OfTwoSizesNothingIsTheBest) {
  Report report = compared({method("a", 0.1), method("b", 0.3)});
  report.methods[0].bytes *= 2;
  const std::string page = render_html(report);
  EXPECT_EQ(page.find(">best<"), std::string::npos);
  EXPECT_NE(page.find("<span>from 0.100 to 0.300</span>"), std::string::npos);
  expect_sound(page);
}

TEST(Methods, APageOfNothingElseIsComplete) {
  const std::string page = render_html(usual());
  EXPECT_EQ(count_of(page, "<section"), 2u) << "the methods and the run";
  EXPECT_EQ(count_of(page, "<svg class=\"chart"), 1u);
  EXPECT_EQ(count_of(page, "class=\"tile\""), 4u);
  for (const std::string part :
       {"<dd class=\"big\">0.00121</dd><dd>self</dd>", "<dd class=\"big\">0.311</dd><dd>random, \u00D7 257</dd>",
        "<dd class=\"big\">30.0%</dd><dd>20.0% of all parameters</dd>", "16 sequences"}) {
    EXPECT_EQ(count_of(page, part), 1u) << part;
  }
  for (const std::string part : {"Kolmogorov", "All layers", "Exact totals", "compares", "<dd class=\"big\"></dd>",
                                 "Singular values", "<span></span>", "<tbody>\n</tbody>"}) {
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  }
  expect_sound(page);
}

TEST(Methods, NoneNoTrace) {
  const Report report = compared({});
  EXPECT_EQ(methods_section(report), "");
  EXPECT_EQ(methods_tiles(report), "");
  EXPECT_EQ(render_html(report).find("KL"), std::string::npos);
}

TEST(Methods, NumbersThatAreNoneBecomeDashes) {
  MethodReport broken = method("broken", kNan, kNan);
  broken.perplexity = kInfinity;
  broken.ffn_ratio = broken.total_ratio = broken.elapsed_s = kNan;
  broken.bytes = 0;
  const std::string page = render_html(compared({method("a", 0.1), broken, method("b", 0.2, kInfinity)}));
  std::string row = "words of broken</td>";
  for (int i = 0; i < 6; ++i) row += std::string("<td>") + kNoNumber + "</td>";
  EXPECT_NE(page.find(row), std::string::npos);
  EXPECT_EQ(bar_ends(page).size(), 2u);
  EXPECT_EQ(page.find("class=\"whisker\""), std::string::npos);
  EXPECT_EQ(count_of(page, "<th scope=\"row\">broken</th>"), 1u);
  expect_sound(page);
}

TEST(Methods, NoNumberAtAllNoChart) {
  const std::string page = render_html(compared({method("a", kNan), method("b", kInfinity)}));
  EXPECT_EQ(page.find("<svg"), std::string::npos);
  EXPECT_EQ(count_of(page, "class=\"words\">words of"), 2u);
  expect_sound(page);
}

TEST(Methods, WhatLiesFarBelowIsDrawnAtTheEdgeAndSaysSo) {
  const std::string page = methods_section(compared({method("a", 0.3), method("b", 1e-9), method("c", -1e-9)}));
  EXPECT_EQ(bar_ends(page)[1], 0);
  EXPECT_EQ(bar_ends(page)[2], 0);
  EXPECT_NE(page.find("2 KLs below"), std::string::npos);
  EXPECT_NE(page.find("<tr class=\"least\"><th scope=\"row\">c <span"), std::string::npos);
}

TEST(Methods, SurvivesUglyInputs) {
  const std::vector<double> odd = {0, -0.0,  -1,      5e-324,   1e-300, 1e-9,      1,
                                   7, 1e300, 1.7e308, -1.7e308, kNan,   kInfinity, -kInfinity};
  for (const double a : odd) {
    for (const double b : odd) {
      MethodReport first = method("", a, b), second = method("b", b, a), third = method("c", 0.1, b);
      first.words = "";
      first.perplexity = second.elapsed_s = first.ffn_ratio = a;
      second.perplexity = first.elapsed_s = second.total_ratio = b;
      first.bytes = kLeast;
      second.bytes = kLargest;
      const std::string page = render_html(compared({first, second, third}));
      expect_sound(page);
      for (const double end : bar_ends(page)) EXPECT_TRUE(end >= 0 && end <= 100) << a << ' ' << b;
      for (const std::string side : {"x1", "x2"}) {
        for (const double end : attributes(page, "<line class=\"whisker\"", side))
          EXPECT_TRUE(end >= 0 && end <= 100) << a << ' ' << b;
      }
    }
  }
}

TEST(Methods, EscapesEveryString) {
  const std::string evil = "</td></title><script>alert('1')</script>";
  MethodReport bad = method(evil, 0.001, 0.0005), worse = method(evil, 0.3), near = method(evil, 0.0012, 0.0005);
  bad.words = worse.words = near.words = evil;
  const std::string page = render_html(compared({bad, worse, near}));
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(count_of(page, "<th scope=\"row\">" + escape_html(evil)), 3u);
  expect_sound(page);
}

TEST(Methods, LongNamesAreCutBesideTheBarsAndWholeInTheTable) {
  const std::string name(300, 'x');
  const std::string page = methods_section(compared({method(name, 0.1), method("\xff\xfe\xff", 0.2)}));
  EXPECT_EQ(count_of(page, ">" + name + " <span"), 1u);
  EXPECT_EQ(count_of(page, ">" + std::string(14, 'x') + "\u2026</text>"), 1u);
  expect_sound(page);
}

TEST(Methods, SameReportSameBytes) {
  const Report report = usual();
  const Report copy = report;
  EXPECT_EQ(render_html(report), render_html(copy));
}

TEST(Methods, ManyStayInProportion) {
  std::vector<MethodReport> methods;
  for (int i = 0; i < 400; ++i) methods.push_back(method("m" + std::to_string(i), 0.001 * (i + 1), 0.0001));
  const std::string page = methods_section(compared(methods));
  EXPECT_LT(page.size(), 600'000u);
  EXPECT_EQ(bar_ends(page).size(), 400u);
  expect_sound(page);
}

TEST(Format, NumbersWithTheirError) {
  EXPECT_EQ(format_with_error(0.3112, 0.0123), "0.311 \u00B1 0.012");
  EXPECT_EQ(format_with_error(12.3, 0.4), "12.30 \u00B1 0.40");
  EXPECT_EQ(format_with_error(0.001, 0.5), "0.0010 \u00B1 0.5000") << "neither loses its digits";
  EXPECT_EQ(format_with_error(0.000231, 0.0000052), "0.000231 \u00B1 5.2e-6");
  EXPECT_EQ(format_with_error(0.5, 0.0), "0.50 \u00B1 0.00");
  EXPECT_EQ(format_with_error(0.0, 0.0), "0 \u00B1 0");
  EXPECT_EQ(format_with_error(0.0312, std::nullopt), "0.0312");
  EXPECT_EQ(format_with_error(0.0312, kNan), "0.0312");
  EXPECT_EQ(format_with_error(kNan, 0.1), kNoNumber);
  EXPECT_EQ(format_kl(0.00023), "0.000230");
}

TEST(Format, Durations) {
  EXPECT_EQ(format_duration(0), "0.0\u00A0s");
  EXPECT_EQ(format_duration(9.94), "9.9\u00A0s");
  EXPECT_EQ(format_duration(9.96), "10\u00A0s");
  EXPECT_EQ(format_duration(89.6), "1\u00A0min\u00A030\u00A0s");
  EXPECT_EQ(format_duration(3599.6), "1\u00A0h\u00A000\u00A0min");
  EXPECT_EQ(format_duration(-1), kNoNumber);
  EXPECT_EQ(format_duration(kInfinity), kNoNumber);
  EXPECT_EQ(format_duration(1e300), "1e300\u00A0s");
}

TEST(Format, Shortens) {
  EXPECT_EQ(shorten("", 5), "");
  EXPECT_EQ(shorten("abcde", 5), "abcde");
  EXPECT_EQ(shorten("abcdef", 5), "abcd\u2026");
  EXPECT_EQ(shorten("\u00fc\u00fc\u00fc", 3), "\u00fc\u00fc\u00fc");
  EXPECT_EQ(shorten("\u00fc\u00fc\u00fc\u00fc", 3), "\u00fc\u00fc\u2026");
  EXPECT_EQ(shorten("\u4e2d\u4e2d\u4e2d", 5), "\u4e2d\u4e2d\u2026") << "wide letters take two columns";
  EXPECT_EQ(shorten("\xff\xff\xff", 2), "\xff\u2026");
  EXPECT_EQ(shorten("ab", 1), "\u2026");
}

}  // namespace
}  // namespace prunenet
