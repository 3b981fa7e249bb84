// The words of the story grammar and what belongs together: who is a woman, what a baker uses, what a hen eats.
// How sentences are made of them is in story_grammar.cpp.
#pragma once

#include <array>

namespace prunenet::story {

struct Name {
  const char* text;
  bool female;
};

struct Noun {
  const char *singular, *plural;
};

struct Verb {
  const char *base, *third, *past;  // they go, she goes, she went
};

struct Job {
  const char *name, *workplace, *tool;
};

struct Animal {
  Noun noun;
  Verb sound;
  const char *food, *home;
};

struct Town {
  const char *name, *country;
};

/// Somebody IS `feeling` because she has `cause`, so she `verb` `remedy`.
struct Feeling {
  const char *feeling, *cause;
  Verb verb;
  const char* remedy;
};

struct Opposites {
  const char *one, *other;
};

/// A friend, a brother: `gender` is 'f', 'm' or, for both, 'x'.
struct Relation {
  const char* text;
  char gender;
};

inline constexpr std::array<Name, 40> kNames = {{
    {"Anna", true},   {"Bella", true},  {"Clara", true},  {"Dora", true},    {"Emma", true},  {"Fiona", true},
    {"Greta", true},  {"Hanna", true},  {"Ida", true},    {"Julia", true},   {"Karin", true}, {"Lucy", true},
    {"Mira", true},   {"Nora", true},   {"Olga", true},   {"Petra", true},   {"Rosa", true},  {"Sara", true},
    {"Tina", true},   {"Vera", true},   {"Adam", false},  {"Boris", false},  {"Carl", false}, {"David", false},
    {"Erik", false},  {"Felix", false}, {"Georg", false}, {"Hugo", false},   {"Ivan", false}, {"Jonas", false},
    {"Karl", false},  {"Leo", false},   {"Max", false},   {"Nils", false},   {"Otto", false}, {"Paul", false},
    {"Robin", false}, {"Simon", false}, {"Tom", false},   {"Viktor", false},
}};

inline constexpr std::array<Job, 18> kJobs = {{
    {"baker", "bakery", "oven"},
    {"farmer", "farm", "plough"},
    {"teacher", "school", "chalk"},
    {"painter", "studio", "brush"},
    {"tailor", "shop", "needle"},
    {"doctor", "hospital", "bandage"},
    {"sailor", "harbour", "rope"},
    {"miner", "mine", "pickaxe"},
    {"gardener", "garden", "spade"},
    {"cook", "kitchen", "pan"},
    {"fisher", "lake", "net"},
    {"carpenter", "workshop", "hammer"},
    {"smith", "forge", "anvil"},
    {"weaver", "mill", "loom"},
    {"shepherd", "meadow", "staff"},
    {"writer", "library", "pen"},
    {"barber", "market", "razor"},
    {"singer", "theatre", "drum"},
}};

inline constexpr std::array<Animal, 22> kAnimals = {{
    {{"dog", "dogs"}, {"bark", "barks", "barked"}, "meat", "kennel"},
    {{"cat", "cats"}, {"purr", "purrs", "purred"}, "fish", "cushion"},
    {{"cow", "cows"}, {"moo", "moos", "mooed"}, "grass", "barn"},
    {{"horse", "horses"}, {"neigh", "neighs", "neighed"}, "hay", "stable"},
    {{"sheep", "sheep"}, {"bleat", "bleats", "bleated"}, "clover", "pasture"},
    {{"duck", "ducks"}, {"quack", "quacks", "quacked"}, "bread", "pond"},
    {{"hen", "hens"}, {"cluck", "clucks", "clucked"}, "corn", "coop"},
    {{"pig", "pigs"}, {"grunt", "grunts", "grunted"}, "turnips", "sty"},
    {{"wolf", "wolves"}, {"howl", "howls", "howled"}, "sausage", "forest"},
    {{"mouse", "mice"}, {"squeak", "squeaks", "squeaked"}, "cheese", "hole"},
    {{"goose", "geese"}, {"honk", "honks", "honked"}, "barley", "yard"},
    {{"owl", "owls"}, {"hoot", "hoots", "hooted"}, "worms", "tree"},
    {{"frog", "frogs"}, {"croak", "croaks", "croaked"}, "flies", "swamp"},
    {{"bee", "bees"}, {"buzz", "buzzes", "buzzed"}, "sugar", "hive"},
    {{"bear", "bears"}, {"growl", "growls", "growled"}, "honey", "cave"},
    {{"crow", "crows"}, {"caw", "caws", "cawed"}, "seeds", "nest"},
    {{"donkey", "donkeys"}, {"bray", "brays", "brayed"}, "carrots", "shed"},
    {{"monkey", "monkeys"}, {"chatter", "chatters", "chattered"}, "bananas", "jungle"},
    {{"lion", "lions"}, {"roar", "roars", "roared"}, "beef", "desert"},
    {{"snake", "snakes"}, {"hiss", "hisses", "hissed"}, "eggs", "valley"},
    {{"fox", "foxes"}, {"yelp", "yelps", "yelped"}, "grapes", "den"},
    {{"parrot", "parrots"}, {"screech", "screeches", "screeched"}, "nuts", "cage"},
}};

inline constexpr std::array<Noun, 30> kThings = {{
    {"apple", "apples"},    {"pear", "pears"},       {"plum", "plums"},     {"coin", "coins"},    {"button", "buttons"},
    {"stone", "stones"},    {"shell", "shells"},     {"candle", "candles"}, {"cup", "cups"},      {"book", "books"},
    {"ball", "balls"},      {"knife", "knives"},     {"leaf", "leaves"},    {"peach", "peaches"}, {"berry", "berries"},
    {"toy", "toys"},        {"flower", "flowers"},   {"marble", "marbles"}, {"key", "keys"},      {"bell", "bells"},
    {"ribbon", "ribbons"},  {"bottle", "bottles"},   {"loaf", "loaves"},    {"spoon", "spoons"},  {"hat", "hats"},
    {"cherry", "cherries"}, {"feather", "feathers"}, {"glass", "glasses"},  {"scarf", "scarves"}, {"penny", "pennies"},
}};

inline constexpr std::array<Noun, 8> kContainers = {{
    {"box", "boxes"},
    {"basket", "baskets"},
    {"bag", "bags"},
    {"bowl", "bowls"},
    {"sack", "sacks"},
    {"jar", "jars"},
    {"tray", "trays"},
    {"chest", "chests"},
}};

inline constexpr std::array<const char*, 12> kColours = {"red",  "blue", "green",  "yellow", "white",  "black",
                                                         "pink", "grey", "purple", "orange", "golden", "brown"};

inline constexpr std::array<const char*, 18> kPlaces = {
    "in the drawer",    "under the bed",    "on the shelf",      "behind the door",    "beside the well",
    "under the bridge", "on the roof",      "near the river",    "in the cellar",      "on the table",
    "under the chair",  "inside the trunk", "near the window",   "behind the curtain", "in the attic",
    "beside the stove", "on the wall",      "behind the mirror",
};

inline constexpr std::array<Town, 18> kTowns = {{
    {"Paris", "France"},
    {"Rome", "Italy"},
    {"Oslo", "Norway"},
    {"Cairo", "Egypt"},
    {"Lima", "Peru"},
    {"Madrid", "Spain"},
    {"Athens", "Greece"},
    {"Dublin", "Ireland"},
    {"Vienna", "Austria"},
    {"Tokyo", "Japan"},
    {"Delhi", "India"},
    {"Lisbon", "Portugal"},
    {"Warsaw", "Poland"},
    {"Berlin", "Germany"},
    {"London", "England"},
    {"Havana", "Cuba"},
    {"Nairobi", "Kenya"},
    {"Bern", "Switzerland"},
}};

inline constexpr std::array<Opposites, 20> kTraits = {{
    {"tall", "short"},  {"old", "young"},  {"rich", "poor"}, {"brave", "timid"}, {"loud", "quiet"},
    {"strong", "weak"}, {"quick", "slow"}, {"lazy", "busy"}, {"clean", "dirty"}, {"clever", "foolish"},
    {"short", "tall"},  {"young", "old"},  {"poor", "rich"}, {"timid", "brave"}, {"quiet", "loud"},
    {"weak", "strong"}, {"slow", "quick"}, {"busy", "lazy"}, {"dirty", "clean"}, {"foolish", "clever"},
}};

inline constexpr std::array<const char*, 12> kQualities = {"kind",   "gentle",   "honest",  "famous",
                                                           "lonely", "careful",  "polite",  "patient",
                                                           "noisy",  "friendly", "curious", "stubborn"};

inline constexpr std::array<Relation, 9> kRelations = {{
    {"friend", 'x'},
    {"neighbour", 'x'},
    {"cousin", 'x'},
    {"brother", 'm'},
    {"sister", 'f'},
    {"uncle", 'm'},
    {"aunt", 'f'},
    {"son", 'm'},
    {"daughter", 'f'},
}};

inline constexpr std::array<Feeling, 12> kFeelings = {{
    {"tired", "worked all day", {"sleep", "sleeps", "slept"}, "until noon"},
    {"hungry", "missed lunch", {"eat", "eats", "ate"}, "some soup"},
    {"thirsty", "run up the hill", {"drink", "drinks", "drank"}, "cold water"},
    {"cold", "forgotten a coat", {"sit", "sits", "sat"}, "by the fire"},
    {"wet", "walked in the rain", {"wear", "wears", "wore"}, "dry clothes"},
    {"sad", "lost a letter", {"sing", "sings", "sang"}, "an old song"},
    {"angry", "broken the clock", {"count", "counts", "counted"}, "to ten"},
    {"scared", "heard thunder", {"hold", "holds", "held"}, "a lamp"},
    {"proud", "won the race", {"show", "shows", "showed"}, "the medal"},
    {"ill", "swallowed a fly", {"take", "takes", "took"}, "bitter medicine"},
    {"bored", "read every story", {"build", "builds", "built"}, "a kite"},
    {"late", "taken the wrong road", {"hurry", "hurries", "hurried"}, "over the hill"},
}};

inline constexpr std::array<const char*, 21> kNumbers = {
    "zero",     "one",     "two",     "three",     "four",     "five",     "six",
    "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"};

/// How a story begins; the first `kPastOpenings` are told in the past, the others in the present.
inline constexpr std::array<const char*, 6> kOpenings = {"Once",          "Long ago", "Last year",
                                                         "In those days", "Nowadays", "This year"};
inline constexpr int kPastOpenings = 4;

}  // namespace prunenet::story
