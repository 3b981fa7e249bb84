// Stores within a store: names of their own, and cleared without touching the others.
#include "base/store_part.h"

#include "base/scratch_file.h"
#include "support/support.h"

namespace prunenet {
namespace {

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
std::string text(const std::optional<std::span<const std::byte>>& found) {
  return found ? std::string(reinterpret_cast<const char*>(found->data()), found->size()) : "nothing";
}

TEST(StorePart, KeepsNamesApart) {
  const test::TemporaryFolder folder;
  ScratchFile whole(folder.path());
  StorePart first(whole, "first/"), second(whole, "second/");
  first.put("a", bytes("one"));
  second.put("a", bytes("two"));
  EXPECT_EQ(text(first.find("a")), "one");
  EXPECT_EQ(text(second.find("a")), "two");
  EXPECT_EQ(text(whole.find("second/a")), "two");
  EXPECT_EQ(text(whole.find("a")), "nothing");
  first.remove("a");
  EXPECT_EQ(text(first.find("a")), "nothing");
  EXPECT_EQ(text(second.find("a")), "two");
}

TEST(StorePart, ClearsAllThatBeginsAlike) {
  const test::TemporaryFolder folder;
  ScratchFile whole(folder.path());
  whole.put("first/old", bytes("old"));
  whole.put("other", bytes("other"));
  whole.put("first", bytes("no part of it"));
  StorePart part(whole, "first/");
  part.put("a/1", bytes("one"));
  part.put("b", bytes("two"));
  part.remove_all("a/");
  EXPECT_EQ(text(part.find("a/1")), "nothing");
  EXPECT_EQ(text(part.find("b")), "two");
  part.clear();
  EXPECT_EQ(text(whole.find("first")), "no part of it");
  EXPECT_EQ(text(whole.find("first/b")), "nothing");
  EXPECT_EQ(text(whole.find("first/old")), "nothing");
  EXPECT_EQ(text(whole.find("other")), "other");
}

}  // namespace
}  // namespace prunenet
