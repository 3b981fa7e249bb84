// The sentences of the stories.
#include "story_grammar.h"

#include <cmath>
#include <span>

#include "base/random.h"
#include "story_words.h"

namespace prunenet::story {
namespace {

constexpr Verb kHave{"have", "has", "had"}, kLive{"live", "lives", "lived"}, kWork{"work", "works", "worked"},
    kUse{"use", "uses", "used"}, kGive{"give", "gives", "gave"}, kFind{"find", "finds", "found"},
    kHide{"hide", "hides", "hid"}, kLook{"look", "looks", "looked"}, kCome{"come", "comes", "came"},
    kGo{"go", "goes", "went"}, kKeep{"keep", "keeps", "kept"}, kAsk{"ask", "asks", "asked"},
    kSay{"say", "says", "said"}, kOwn{"own", "owns", "owned"}, kBelong{"belong", "belongs", "belonged"},
    kTravel{"travel", "travels", "travelled"}, kMeet{"meet", "meets", "met"}, kCarry{"carry", "carries", "carried"},
    kThank{"thank", "thanks", "thanked"}, kSee{"see", "sees", "saw"}, kThink{"think", "thinks", "thought"},
    kBuy{"buy", "buys", "bought"}, kBe{"are", "is", nullptr};

// The last one's number is how many scenes there are.
enum class Scene {
  kTakeAway,
  kAdd,
  kMultiply,
  kHideAndFind,
  kAnimals,
  kFeeling,
  kColourQuestion,
  kOwners,
  kJourney,
  kStranger,
  kScenes
};

class Teller {
 public:
  explicit Teller(Choices& choices) : choices_(choices) {}

  Story tell() {
    open();
    introduce();
    std::vector<int> scenes;
    for (int scene = 0; scene < static_cast<int>(Scene::kScenes); ++scene) scenes.push_back(scene);
    const int64_t scene_count = 1 + pick(3);
    for (int64_t i = 0; i < scene_count; ++i) {
      const auto chosen = scenes.begin() + pick(static_cast<int64_t>(scenes.size()));
      tell_scene(static_cast<Scene>(*chosen));
      scenes.erase(chosen);
    }
    close();
    story_.another_follows = pick(2) == 1;
    return std::move(story_);
  }

 private:
  int64_t pick(int64_t count) {
    story_.nats += std::log(static_cast<double>(count));
    return choices_.pick(count, story_.text);
  }
  template <typename Options>
  const auto& one_of(const Options& options) {
    return options[static_cast<size_t>(pick(static_cast<int64_t>(options.size())))];
  }

  // Appends words, with a space before them where one belongs; a sentence begins with a capital letter.
  void say(const std::string& words) {
    if (!story_.text.empty() && !after_quote_) story_.text += ' ';
    story_.text += words;
    if (begins_sentence_) {
      char& first = story_.text[story_.text.size() - words.size()];
      if (first >= 'a' && first <= 'z') first = static_cast<char>(first - 'a' + 'A');
    }
    begins_sentence_ = after_quote_ = false;
  }
  // The same for words that a rule decides.
  void say(Rule rule, const std::string& words) {
    say(words);
    story_.ruled_words.push_back({rule, story_.text.size() - words.size(), story_.text.size()});
  }
  void comma() { story_.text += ','; }
  void stop(char mark = '.') {
    story_.text += mark;
    begins_sentence_ = true;
  }
  void open_quote() {
    story_.text += " \"";
    after_quote_ = begins_sentence_ = true;
  }
  void close_quote() {
    story_.text += '"';
    begins_sentence_ = false;
  }

  const char* inflected(const Verb& verb, bool plural) const {
    if (!past_) return plural ? verb.base : verb.third;
    return verb.past != nullptr ? verb.past : plural ? "were" : "was";
  }
  void verb(const Verb& verb, bool plural) { say(Rule::kAgreement, inflected(verb, plural)); }
  // The first verb of a scene, with the actor for its subject: it tells which scene it is, so no rule decides it.
  void open_verb(const Verb& verb) { say(inflected(verb, false)); }
  void article(const std::string& next) { say(std::string("aeiou").find(next[0]) == std::string::npos ? "a" : "an"); }
  static const char* form(const Noun& noun, bool plural) { return plural ? noun.plural : noun.singular; }
  void number(Rule rule, int64_t value) { say(rule, kNumbers[static_cast<size_t>(value)]); }
  void number(int64_t value) { say(kNumbers[static_cast<size_t>(value)]); }

  // Two people take part in a scene: who acts, and who is the other.
  void cast_scene() {
    const bool friend_acts = pick(2) == 1;
    actor_ = friend_acts ? friend_ : hero_;
    other_ = friend_acts ? hero_ : friend_;
    say(actor_.text);
  }
  void recall(const std::string& words) { say(Rule::kRecall, words); }
  void she(const Name& who) { say(Rule::kPronoun, who.female ? "she" : "he"); }
  void her(const Name& who) { say(Rule::kPronoun, who.female ? "her" : "his"); }

  void open() {
    const auto opening = pick(static_cast<int64_t>(kOpenings.size()));
    past_ = opening < kPastOpenings;
    say(kOpenings[static_cast<size_t>(opening)]);
    quality_ = one_of(kQualities);
    article(quality_);
    say(quality_);
    job_ = one_of(kJobs);
    say(job_.name);
    say("named");
    hero_ = one_of(kNames);
    say(hero_.text);
    verb(kLive, false);
    say("in");
    town_ = one_of(kTowns);
    say(town_.name);
    stop();
    she(hero_);
    verb(kWork, false);
    say("at the");
    say(Rule::kFact, job_.workplace);
    say("and");
    verb(kUse, false);
    article(job_.tool);
    say(Rule::kFact, job_.tool);
    stop();
  }

  void introduce() {
    her(hero_);
    const Relation& relation = one_of(kRelations);
    say(relation.text);
    std::vector<Name> candidates;
    for (const Name& name : kNames) {
      const bool fits = relation.gender == 'x' || (relation.gender == 'f') == name.female;
      if (fits && name.text != hero_.text) candidates.push_back(name);
    }
    friend_ = one_of(candidates);
    say(friend_.text);
    verb(kBe, false);
    const Opposites& trait = one_of(kTraits);
    say(trait.one);
    comma();
    say("but");
    recall(hero_.text);
    verb(kBe, false);
    say(Rule::kFact, trait.other);
    stop();
  }

  void tell_scene(Scene scene) {
    switch (scene) {
      case Scene::kTakeAway:
        return take_away();
      case Scene::kAdd:
        return add();
      case Scene::kMultiply:
        return multiply();
      case Scene::kHideAndFind:
        return hide_and_find();
      case Scene::kAnimals:
        return animals();
      case Scene::kFeeling:
        return feeling();
      case Scene::kColourQuestion:
        return colour_question();
      case Scene::kOwners:
        return owners();
      case Scene::kJourney:
        return journey();
      case Scene::kStranger:
        return stranger();
      case Scene::kScenes:
        break;
    }
  }

  // Vera had seven red plums. She gave three of the plums to Otto, so four plums were left.
  void take_away() {
    cast_scene();
    open_verb(kHave);
    const int64_t before = 3 + pick(8);
    number(before);
    say(one_of(kColours));
    const Noun& thing = one_of(kThings);
    say(thing.plural);
    stop();
    she(actor_);
    verb(kGive, false);
    const int64_t given = 1 + pick(before - 1);
    number(given);
    say("of the");
    recall(thing.plural);
    say("to");
    recall(other_.text);
    comma();
    say("so");
    const int64_t left = before - given;
    number(Rule::kCount, left);
    recall(form(thing, left > 1));
    verb(kBe, left > 1);
    say("left");
    stop();
  }

  // Otto found four keys on the roof, and Vera found five more. Together they had nine keys.
  void add() {
    cast_scene();
    open_verb(kFind);
    const int64_t one = 2 + pick(8);
    number(one);
    const Noun& thing = one_of(kThings);
    say(thing.plural);
    say(one_of(kPlaces));
    comma();
    say("and");
    recall(other_.text);
    verb(kFind, false);
    const int64_t two = 2 + pick(8);
    number(two);
    say("more");
    stop();
    say("together");
    say(Rule::kPronoun, "they");
    verb(kHave, true);
    number(Rule::kCount, one + two);
    recall(thing.plural);
    stop();
  }

  // Vera bought three jars with two cherries in each, so she had six cherries.
  void multiply() {
    cast_scene();
    open_verb(kBuy);
    const int64_t containers = 2 + pick(3);
    number(containers);
    say(one_of(kContainers).plural);
    say("with");
    const int64_t each = 2 + pick(4);
    number(each);
    const Noun& thing = one_of(kThings);
    say(thing.plural);
    say("in each");
    comma();
    say("so");
    she(actor_);
    verb(kHave, false);
    number(Rule::kCount, containers * each);
    recall(thing.plural);
    stop();
  }

  // Otto hid two white shells in the attic. Vera looked under the bed, but the shells were not there. Then she looked
  // in the attic and found the white shells.
  void hide_and_find() {
    cast_scene();
    open_verb(kHide);
    const int64_t count = 1 + pick(4);
    const bool plural = count > 1;
    const char* colour = one_of(kColours);
    const Noun& thing = one_of(kThings);
    plural ? number(count) : article(colour);
    say(colour);
    say(form(thing, plural));
    const size_t place = static_cast<size_t>(pick(static_cast<int64_t>(kPlaces.size())));
    say(kPlaces[place]);
    stop();
    recall(other_.text);
    verb(kLook, false);
    const auto wrong = static_cast<size_t>(pick(static_cast<int64_t>(kPlaces.size()) - 1));
    say(kPlaces[wrong < place ? wrong : wrong + 1]);
    comma();
    say("but the");
    recall(form(thing, plural));
    verb(kBe, plural);
    say("not there");
    stop();
    say("then");
    she(other_);
    verb(kLook, false);
    recall(kPlaces[place]);
    say("and");
    verb(kFind, false);
    say("the");
    recall(colour);
    recall(form(thing, plural));
    stop();
  }

  // Three hens came to the bakery. They clucked, so Vera gave them corn. Then the hens went back to their coop.
  void animals() {
    const int64_t count = 1 + pick(4);
    const bool plural = count > 1;
    const Animal& animal = one_of(kAnimals);
    plural ? number(count) : article(animal.noun.singular);
    say(form(animal.noun, plural));
    verb(kCome, plural);
    say("to the");
    recall(job_.workplace);
    stop();
    say(Rule::kPronoun, plural ? "they" : "it");
    const Verb& sound = animal.sound;
    say(Rule::kFact, past_ ? sound.past : plural ? sound.base : sound.third);
    comma();
    say("so");
    cast_scene();
    verb(kGive, false);
    say(Rule::kPronoun, plural ? "them" : "it");
    say(Rule::kFact, animal.food);
    stop();
    say("then the");
    recall(form(animal.noun, plural));
    verb(kGo, plural);
    say("back to");
    say(Rule::kPronoun, plural ? "their" : "its");
    say(Rule::kFact, animal.home);
    stop();
  }

  // Otto was cold because he had forgotten a coat. So he sat by the fire.
  void feeling() {
    cast_scene();
    open_verb(kBe);
    const Feeling& feeling = one_of(kFeelings);
    say(feeling.feeling);
    say("because");
    she(actor_);
    verb(kHave, false);
    say(Rule::kFact, feeling.cause);
    stop();
    say("so");
    she(actor_);
    say(Rule::kFact, past_ ? feeling.verb.past : feeling.verb.third);
    say(Rule::kFact, feeling.remedy);
    stop();
  }

  // The keys that Vera kept near the bowl were blue. "What colour were the keys?" asked Otto. "Blue," said Vera.
  void colour_question() {
    say("the");
    const bool plural = pick(2) == 1;
    const Noun& thing = one_of(kThings);
    say(form(thing, plural));
    say("that");
    cast_scene();
    verb(kKeep, false);
    say("near the");
    const bool plural_between = pick(2) == 1;
    say(form(one_of(kContainers), plural_between));
    verb(kBe, plural);
    const char* colour = one_of(kColours);
    say(colour);
    stop();
    open_quote();
    say("what colour");
    verb(kBe, plural);
    say("the");
    recall(form(thing, plural));
    story_.text += '?';
    close_quote();
    verb(kAsk, false);
    recall(other_.text);
    stop();
    open_quote();
    recall(colour);
    comma();
    close_quote();
    verb(kSay, false);
    recall(actor_.text);
    stop();
  }

  // Vera owned a red hat, and Otto owned a grey bell. The grey bell belonged to Otto.
  void owners() {
    cast_scene();
    const std::array<const Name*, 2> people = {&actor_, &other_};
    std::array<const char*, 2> colours{};
    std::array<Noun, 2> things{};
    for (size_t i = 0; i < 2; ++i) {
      if (i == 1) {
        comma();
        say("and");
        recall(other_.text);
      }
      i == 0 ? open_verb(kOwn) : verb(kOwn, false);
      // The second thing is another one, in another colour: what is restated names one of the two.
      const auto different = [&](const auto& options, auto is_first) {
        std::vector<std::decay_t<decltype(options[0])>> left;
        for (const auto& option : options) {
          if (i == 0 || !is_first(option)) left.push_back(option);
        }
        return one_of(left);
      };
      colours[i] = different(kColours, [&](const char* colour) { return colour == colours[0]; });
      things[i] = different(kThings, [&](const Noun& thing) { return thing.singular == things[0].singular; });
      article(colours[i]);
      say(colours[i]);
      say(things[i].singular);
    }
    stop();
    say("the");
    const auto which = static_cast<size_t>(pick(2));
    say(colours[which]);
    recall(things[which].singular);
    verb(kBelong, false);
    say("to");
    recall(people[which]->text);
    stop();
  }

  // They travelled from Oslo to Cairo and saw the golden flags of Egypt.
  void journey() {
    name_both();
    verb(kTravel, true);
    say("from");
    recall(town_.name);
    say("to");
    std::vector<Town> others;
    for (const Town& town : kTowns) {
      if (town.name != town_.name) others.push_back(town);
    }
    const Town& there = one_of(others);
    say(there.name);
    say("and");
    verb(kSee, true);
    say("the mountains of");
    say(Rule::kFact, there.country);
    stop();
  }

  // Otto met a miner who carried a pickaxe. Vera thought that the miner came from the mine.
  void stranger() {
    cast_scene();
    open_verb(kMeet);
    std::vector<Job> others;
    for (const Job& job : kJobs) {
      if (job.name != job_.name) others.push_back(job);
    }
    const Job& job = one_of(others);
    article(job.name);
    say(job.name);
    say("who");
    verb(kCarry, false);
    article(job.tool);
    say(Rule::kFact, job.tool);
    stop();
    recall(other_.text);
    verb(kThink, false);
    say("that the");
    recall(job.name);
    verb(kCome, false);
    say("from the");
    say(Rule::kFact, job.workplace);
    stop();
  }

  // That it is the two of them is a choice; who comes second is none.
  void name_both() {
    say(hero_.text);
    say("and");
    recall(friend_.text);
  }

  void close() {
    say("in the end");
    if (pick(2) == 0) {
      say("the");
      recall(quality_);
      recall(job_.name);
      say("from");
      recall(town_.name);
      verb(kThank, false);
      recall(friend_.text);
      say("and");
      verb(kGo, false);
      say("home");
    } else {
      name_both();
      verb(kBe, true);
      say("happy");
      comma();
      say("and");
      verb(kGo, true);
      say("to the");
      recall(job_.workplace);
      say("in");
      recall(town_.name);
    }
    stop();
  }

  Choices& choices_;
  Story story_;
  bool past_ = true, begins_sentence_ = true, after_quote_ = false;
  Name hero_{}, friend_{}, actor_{}, other_{};
  Job job_{};
  Town town_{};
  const char* quality_ = "";
};

class RandomChoices final : public Choices {
 public:
  RandomChoices(uint64_t seed, uint32_t index) : stream_(seed, RandomStage::kDemoText, index) {}
  int64_t pick(int64_t count, const std::string&) override {
    return static_cast<int64_t>((uint64_t{stream_.next_u32()} * static_cast<uint64_t>(count)) >> 32);
  }

 private:
  RandomStream stream_;
};

}  // namespace

const char* rule_name(Rule rule) {
  switch (rule) {
    case Rule::kAgreement:
      return "agreement";
    case Rule::kPronoun:
      return "pronoun";
    case Rule::kCount:
      return "counting";
    case Rule::kRecall:
      return "recall";
    case Rule::kFact:
      return "fact";
  }
  return "";
}

Story tell_story(Choices& choices) {
  return Teller(choices).tell();
}

Story random_story(uint64_t seed, uint32_t index) {
  RandomChoices choices(seed, index);
  return tell_story(choices);
}

}  // namespace prunenet::story
