#include "qkv/io/option_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "tests/base/message_of.h"

namespace qkv {
namespace {

using testing::HasSubstr;

enum class fruit { apple, pear };

struct basket {
  long count = 3;
  double weight = 0.5;
  std::uint64_t seed = 7;
  bool ripe = false;
  fruit kind = fruit::apple;
  bool operator==(const basket&) const = default;
};

constexpr auto each_field = [](auto& b, auto see) {
  see("count", b.count);
  see("weight", b.weight);
  see("seed", b.seed);
  see("ripe", b.ripe);
  see("kind", b.kind, std::array{"apple", "pear"});
};

basket read(const std::string& text) { return option_json::read_back<basket>("basket", text, each_field); }
std::string complaint_about(const std::string& text) {
  return message_of<file_error>([&] { read(text); });
}

TEST(OptionJson, ComesBackAsItWas) {
  const basket full{-4, 1e-8, ~std::uint64_t(0), true, fruit::pear};
  EXPECT_EQ(read(option_json::written(full, each_field)), full);
}

TEST(OptionJson, IsOneObjectWithAWordForEachChoice) {
  EXPECT_EQ(option_json::written(basket{}, each_field),
            "{\"count\":3,\"kind\":\"apple\",\"ripe\":false,\"seed\":7,\"weight\":0.5}");
}

TEST(OptionJson, KeepsTheDefaultOfWhatIsMissing) {
  EXPECT_EQ(read("{}"), basket{});
  EXPECT_EQ(read("{\"weight\": 2}").weight, 2);
}

TEST(OptionJson, RefusesWhatDoesNotBelong) {
  EXPECT_EQ(complaint_about("{\"count\": 2.5}"), "basket: expected count to be a whole number; found 2.5");
  EXPECT_EQ(complaint_about("{\"seed\": -1}"), "basket: expected seed to be a whole number of at least 0; found -1");
  EXPECT_EQ(complaint_about("{\"ripe\": 1}"), "basket: expected ripe to be true or false; found 1");
  EXPECT_EQ(complaint_about("{\"kind\": \"plum\"}"), "basket: expected kind to be one of apple, pear; found \"plum\"");
  EXPECT_EQ(complaint_about("{\"cuont\": 2}"),
            "basket: expected only options that this version knows; found \"cuont\"");
  EXPECT_THAT(complaint_about("[1]"), HasSubstr("expected a JSON object; found \"[1]\""));
}

}  // namespace
}  // namespace qkv
