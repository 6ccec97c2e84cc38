// qkv explain: the walk in numbers adds up, for every choice of its parts.
#include <cmath>

#include "tests/cli/program.h"

namespace qkv {
namespace {

using testing::HasSubstr;

TEST(Explain, ShowsEveryStepOfTheWalk) {
  const finished done = qkv_program({"explain", "he likes school"});
  EXPECT_EQ(done.code, 0) << done.err;
  for (const char* part : {"he likes school", "W_q", "W_k", "W_v", "q_i . k_j", "sqrt(D) = 2.00", "softmax",
                           "o_i = sum over j", "v(school)", "oracle differs", "fused in float32"})
    EXPECT_THAT(done.out, HasSubstr(part));
  EXPECT_EQ(done.out.find('\x1b'), std::string::npos) << "no colours in a file";
  for (const unsigned char c : done.out) EXPECT_LT(c, 0x80) << "ASCII in a file";
}

TEST(Explain, PrintsOnlyTheWeightsWhenQuiet) {
  const finished done = qkv_program({"explain", "he likes school", "-q"});
  EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '\n'), 4);
}

TEST(Explain, DrawsAsItIsTold) {
  EXPECT_THAT(qkv_program({"explain", "he likes school", "--style", "unicode"}).out, HasSubstr("▒"));
  EXPECT_THAT(qkv_program({"explain", "he likes school", "--style", "colour"}).out, HasSubstr("\x1b[1m"));
}

void expect_that_it_adds_up(const nlohmann::json& walk, bool causal) {
  const auto T = walk["tokens"].size();
  for (std::size_t i = 0; i < T; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < T; ++j) {
      const double weight = walk["weights"][i][j];
      EXPECT_GE(weight, 0);
      if (causal && j > i) {
        EXPECT_EQ(weight, 0);
        EXPECT_TRUE(walk["scores"][i][j].is_null());
      } else {
        EXPECT_NEAR(walk["scores"][i][j].get<double>(),
                    walk["scale"].get<double>() * walk["similarity"][i][j].get<double>(), 1e-12);
      }
      sum += weight;
    }
    EXPECT_NEAR(sum, 1, 1e-12);
    for (std::size_t c = 0; c < walk["out"][i].size(); ++c) {
      double blend = 0;
      for (std::size_t j = 0; j < T; ++j)
        blend += walk["weights"][i][j].get<double>() * walk["values"][j][c].get<double>();
      EXPECT_NEAR(walk["out"][i][c].get<double>(), blend, 1e-12);
    }
  }
}

TEST(Explain, AddsUpForEveryChoiceOfParts) {
  for (const std::string mask : {"none", "causal"})
    for (const std::string weighting : {"softmax", "sparsemax", "uniform"})
      for (const std::string similarity : {"dot", "cosine", "additive"}) {
        SCOPED_TRACE(mask + " " + weighting + " " + similarity);
        const auto walk = json_of({"explain", "he likes school very much", "--mask", mask, "--weighting", weighting,
                                   "--similarity", similarity, "--width", "5"});
        expect_that_it_adds_up(walk, mask == "causal");
        EXPECT_LT(walk["oracle_difference"].get<double>(), 1e-12);
        if (walk["fused"]) { EXPECT_LT(walk["engine_difference"].get<double>(), 1e-5); }
      }
}

TEST(Explain, HasSoftmaxOfDotProductsFused) { EXPECT_TRUE(json_of({"explain", "he likes school"})["fused"]); }

TEST(Explain, IsTheSameEveryTime) {
  EXPECT_EQ(qkv_program({"explain", "a b c"}).out, qkv_program({"explain", "a b c"}).out);
  EXPECT_NE(qkv_program({"explain", "a b c"}).out, qkv_program({"explain", "a b c", "--seed", "7"}).out);
}

TEST(Explain, TakesOneWordAndManyKinds) {
  for (const std::string text : {"one", "日本 語", "a\tb\nc", "he he he"}) {
    const finished done = qkv_program({"explain", text});
    EXPECT_EQ(done.code, 0) << text << ": " << done.err;
  }
}

TEST(Explain, NeverLetsATextSteerTheTerminal) {
  EXPECT_EQ(qkv_program({"explain", "a\x1b[2J b"}).out.find('\x1b'), std::string::npos);
}

TEST(Explain, RefusesWhatIsNoText) {
  expect_refusal({"explain"}, "text is required");
  expect_refusal({"explain", ""}, "expected a text");
  expect_refusal({"explain", "   "}, "at least one word");
  expect_refusal({"explain", "caf\xe9"}, "UTF-8");
  expect_refusal({"explain", "a", "--mask", "blind"}, "--mask");
  expect_refusal({"explain", "a", "--width", "9"}, "--width");
  expect_refusal({"explain", "a b c d e f g h i j k l m n o p q r s t u v w x y z"}, "at most 24 words");
}

}  // namespace
}  // namespace qkv
