// Checks that any page of the report room must pass.
// Holds: counting, well-formed markup, and no number that is none.
// Leaves out: what a page says.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace prunenet {

inline size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

// The values of all attributes that hold numbers for a drawing.
inline std::vector<std::string> drawing_attributes(const std::string& page) {
  std::vector<std::string> values;
  for (const std::string name : {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "d", "width", "height", "style"}) {
    const std::string start = " " + name + "=\"";
    for (size_t at = page.find(start); at != std::string::npos; at = page.find(start, at + 1)) {
      const size_t begin = at + start.size();
      values.push_back(page.substr(begin, page.find('"', begin) - begin));
    }
  }
  return values;
}

// Every element that is opened is closed, in the right order.
inline void expect_well_formed(const std::string& page) {
  std::vector<std::string> open;
  for (size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const size_t end = page.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = page.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(tag.starts_with('/') ? 1 : 0, tag.find(' ') - (tag.starts_with('/') ? 1 : 0));
    if (tag.starts_with('!') || tag.ends_with('/') || name == "meta") continue;
    if (!tag.starts_with('/')) {
      open.push_back(name);
      continue;
    }
    ASSERT_FALSE(open.empty()) << tag;
    ASSERT_EQ(open.back(), name) << page.substr(at > 200 ? at - 200 : 0, 220);
    open.pop_back();
  }
  EXPECT_TRUE(open.empty());
}

// No number that is none, neither in a drawing nor in the text.
inline void expect_only_numbers(const std::string& page) {
  for (const std::string& value : drawing_attributes(page)) {
    EXPECT_EQ(value.find("nan"), std::string::npos) << value;
    EXPECT_EQ(value.find("inf"), std::string::npos) << value;
    EXPECT_EQ(value.find('e'), value.starts_with("width:") ? value.find('e') : std::string::npos) << value;
  }
  for (const std::string word : {">nan", " nan", "nan%", "inf%", ">inf<", " inf ", "-nan"}) {
    EXPECT_EQ(page.find(word), std::string::npos) << word;
  }
}

}  // namespace prunenet
