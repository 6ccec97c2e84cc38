// The tasks that are made up: what their examples say, and that learning never sees what is held out.
#include "qkv/tasks/tasks.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

#include "qkv/tokens/characters.h"
#include "tests/base/message_of.h"

namespace qkv {
namespace {

using testing::HasSubstr;

task_example learned(const char* name, std::uint64_t index, long length = 0) {
  const task& which = task_named(name);
  return example_of(which, length ? length : which.length, task_side::learn, 7, index);
}

TEST(Tasks, HaveExamplesThatFollowFromSeedAndNumberAlone) {
  for (const task& each : all_tasks()) {
    std::set<std::string> different;
    for (std::uint64_t i = 0; i < 50; ++i) {
      const auto one = example_of(each, each.length, task_side::learn, 7, i);
      EXPECT_EQ(one, example_of(each, each.length, task_side::learn, 7, i)) << each.name;
      different.insert(text_of(one));
      different.insert(text_of(example_of(each, each.length, task_side::learn, 8, i)));
    }
    EXPECT_GT(different.size(), 90u) << each.name;
  }
}

TEST(Tasks, NeverLearnFromWhatIsHeldOut) {
  for (const task& each : all_tasks()) {
    const auto held_out = held_out_examples(each, each.shortest, 200);
    std::set<std::string> texts;
    for (const auto& example : held_out) texts.insert(text_of(example));
    EXPECT_EQ(texts.size(), held_out.size()) << each.name << " repeats itself";
    EXPECT_GT(texts.size(), 100u) << each.name;
    for (std::uint64_t i = 0; i < 5000; ++i)
      ASSERT_FALSE(texts.contains(text_of(example_of(each, each.shortest, task_side::learn, 1, i)))) << each.name;
  }
}

TEST(Tasks, FitTheirSizeAndTheirCharactersAtEveryLength) {
  for (const task& each : all_tasks()) {
    const character_vocabulary characters(each.characters);
    for (const long length : {each.shortest, each.length, each.longest}) {
      long longest = 0;
      for (std::uint64_t i = 0; i < 40; ++i) {
        const auto example = example_of(each, length, task_side::learn, 1, i);
        ASSERT_FALSE(example.empty()) << each.name;
        for (const auto& [given, answer] : example) {
          ASSERT_FALSE(given.empty()) << each.name;
          ASSERT_FALSE(answer.empty()) << each.name;
        }
        longest = std::max(longest, long(characters.encode(text_of(example)).size()));
      }
      EXPECT_LE(longest, each.size_of(length)) << each.name << " " << length;
    }
  }
}

TEST(Tasks, RefuseLengthsAndNamesThatTheyDoNotHave) {
  EXPECT_THAT(message_of([] { check_length(task_named("copy"), 3); }), HasSubstr("a length of 4 to 512"));
  EXPECT_THAT(message_of([] { task_named("chess"); }),
              HasSubstr("one of copy, reverse, addition, recall, induction, dates"));
}

TEST(CopyTask, AnswersWithTheSameLetters) {
  for (std::uint64_t i = 0; i < 100; ++i) {
    const auto [given, answer] = learned("copy", i).front();
    EXPECT_EQ(given.substr(0, given.size() - 1) + "\n", answer);
    EXPECT_EQ(given.back(), '=');
  }
}

TEST(ReverseTask, AnswersWithTheLettersBackwards) {
  for (std::uint64_t i = 0; i < 100; ++i) {
    const auto [given, answer] = learned("reverse", i).front();
    EXPECT_EQ(answer.size(), given.size());
    EXPECT_TRUE(std::equal(given.begin(), given.end() - 1, answer.rbegin() + 1)) << given << answer;
  }
}

TEST(AdditionTask, AnswersWithTheSumFromItsLastDigitOn) {
  for (const long digits : {2L, 3L, 17L})
    for (std::uint64_t i = 0; i < 100; ++i) {
      auto [given, answer] = learned("addition", i, digits).front();
      const auto plus = given.find('+');
      EXPECT_EQ(long(plus), digits);
      std::ranges::reverse(answer);
      EXPECT_EQ(std::stoll(given.substr(0, plus)) + std::stoll(given.substr(plus + 1)), std::stoll(answer));
      EXPECT_EQ(long(answer.size()), digits + 1);
    }
}

TEST(RecallTask, AsksForEveryKeyAndAnswersWithItsValue) {
  std::set<std::size_t> sizes;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const auto example = learned("recall", i, 32);
    const std::string& pairs = example.front().given;  // a pair has three bytes; then the first key that is asked for
    std::map<std::string, std::string> value_of;
    for (std::size_t at = 0; at + 2 < pairs.size(); at += 3) value_of[pairs.substr(at, 2)] = pairs.substr(at + 2, 1);
    EXPECT_EQ(value_of.size(), pairs.size() / 3) << "keys differ";
    EXPECT_EQ(value_of.size() + example.size(), 16u) << "the text is full";
    std::set<std::string> asked;
    for (const auto& [given, answer] : example) {
      const std::string key = given.substr(given.size() - 2);
      EXPECT_EQ(value_of.at(key), answer);
      asked.insert(key);
    }
    EXPECT_EQ(asked.size(), value_of.size());
    sizes.insert(value_of.size());
  }
  EXPECT_EQ(sizes.size(), 7u) << "2 to 8 pairs";
}

TEST(InductionTask, RepeatsLettersThatWereAllDifferent) {
  std::set<std::size_t> periods;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const auto [given, answer] = learned("induction", i).front();
    const std::size_t period = given.size() - 1;
    periods.insert(period);
    const std::string text = given + answer;
    EXPECT_EQ(std::set<char>(text.begin(), text.end()).size(), period);
    for (std::size_t t = period; t < text.size(); ++t) EXPECT_EQ(text[t], text[t - period]);
  }
  EXPECT_GT(periods.size(), 20u);
}

TEST(DatesTask, WritesADayInManyForms) {
  std::set<std::string> answers;
  long digits_alone = 0;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const auto [given, answer] = learned("dates", i).front();
    ASSERT_THAT(answer, testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}"));
    EXPECT_THAT(given, HasSubstr(answer.substr(2, 2))) << "the year's last digits are in every form";
    const std::string day = answer.substr(answer[8] == '0' ? 9 : 8);
    EXPECT_THAT(given, HasSubstr(day));
    digits_alone += std::ranges::none_of(given, [](char c) { return std::isalpha(static_cast<unsigned char>(c)); });
    answers.insert(answer);
  }
  EXPECT_GT(answers.size(), 480u);
  EXPECT_GT(digits_alone, 100);
  EXPECT_LT(digits_alone, 250);
}

}  // namespace
}  // namespace qkv
