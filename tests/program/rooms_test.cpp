// The rooms of src/: src/README.md says which room may use which, and every include keeps to it.
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "support/support.h"

namespace prunenet::test {
namespace {

namespace fs = std::filesystem;

const fs::path kSources = fs::path(PRUNENET_SOURCE_DIR) / "src";

using Rooms = std::map<std::string, std::set<std::string>>;

std::set<std::string> words_of(const std::string& text) {
  static const std::regex word("[a-z_]+");
  return {std::sregex_token_iterator(text.begin(), text.end(), word), {}};
}

// Rows of the form: | `room` | what it is | room, room |
Rooms rooms_of_the_table() {
  static const std::regex row("^\\| *`([a-z_]+)` *\\|.*\\| *([a-z_, ]*|-) *\\|$");
  Rooms rooms;
  std::ifstream readme(kSources / "README.md");
  std::smatch parts;
  for (std::string line; std::getline(readme, line);) {
    if (std::regex_match(line, parts, row)) rooms[parts[1]] = words_of(parts[2]);
  }
  return rooms;
}

// What an allowed room may use is allowed too; a room may use itself, and everyone base.
std::set<std::string> allowed(const Rooms& rooms, const std::string& room) {
  std::set<std::string> found{room, "base"};
  for (bool grew = true; grew;) {
    const size_t before = found.size();
    for (const std::string& member : std::set(found)) {
      if (rooms.contains(member)) found.insert(rooms.at(member).begin(), rooms.at(member).end());
    }
    grew = found.size() > before;
  }
  return found;
}

struct Include {
  std::string room;  // of the file
  fs::path file;
  std::string name;  // between the quotes or brackets
};

std::vector<Include> all_includes() {
  static const std::regex directive("^\\s*#\\s*include\\s*[<\"]([^>\"]+)[>\"]");
  std::vector<Include> includes;
  for (const auto& entry : fs::recursive_directory_iterator(kSources)) {
    const auto extension = entry.path().extension();
    if (extension != ".h" && extension != ".cpp") continue;
    const fs::path relative = fs::relative(entry.path(), kSources);
    std::ifstream file(entry.path());
    std::smatch parts;
    for (std::string line; std::getline(file, line);) {
      if (std::regex_search(line, parts, directive)) includes.push_back({*relative.begin(), relative, parts[1]});
    }
  }
  return includes;
}

TEST(Rooms, EveryFolderHasItsRowAndEveryRowItsFolder) {
  std::set<std::string> folders, rows;
  for (const auto& entry : fs::directory_iterator(kSources)) {
    if (entry.is_directory()) folders.insert(entry.path().filename());
  }
  for (const auto& [room, uses] : rooms_of_the_table()) rows.insert(room);
  EXPECT_EQ(folders, rows);
}

TEST(Rooms, NoRoomUsesOneThatUsesIt) {
  const Rooms rooms = rooms_of_the_table();
  for (const auto& [room, uses] : rooms) {
    for (const std::string& used : uses) {
      EXPECT_TRUE(rooms.contains(used)) << room << " may use " << used << ", which is no room";
      EXPECT_FALSE(allowed(rooms, used).contains(room)) << room << " and " << used << " use each other";
    }
  }
}

TEST(Rooms, EveryIncludeIsOfARoomThatMayBeUsed) {
  const Rooms rooms = rooms_of_the_table();
  size_t checked = 0;
  for (const Include& include : all_includes()) {
    const std::string target = include.name.substr(0, include.name.find('/'));
    if (!rooms.contains(target)) continue;
    ++checked;
    EXPECT_TRUE(allowed(rooms, include.room).contains(target)) << include.file << " includes " << include.name;
  }
  EXPECT_GT(checked, 100u) << "the includes were not found";
}

TEST(Rooms, ForeignLibrariesStayInTheirRoom) {
  const std::map<std::string, std::string> home{{"cblas.h", "linalg"},
                                                {"lapacke.h", "linalg"},
                                                {"lapack.h", "linalg"},
                                                {"pcre2.h", "tokenizer"},
                                                {"utf8proc.h", "tokenizer"},
                                                {"sentencepiece_processor.h", "pieces"},
                                                {"CLI/CLI.hpp", "cli"}};
  for (const Include& include : all_includes()) {
    const auto found = home.find(include.name);
    if (found == home.end()) continue;
    EXPECT_EQ(include.room, found->second) << include.file << " includes " << include.name;
  }
}

}  // namespace
}  // namespace prunenet::test
