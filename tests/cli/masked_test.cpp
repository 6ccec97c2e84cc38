// qkv train --masked and qkv complete with holes; qkv train --labelled and qkv classify with texts.
#include <cmath>
#include <numeric>

#include "tests/cli/program.h"

namespace qkv {
namespace {

using testing::HasSubstr;

/// The weights of every head: rows that sum to one, each token looking at those after it too.
void expect_two_sided(const nlohmann::json& all) {
  const std::size_t count = all["tokens"].size();
  for (const auto& head : all["heads"]) {
    ASSERT_EQ(head["weights"].size(), count);
    for (const std::vector<double> row : head["weights"]) {
      ASSERT_EQ(row.size(), count);
      EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0), 1, 1e-5);
      EXPECT_GT(row.front(), 0);
      EXPECT_GT(row.back(), 0);
    }
  }
}

/// A table of heads says what the weights themselves say.
void expect_the_same_numbers(const nlohmann::json& drawn, const nlohmann::json& told) {
  EXPECT_EQ(drawn["tokens"], told["tokens"]);
  ASSERT_EQ(drawn["heads"].size(), told["heads"].size());
  for (std::size_t n = 0; n < drawn["heads"].size(); ++n)
    for (const auto& [name, value] : drawn["heads"][n].items()) {
      if (name == "weights") continue;
      if (value.is_number_float())
        EXPECT_NEAR(told["heads"][n][name].get<double>(), value.get<double>(), 1e-4) << name;
      else
        EXPECT_EQ(told["heads"][n][name], value) << name;
    }
  EXPECT_NEAR(told["even"]["evenness"].get<double>(), 1, 1e-6);
}

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

TEST_F(Masked, LearnsWithEveryMixerAndEveryPositionOfAnEncoder) {
  const std::vector<std::vector<std::string>> choices{{"--mixer", "uniform"},
                                                      {"--mixer", "mlp"},
                                                      {"--mixer", "convolution", "--taps", "3"},
                                                      {"--mixer", "fourier", "--norms", "after"},
                                                      {"--mixer", "linear_attention", "--positions", "fourier"},
                                                      {"--mixer", "gru", "--positions", "none"},
                                                      {"--positions", "local", "--position-range", "4"},
                                                      {"--positions", "relative", "--norm", "rms_norm"},
                                                      {"--positions", "alibi", "--feed-forward", "swiglu"}};
  for (const auto& choice : choices) {
    SCOPED_TRACE(choice[0] + " " + choice[1]);
    std::vector<std::string> more{"--steps", "300", "--learning-rate", "0.006", "-q", "--replace"};
    more.insert(more.end(), choice.begin(), choice.end());
    const finished done = qkv_program(learning(in_folder("mixed"), more));
    ASSERT_EQ(done.code, 0) << done.err;
    const auto config = json_of({"inspect", in_folder("mixed")})["config"];
    EXPECT_EQ(config[choice[0].substr(2)], choice[1]);
    const auto said = json_of({"evaluate", "--model", in_folder("mixed"), "--text", in_folder("text")});
    EXPECT_GT(said["accuracy"].get<double>(), 0.3) << "more than the 4 words of 15 that are the commonest";
    const auto filled = json_of({"complete", "--model", in_folder("mixed"), "the dog [MASK] in the park"});
    EXPECT_EQ(filled["holes"].size(), 1u);
  }
  expect_refusal(learning(in_folder("never"), {"--positions", "rotary"}), "expected positions other than rotary");
  ASSERT_EQ(qkv_program(learning(in_folder("mixed"), {"--steps", "2", "--replace", "--mixer", "fourier"})).code, 0);
  expect_refusal({"attend", "--model", in_folder("mixed"), "--text", "dog [MASK]"},
                 "expected a model with heads of attention to look at; found one whose mixer is fourier");
}

TEST_F(Masked, IsEvaluatedByTheHolesItFills) {
  const auto of = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"evaluate", "--model", in_folder("model"), "--text", in_folder("text")});
    auto all = json_of(more);
    all.erase("seconds");
    return all;
  };
  const auto held_out = of({"--held-out"}), whole = of({});
  EXPECT_EQ(held_out, of({"--held-out"})) << "the same holes every time";
  EXPECT_NE(held_out["loss"], of({"--held-out", "--seed", "5"})["loss"]) << "others for another seed";
  EXPECT_EQ(held_out["seed"], json_of({"inspect", in_folder("model")})["training"]["seed"]);
  EXPECT_EQ(whole["kind"], "masked language model");
  EXPECT_NEAR(whole["asked"].get<double>() / whole["tokens"].get<double>(), 0.15, 0.03);
  EXPECT_NEAR(held_out["tokens"].get<double>() / whole["tokens"].get<double>(), 0.1, 0.01);
  EXPECT_NEAR(whole["perplexity"].get<double>(), std::exp(whole["loss"].get<double>()), 1e-9);
  EXPECT_GT(whole["accuracy"].get<double>(), 0.85);
  EXPECT_NEAR(held_out["loss"].get<double>(),
              json_of({"inspect", in_folder("model")})["validation_loss"].get<double>(), 0.2);
  const finished shown = qkv_program({"evaluate", "--model", in_folder("model"), "--text", in_folder("text")});
  for (const char* part : {"nats a token that is asked for", "the likeliest token is the one that was there", "--seed"})
    EXPECT_THAT(shown.out, HasSubstr(part));
  put_bytes(in_folder("dog"), "dog");
  EXPECT_EQ(json_of({"evaluate", "--model", in_folder("model"), "--text", in_folder("dog")})["asked"], 1);
}

TEST_F(Masked, EvaluationSaysWhatIsWrong) {
  const std::string model = in_folder("model");
  put_bytes(in_folder("empty"), "");
  put_bytes(in_folder("strange"), "zebra");
  expect_refusal({"evaluate", "--model", model}, "expected --text FILE, on which a masked language model is evaluated");
  expect_refusal({"evaluate", "--model", model, "--images", in_folder(".")}, "expected --text FILE");
  expect_refusal({"evaluate", "--model", model, "--text", in_folder("missing")}, "missing");
  expect_refusal({"evaluate", "--model", model, "--text", in_folder("empty")}, "empty");
  expect_refusal({"evaluate", "--model", model, "--text", in_folder("strange")}, "expected at least one token that");
  expect_refusal({"evaluate", "--model", model, "--text", in_folder("text"), "--stride", "3"}, "--stride: expected");
}

TEST_F(Masked, ShowsWhatItsHeadsLookAtOnBothSides) {
  const std::vector<std::string> ask{"attend", "--model", in_folder("model"), "--text", "dog [MASK] in the park"};
  const auto more = [&](std::vector<std::string> options) {
    options.insert(options.begin(), ask.begin(), ask.end());
    return options;
  };
  const auto drawn = json_of(ask);
  ASSERT_EQ(drawn["tokens"].size(), 5u);
  EXPECT_EQ(drawn["tokens"][1], "[MASK]");
  EXPECT_EQ(drawn["heads"].size(), 2u);
  expect_two_sided(drawn);
  expect_the_same_numbers(drawn, json_of(more({"--heads"})));
  EXPECT_THAT(qkv_program(more({"--heads"})).out, HasSubstr("Means over all tokens, which see each other."));
  const finished shown = qkv_program(more({}));
  EXPECT_THAT(shown.out, HasSubstr("from the token [MASK] (number 2 of 5)")) << "the hole, where no token is named";
  EXPECT_THAT(qkv_program(more({"--token", "5"})).out, HasSubstr("park (number 5 of 5)"));
  EXPECT_THAT(qkv_program(more({"--layer", "1", "--head", "2"})).out, HasSubstr("layer 1 head 2: every row is a"));
}

TEST_F(Masked, FollowsATokenThroughTheLayersToBothSides) {
  const auto all = json_of({"attend", "--model", in_folder("model"), "--text", "dog [MASK] in the park", "--rollout"});
  EXPECT_EQ(all["rollout"]["token"], 2);
  const std::vector<double> shares = all["rollout"]["shares"];
  EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1, 1e-5);
  EXPECT_GE(shares[1], 0.5) << "half stays in the one layer";
  EXPECT_GT(shares[4], 0) << "it looks ahead";
  const finished shown =
      qkv_program({"attend", "--model", in_folder("model"), "--text", "dog [MASK] in the park", "--rollout"});
  EXPECT_EQ(std::count(shown.out.begin(), shown.out.end(), '%'), 5) << "a line for every token";
}

TEST_F(Masked, ItsWeightsAreDrawn) {
  const auto page = in_folder("page.html"), svg = in_folder("picture.svg"), png = in_folder("picture.png");
  const finished done = qkv_program({"attend", "--model", in_folder("model"), "--text", "the [MASK] runs", "--html",
                                     page, "--svg", svg, "--png", png});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(bytes_of_file(page), HasSubstr("encoder of 1 layers of 2 heads"));
  EXPECT_THAT(bytes_of_file(page), HasSubstr("\"looking\":1,")) << "the hole first";
  EXPECT_THAT(bytes_of_file(svg), HasSubstr("[MASK]"));
  EXPECT_GT(std::filesystem::file_size(png), 1000u);
}

TEST_F(Masked, AttentionTakesOneTokenAndTheBeginningOfAFile) {
  const auto one = json_of({"attend", "--model", in_folder("model"), "--text", "[MASK]"});
  EXPECT_EQ(one["heads"][0]["weights"][0][0], 1);
  EXPECT_EQ(json_of({"attend", "--model", in_folder("model"), "--text", "dog", "--heads"})["heads"][0]["kind"],
            "itself");
  EXPECT_EQ(json_of({"attend", "--model", in_folder("model"), "--text-file", in_folder("text")})["tokens"].size(), 14u);
}

TEST_F(Masked, AttentionSaysWhatIsWrong) {
  const std::string model = in_folder("model");
  expect_refusal({"attend", "--model", model}, "--text: expected a text; found none");
  expect_refusal({"attend", "--model", model, "--text", ""}, "--text: expected a text; found none");
  expect_refusal({"attend", "--model", model, "--text", " "}, "expected a text of at least one token");
  expect_refusal({"attend", "--model", model, "--text", "a a a a a a a a a a a a a a a"}, "at most 14 tokens");
  expect_refusal({"attend", "--model", model, "--text", "dog", "--layer", "2"}, "expected 1 to 1; found 2");
  expect_refusal({"attend", "--model", model, "--text", "dog", "--token", "2"}, "expected 1 to 1; found 2");
  expect_refusal({"attend", "--model", model, "--text", "dog", "--target", "cat"}, "--target: expected a translator");
  expect_refusal({"attend", "--model", model, "--image", in_folder("x.png")}, "expected a classifier");
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
  for (const std::string kind : {"characters", "bytes", "bpe", "unigram"}) {
    const finished done = qkv_program(learning(in_folder(kind), with_vocabulary({"--steps", "3", "-q"}, kind, "300")));
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
  expect_refusal({"generate", "--model", model}, "expected a language model; found a masked language model, for qkv complete, evaluate");
  expect_refusal({"train", "--masked", "--out", in_folder("no")}, "--text");
}

TEST(LabelledTexts, SayThatOnlyTheirBeginningIsRead) {
  const temporary_folder folder;
  std::string lines;
  for (int i = 0; i < 30; ++i) lines += i % 2 == 0 ? "a\tone two three four\n" : "b\tfive six\n";
  put_bytes(folder / "texts.tsv", lines);
  const std::string model = folder / "model";
  const finished done = qkv_program({"train", "--labelled", folder / "texts.tsv", "--out", model, "--width", "8",
                                     "--context", "3", "--steps", "2", "--classes", "x,y"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("of 15 of 30 texts only the first 2 tokens are read (--context)"));
  EXPECT_THAT(qkv_program({"classify", "--model", model, "one two three"}).err,
              HasSubstr("of 3 tokens only the first 2 are read"));
  EXPECT_THAT(qkv_program({"evaluate", "--model", model, "--labelled", folder / "texts.tsv"}).err,
              HasSubstr("found 2 new (a, b), 2 missing (x, y) (--classes names them"));
  EXPECT_EQ(json_of({"evaluate", "--model", model, "--labelled", folder / "texts.tsv", "--classes", "x,y", "--all"})
                ["examples"], 30);
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
  const auto seen = json_of({"attend", "--model", model, "--text", "a cat and a dog"});
  EXPECT_EQ(seen["tokens"][0], "[CLS]");
  EXPECT_EQ(seen["tokens"].size(), 6u);
  EXPECT_EQ(seen["class"], "pets");
  const auto answer = json_of({"classify", "--model", model, "a cat and a dog"});
  EXPECT_NEAR(seen["probability"].get<double>(), answer["probabilities"][0]["probability"].get<double>(), 1e-6);
  expect_two_sided(seen);
  expect_the_same_numbers(seen, json_of({"attend", "--model", model, "--text", "a cat and a dog", "--heads"}));
  const finished shown = qkv_program({"attend", "--model", model, "--text", "a cat and a dog"});
  EXPECT_THAT(shown.out, testing::StartsWith("pets ("));
  EXPECT_THAT(shown.out, HasSubstr("from the token [CLS] (number 1 of 6)")) << "from which the answer is read";
  const finished drawn =
      qkv_program({"attend", "--model", model, "--text", "the cat and the dog", "-q", "--html", folder / "page.html"});
  ASSERT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_THAT(bytes_of_file(folder / "page.html"), HasSubstr("<title>Attention: the cat and the dog</title>"));
  EXPECT_THAT(bytes_of_file(folder / "page.html"), HasSubstr("\"looking\":0,"));
  const auto rolled = json_of({"attend", "--model", model, "--text", "a cat and a dog", "--rollout"});
  EXPECT_EQ(rolled["rollout"]["token"], 1);
  const auto more =
      json_of({"train", "--labelled", folder / "texts.tsv", "--out", model, "--resume", "--steps", "122"});
  EXPECT_EQ(more["step"], 122);
  expect_refusal({"classify", "--model", model}, "expected a text to classify");
  expect_refusal({"classify", "--model", model, "--image", folder / "x.png"},
                 "expected a text for a model that reads texts");
  expect_refusal({"evaluate", "--model", model, "--images", folder / "x"}, "expected --labelled");
  expect_refusal({"attend", "--model", model, "--image", folder / "x.png"}, "expected --text, for a classifier of");
  expect_refusal({"attend", "--model", model, "--text", "a", "--target", "b"}, "--target: expected a translator");
  expect_refusal({"attend", "--model", model, "--text", ""}, "--text: expected a text; found none");
  expect_refusal({"attend", "--model", model, "--text", "a a a a a a a a a a a a"}, "expected at most");
}

TEST(LabelledTexts, BadLinesAreLeftOutWhereAsked) {
  const temporary_folder folder;
  std::string lines = "no tab\nbytes\t\xff\n\n";
  for (int i = 0; i < 20; ++i) lines += i % 2 ? "a\tone text\n" : "b\tanother text\n";
  put_bytes(folder / "texts.tsv", lines);
  const std::string model = folder / "model";
  const finished done = qkv_program({"train", "--labelled", folder / "texts.tsv", "--skip-bad-lines", "--out", model,
                                     "--steps", "2", "--layers", "1", "--width", "16", "--heads", "2", "-q"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("3 of 23 lines"));
  expect_refusal({"evaluate", "--model", model, "--labelled", folder / "texts.tsv"}, "texts.tsv, line 1");
  const auto good =
      json_of({"evaluate", "--model", model, "--labelled", folder / "texts.tsv", "--skip-bad-lines", "--all"});
  EXPECT_EQ(good["examples"], 20);
  expect_refusal({"evaluate", "--model", model, "--images", folder.path(), "--skip-bad-lines"},
                 "--skip-bad-lines: expected --source and --target, or --labelled");
}

TEST(LabelledTexts, BadLinesAreNamed) {
  const temporary_folder folder;
  const auto refuse = [&](const std::string& text, const std::string& part) {
    put_bytes(folder / "texts.tsv", text);
    expect_refusal({"train", "--labelled", folder / "texts.tsv", "--out", folder / "model"}, part);
  };
  refuse("a\tone text\n\nb\tanother\n", "line 2: expected a class, a tab and a text; found an empty line");
  refuse("a\tone text\nno tab here\n", "line 2: expected a class, a tab and a text; found no tab");
  refuse("\ttext\n", "line 1: expected a class, a tab and a text; found no class");
  refuse("a\t \n", "found no text");
  refuse("a\tone\na\ttwo\n", "expected texts of two classes or more; found 1");
  refuse("a\tone \xff\n",
         "line 1: expected a class, a tab and a text; found a byte that is not UTF-8 at column 7 (--skip-bad-lines");
  refuse("\xFF\xFE" "a\tone\n", "texts.tsv: expected a text in UTF-8; found one in UTF-16; save it as UTF-8");
  refuse("a\tone word\nb\ttwo word\n", "every tenth is held out");
}

}  // namespace
}  // namespace qkv
