// The report's section that compares two models on text.
#include "report/comparison.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "report/page_checks.h"
#include "report/text.h"

namespace prunenet {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Report compared(size_t positions, size_t sequences) {
  Report report;
  report.before_label = "dense";
  report.after_label = "small";
  report.totals = Totals{1000, 700, 600, 300, 2000, 1400, 4000, 2800};
  ComparisonReport comparison;
  comparison.text = "8 sequences & more";
  comparison.num_sequences = static_cast<int64_t>(sequences);
  comparison.num_predictions = 12345;
  comparison.kl_nats = 0.5361;
  comparison.kl_standard_error = 0.0123;
  comparison.top1_agreement = 0.7812;
  comparison.perplexity_before = 3.98;
  comparison.perplexity_after = 7.96;
  for (size_t i = 0; i < positions; ++i)
    comparison.kl_by_position.push_back(0.5 + 0.1 * std::sin(static_cast<double>(i)));
  for (size_t i = 0; i < sequences; ++i)
    comparison.kl_by_sequence.push_back(0.4 + 0.01 * static_cast<double>((i * 7) % 11));
  report.comparison = comparison;
  return report;
}

TEST(Comparison, ShowsQualityAndSizesWithTheirRatios) {
  const std::string page = render_html(compared(255, 64));
  for (const std::string part :
       {"<th scope=\"row\">Perplexity</th><td>3.98</td><td>7.96</td><td>2.00</td>",
        "<th scope=\"row\">Parameters</th><td>1,000</td><td>700</td><td>0.700</td>",
        "<th scope=\"row\">FFN parameters</th><td>600</td><td>300</td><td>0.500</td>",
        "<th scope=\"row\">Bytes on disk</th><td>2,000</td><td>1,400</td><td>0.700</td>",
        "<th scope=\"row\">FLOPs a token</th><td>4,000</td><td>2,800</td><td>0.700</td>", "0.536", "\u00B1 0.0123",
        "78.1%", "8 sequences &amp; more: 12,345 predictions", "How to read KL"}) {
    EXPECT_EQ(count_of(page, part) > 0, true) << part;
  }
  EXPECT_EQ(count_of(page, "<svg class=\"chart\""), 2u);
  EXPECT_EQ(page.find("Exact totals"), std::string::npos) << "the sizes would stand there twice";
  EXPECT_EQ(page.find("Kolmogorov"), std::string::npos) << "there is no KS to explain";
}

TEST(Comparison, AReportWithoutOneHasNoTrace) {
  Report report = compared(10, 4);
  report.comparison.reset();
  const std::string page = render_html(report);
  for (const std::string part : {"KL", "Perplexity", "comparison-"})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  EXPECT_NE(page.find("Exact totals"), std::string::npos);
}

TEST(Comparison, StaysSmallForALongText) {
  const std::string page = comparison_section(compared(100000, 50000));
  EXPECT_LT(page.size(), 20000u);
}

TEST(Comparison, SurvivesOddNumbers) {
  for (const size_t count : {0u, 1u, 2u, 3u, 65u}) {
    Report report = compared(count, count);
    report.totals = Totals{};
    report.comparison->kl_nats = kNan;
    report.comparison->kl_standard_error.reset();
    report.comparison->perplexity_before = 0;
    report.comparison->perplexity_after = HUGE_VAL;
    if (count > 1) report.comparison->kl_by_position[1] = report.comparison->kl_by_sequence[0] = kNan;
    if (count == 3) report.comparison->kl_by_position.assign(3, HUGE_VAL);
    const std::string page = render_html(report);
    for (const std::string part : {"=\"nan", "=\"inf", ">nan", ">inf", "-nan", " nan", " inf "}) {
      EXPECT_EQ(page.find(part), std::string::npos) << part << ", " << count;
    }
  }
}

TEST(Comparison, EqualModelsDrawALineAtZero) {
  Report report = compared(20, 5);
  report.comparison->kl_nats = 0;
  report.comparison->kl_by_position.assign(20, 0);
  report.comparison->kl_by_sequence.assign(5, 0);
  const std::string page = render_html(report);
  EXPECT_EQ(count_of(page, "<svg class=\"chart\""), 2u);
  EXPECT_NE(page.find("from 0 to 0"), std::string::npos);
}

TEST(Comparison, EscapesWhatOthersNamed) {
  Report report = compared(5, 5);
  report.before_label = report.after_label = report.comparison->text = "<script>alert(1)</script>";
  EXPECT_EQ(render_html(report).find("<script"), std::string::npos);
}

}  // namespace
}  // namespace prunenet
