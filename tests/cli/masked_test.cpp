// qkv train --masked and qkv complete with holes; qkv train --labelled and qkv classify with texts.
#include "tests/cli/program.h"

namespace qkv {
namespace {

using testing::HasSubstr;

class Masked : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new temporary_folder;
    std::string text;
    while (text.size() < 6000) text += "the dog runs in the park and the cat sleeps in the house today .\n";
    put_bytes(in_folder("text"), text);
    const finished done =
        qkv_program(learning(in_folder("model"), {"--steps", "1500", "--learning-rate", "0.006", "-q"}));
    ASSERT_EQ(done.code, 0) << done.err;
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  static std::string in_folder(const std::string& name) { return *folder_ / name; }
  static std::vector<std::string> learning(const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> all{"train",     "--text", in_folder("text"), "--masked", "--out",   out,
                                 "--layers",  "1",      "--heads",         "2",        "--width", "32",
                                 "--context", "14",     "--batch",         "8"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

 private:
  static inline temporary_folder* folder_ = nullptr;
};

TEST_F(Masked, FillsHolesFromBothSides) {
  const auto one = json_of({"complete", "--model", in_folder("model"), "the dog [MASK] in the park and the cat"});
  ASSERT_EQ(one["holes"].size(), 1u);
  EXPECT_EQ(one["holes"][0]["next"][0]["text"], "runs");
  EXPECT_EQ(one["holes"][0]["token"], 3);
  const auto two =
      json_of({"complete", "--model", in_folder("model"), "the dog runs in the [MASK] and the [MASK] sleeps"});
  ASSERT_EQ(two["holes"].size(), 2u);
  EXPECT_EQ(two["holes"][0]["next"][0]["text"], "park");
  EXPECT_EQ(two["holes"][1]["next"][0]["text"], "cat");
  const finished shown = qkv_program({"complete", "--model", in_folder("model"), "the [MASK] runs in the park"});
  EXPECT_THAT(shown.out, HasSubstr("what may stand there"));
}

TEST_F(Masked, IsResumedWithTheSameBits) {
  const auto once = json_of(learning(in_folder("once"), {"--steps", "12"}));
  EXPECT_EQ(json_of(learning(in_folder("twice"), {"--steps", "6"}))["step"], 6);
  const auto twice = json_of(
      {"train", "--text", in_folder("text"), "--masked", "--out", in_folder("twice"), "--resume", "--steps", "12"});
  EXPECT_EQ(once["validation_loss"], twice["validation_loss"]);
}

TEST_F(Masked, ItsFileIsInspectedAndCut) {
  EXPECT_EQ(json_of({"inspect", in_folder("model")})["kind"], "masked language model, an encoder");
  EXPECT_EQ(json_of({"tokenize", "--model", in_folder("model"), "the dog"})["texts"][0]["tokens"].size(), 2u);
}

TEST_F(Masked, AnyTokensWillDo) {
  for (const char* kind : {"characters", "bytes", "bpe", "unigram"}) {
    const finished done =
        qkv_program(learning(in_folder(kind), {"--steps", "3", "-q", "--tokens", kind, "--vocabulary", "300"}));
    ASSERT_EQ(done.code, 0) << kind << done.err;
    const auto filled = json_of({"complete", "--model", in_folder(kind), "a [MASK] d"});
    EXPECT_EQ(filled["holes"].size(), 1u) << kind;
  }
}

TEST_F(Masked, SaysWhatIsWrong) {
  const std::string model = in_folder("model");
  expect_refusal({"complete", "--model", model, "the dog"},
                 "expected [MASK] where a token is to be guessed; found none");
  expect_refusal({"complete", "--model", model, "[MASK]", "--word"}, "found one that fills holes");
  expect_refusal({"complete", "--model", model, "[MASK] a a a a a a a a a a a a a a a"}, "expected at most 14 tokens");
  expect_refusal({"generate", "--model", model}, "qkv masked language model 1");
  expect_refusal({"train", "--masked", "--out", in_folder("no")}, "--text");
}

TEST(LabelledTexts, AreLearnedAndKnownAgain) {
  const temporary_folder folder;
  const char* const about[][2] = {{"pets", "the dog and the cat sleep"}, {"games", "the team won the match"}};
  std::string lines;
  for (int i = 0; i < 40; ++i)
    for (const auto& [label, text] : about)
      lines += std::string(label) + "\t" + text + " number " + std::to_string(i % 7) + "\n";
  put_bytes(folder / "texts.tsv", lines);
  const std::string model = folder / "model";
  const auto learned = json_of({"train", "--labelled", folder / "texts.tsv", "--out", model, "--layers", "1", "--width",
                                "16", "--heads", "2", "--batch", "8", "--steps", "120", "--learning-rate", "0.01"});
  EXPECT_EQ(learned["classes"], (std::vector<std::string>{"games", "pets"}));
  EXPECT_EQ(learned["accuracy"], 1);
  EXPECT_EQ(json_of({"classify", "--model", model, "a cat and a dog"})["class"], "pets");
  EXPECT_EQ(qkv_program({"classify", "--model", model, "our team won", "-q"}).out, "games\n");
  const auto good = json_of({"evaluate", "--model", model, "--labelled", folder / "texts.tsv", "--all"});
  EXPECT_EQ(good["examples"], 80);
  EXPECT_EQ(good["accuracy"], 1);
  EXPECT_EQ(good["confusion"], (std::vector<std::vector<int>>{{40, 0}, {0, 40}}));
  const auto more =
      json_of({"train", "--labelled", folder / "texts.tsv", "--out", model, "--resume", "--steps", "122"});
  EXPECT_EQ(more["step"], 122);
  expect_refusal({"classify", "--model", model}, "expected a text to classify");
  expect_refusal({"classify", "--model", model, "--image", folder / "x.png"},
                 "expected a text for a model that reads texts");
  expect_refusal({"evaluate", "--model", model, "--images", folder / "x"}, "expected --labelled");
}

TEST(LabelledTexts, BadLinesAreNamed) {
  const temporary_folder folder;
  const auto refuse = [&](const std::string& text, const std::string& part) {
    put_bytes(folder / "texts.tsv", text);
    expect_refusal({"train", "--labelled", folder / "texts.tsv", "--out", folder / "model"}, part);
  };
  refuse("a\tone text\nno tab here\n", "line 2: expected a class, a tab and a text; found no tab");
  refuse("\ttext\n", "line 1: expected a class, a tab and a text; found no class");
  refuse("a\t \n", "found no text");
  refuse("a\tone\na\ttwo\n", "expected texts of two classes or more; found 1");
  refuse("a\tone word\nb\ttwo word\n", "every tenth is held out");
}

}  // namespace
}  // namespace qkv
