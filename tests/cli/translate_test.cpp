// qkv train --source --target and qkv translate: learns a small language, says it, shows what was looked at.
#include <algorithm>
#include <sstream>

#include "qkv/base/random.h"
#include "tests/cli/program.h"

namespace qkv {
namespace {

using testing::HasSubstr;

/// Sentences of a small language and their translations, which put the verb last.
std::pair<std::string, std::string> small_language(long count, std::uint64_t stream) {
  const char* const who[][2] = {{"der Hund", "the dog"}, {"die Frau", "the woman"}, {"ein Kind", "a child"}};
  const char* const does[][2] = {{"sieht", "sees"}, {"sucht", "seeks"}, {"mag", "likes"}};
  std::string source, target;
  for (long i = 0; i < count; ++i) {
    const auto pick = [&](long n) { return random_stream{4, stream}.below(std::uint64_t(3 * i + n), 3); };
    const auto a = pick(0), verb = pick(1), b = pick(2);
    source += std::string(who[a][0]) + " " + does[verb][0] + " " + who[b][0] + ".\n";
    target += std::string(who[a][1]) + " " + who[b][1] + " " + does[verb][1] + ".\n";
  }
  return {source, target};
}

std::vector<std::string> learning(const std::string& source, const std::string& target, const std::string& out,
                                  std::vector<std::string> more = {}) {
  std::vector<std::string> all{"train",    "--source", source,    "--target",     target, "--out",
                               out,        "--layers", "1",       "--width",      "32",   "--hidden",
                               "64",       "--heads",  "2",       "--vocabulary", "300",  "--dropout",
                               "0",        "--warm-up", "20",     "--batch-tokens", "200", "--learning-rate", "5e-3",
                               "--average", "0.95"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

class Translate : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new temporary_folder;
    const auto [source, target] = small_language(400, 1);
    put_bytes(in_folder("s"), source);
    put_bytes(in_folder("t"), target);
    const auto learned = json_of(learning(in_folder("s"), in_folder("t"), model(), {"--epochs", "25"}));
    EXPECT_LT(learned["validation_loss"].get<double>(), 0.5);
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  static std::string in_folder(const std::string& name) { return *folder_ / name; }
  static std::string model() { return in_folder("model"); }

 private:
  static inline temporary_folder* folder_ = nullptr;
};

TEST_F(Translate, SaysWhatItHasLearned) {
  const finished done = qkv_program({"translate", "--model", model(), "die Frau sucht der Hund.", ""});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "the woman the dog seeks.\n\n") << "an empty line stays empty";
}

TEST_F(Translate, ShowsWhichWordsEachWordWasMadeFrom) {
  const auto result = json_of({"translate", "--model", model(), "ein Kind mag die Frau.", "--align"});
  const auto& words = result["translations"][0]["alignment"];
  ASSERT_EQ(words.size(), 6u) << words;
  EXPECT_EQ(words[4]["target"], "likes");
  for (const auto& word : words) EXPECT_GT(word["weight"].get<double>(), 1.0 / 8);
  const finished table = qkv_program({"translate", "--model", model(), "ein Kind mag die Frau.", "--align"});
  EXPECT_THAT(table.out, HasSubstr("likes  <- "));
}

TEST_F(Translate, DrawsWhatTheHeadsLookAt) {
  const finished done = qkv_program({"translate", "--model", model(), "ein Kind mag die Frau.", "--html",
                                     in_folder("a.html"), "--svg", in_folder("a.svg"), "--png", in_folder("a.png")});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(bytes_of_file(in_folder("a.html")), HasSubstr("Kind"));
  EXPECT_THAT(bytes_of_file(in_folder("a.svg")), HasSubstr("likes"));
  EXPECT_GT(bytes_of_file(in_folder("a.png")).size(), 100u);
}

TEST_F(Translate, ComparesWithReferences) {
  const auto [source, target] = small_language(30, 2);
  put_bytes(in_folder("test_s"), source);
  put_bytes(in_folder("test_t"), target);
  for (const char* beam : {"1", "4"}) {
    const auto result = json_of({"translate", "--model", model(), "--file", in_folder("test_s"), "--reference",
                                 in_folder("test_t"), "--beam", beam});
    EXPECT_GT(result["scores"]["bleu"].get<double>(), 95) << beam;
    EXPECT_GT(result["scores"]["chrf"].get<double>(), 95);
    EXPECT_EQ(result["translations"].size(), 30u);
  }
}

TEST_F(Translate, RefusesWhatItCannotTranslate) {
  expect_refusal({"translate", "--model", in_folder("missing"), "x"}, "missing");
  expect_refusal({"translate", "--model", model()}, "found none");  // standard input is empty
  expect_refusal({"translate", "--model", model(), "--file", in_folder("missing")}, "missing");
  expect_refusal({"translate", "--model", model(), "\xff"}, "UTF-8");
  expect_refusal({"translate", "--model", model(), std::string(3000, 'x')}, "divide it into sentences");
  expect_refusal({"translate", "--model", model(), "x", "--reference", in_folder("t")}, "a line for each of the 1 texts");
  expect_refusal({"generate", "--model", model()},
                 "expected a language model; found a translator, for qkv translate, evaluate and attend");
}

TEST_F(Translate, LearnsWithARecurrentNetworkToo) {
  const auto run = in_folder("recurrent"), file = in_folder("recurrent.safetensors");
  auto arguments =
      learning(in_folder("s"), in_folder("t"), run, {"--epochs", "20", "--alignment", "additive", "--cell", "gru"});
  const auto heads = std::ranges::find(arguments, "--heads");
  arguments.erase(heads, heads + 2);  // which a recurrent network does not have
  const auto learned = json_of(arguments);
  EXPECT_LT(learned["validation_loss"].get<double>(), 2.2);
  ASSERT_EQ(qkv_program({"export", "--model", run, "--out", file}).code, 0);
  const auto said = json_of({"translate", "--model", file, "die Frau sucht der Hund.", "--align"})["translations"][0];
  EXPECT_THAT(said["translation"].get<std::string>(), HasSubstr("the "));
  EXPECT_GE(said["alignment"].size(), 3u);
}

TEST_F(Translate, LearnsWithNormsAfterAndWithANetworkThatReadsOnlyFromTheBeginning) {
  const std::vector<std::vector<std::string>> choices{
      {"--norms", "after", "--positions", "learned", "--feed-forward", "gelu", "--norm", "rms_norm", "--heads", "2"},
      {"--one-direction"}};
  for (const auto& choice : choices) {
    SCOPED_TRACE(choice[0]);
    const auto run = in_folder("otherwise");
    auto arguments = learning(in_folder("s"), in_folder("t"), run, {"--epochs", "20", "--replace"});
    const auto heads = std::ranges::find(arguments, "--heads");
    arguments.erase(heads, heads + 2);
    arguments.insert(arguments.end(), choice.begin(), choice.end());
    EXPECT_LT(json_of(arguments)["validation_loss"].get<double>(), 2.4);
    const auto config = json_of({"inspect", run})["config"];
    if (choice.size() > 1)
      EXPECT_EQ(config["norms"], "after");
    else
      EXPECT_EQ(config["bidirectional"], false);
    const auto said = json_of({"translate", "--model", run, "die Frau sucht der Hund."})["translations"][0];
    EXPECT_THAT(said["translation"].get<std::string>(), HasSubstr("the "));
  }
  auto arguments = learning(in_folder("s"), in_folder("t"), in_folder("never"), {"--positions", "rotary"});
  expect_refusal(arguments, "expected positions none, learned, sinusoidal or fourier; found rotary");
}

TEST_F(Translate, ExportsItsModelInEightBits) {
  const auto whole = in_folder("whole.safetensors"), narrow = in_folder("narrow.safetensors");
  ASSERT_EQ(qkv_program({"export", "--model", model(), "--out", whole}).code, 0);
  ASSERT_EQ(qkv_program({"export", "--model", whole, "--out", narrow, "--weights", "int8"}).code, 0);
  EXPECT_LT(std::filesystem::file_size(narrow), std::filesystem::file_size(whole) / 2);
  for (const std::string& exported : {whole, narrow}) {
    const finished done = qkv_program({"translate", "--model", exported, "die Frau sucht der Hund."});
    EXPECT_EQ(done.out, "the woman the dog seeks.\n") << done.err;
  }
  expect_refusal({"export", "--model", in_folder("s"), "--out", narrow}, "expected");
  EXPECT_GT(std::filesystem::file_size(narrow), 1000u);
}

TEST_F(Translate, RefusesTextsThatDoNotPair) {
  put_bytes(in_folder("two"), "ein Hund\nein Kind\n");
  put_bytes(in_folder("three"), "a dog\na child\na woman\n");
  put_bytes(in_folder("gap"), "a dog\n\n");
  put_bytes(in_folder("broken"), "a dog\na \xff child\n");
  expect_refusal(learning(in_folder("two"), in_folder("three"), in_folder("never")), "as many lines");
  expect_refusal(learning(in_folder("two"), in_folder("gap"), in_folder("never")), "gap, line 2: expected a text in UTF-8; "
                                                                                  "found an empty line");
  expect_refusal(learning(in_folder("two"), in_folder("broken"), in_folder("never")), "line 2");
  expect_refusal(learning(in_folder("two"), in_folder("missing"), in_folder("never")), "missing");
  expect_refusal({"train", "--source", in_folder("two"), "--out", in_folder("never")}, "--target");
  EXPECT_FALSE(std::filesystem::exists(in_folder("never")));
}

TEST_F(Translate, RefusesOtherEncodingsAndDropsAByteOrderMark) {
  const auto source = in_folder("encoded_s"), target = in_folder("encoded_t");
  put_bytes(target, "the dog sees.\nthe woman seeks.\n");
  put_bytes(source, std::string("der Hund sieht.\ndie\0Frau sucht.\n", 32));
  expect_refusal(learning(source, target, in_folder("encoded"), {"--steps", "2"}),
                 "line 2: expected a text in UTF-8; found a NUL byte at column 4");
  const std::string wide("d\0e\0r\0\n\0", 8);
  put_bytes(source, "\xFF\xFE" + wide + wide + wide);
  expect_refusal(learning(source, target, in_folder("encoded"), {"--steps", "2"}),
                 "encoded_s: expected a text in UTF-8; found one in UTF-16; save it as UTF-8");
  expect_refusal(learning(target, source, in_folder("encoded"), {"--steps", "2", "--skip-bad-lines"}),
                 "encoded_s: expected a text in UTF-8; found one in UTF-16");
  put_bytes(source, wide + wide + wide);  // without a mark, and of other lines than the target
  expect_refusal(learning(source, target, in_folder("encoded"), {"--steps", "2"}),
                 "encoded_s, line 1: expected a text in UTF-8; found a NUL byte at column 2, as binary files and UTF");
  put_bytes(source, "\xEF\xBB\xBF" "der Hund sieht.\ndie Frau sucht.\n");
  const auto run = in_folder("marked");
  EXPECT_EQ(json_of(learning(source, target, run, {"--steps", "2", "--tokens", "words", "--validation-source", source,
                                                   "--validation-target", target}))["step"], 2);
  EXPECT_EQ(bytes_of_file(run + "/step-00000002/model.safetensors").find("\xEF\xBB\xBF"), std::string::npos);
}

TEST_F(Translate, AlignsATranslationThatFillsTheContext) {
  const auto run = in_folder("begun");
  json_of(learning(in_folder("s"), in_folder("t"), run, {"--steps", "1", "--tokens", "words", "--context", "8"}));
  const auto result = json_of({"translate", "--model", run, "der Hund sieht.", "--align"});
  EXPECT_FALSE(result["translations"][0]["alignment"].empty());
}

TEST_F(Translate, LeavesBadLinesOutWhenAsked) {
  const auto [source, target] = small_language(60, 3);
  put_bytes(in_folder("some_s"), source + "ein Hund\nein \xff Kind\n");
  put_bytes(in_folder("some_t"), target + "\na child\n");
  const finished done = qkv_program(learning(in_folder("some_s"), in_folder("some_t"), in_folder("skipped"),
                                             {"--steps", "3", "--skip-bad-lines", "-q"}));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("2 of 62 pairs"));
}

TEST_F(Translate, ResumedWritesTheSameBytesAsUninterrupted) {
  const auto file_of = [](const std::string& run, const std::string& step) {
    return bytes_of_file(std::filesystem::path(run) / ("step-000000" + step) / "model.safetensors");
  };
  const auto whole = in_folder("whole"), parts = in_folder("parts");
  ASSERT_EQ(qkv_program(learning(in_folder("s"), in_folder("t"), whole, {"--steps", "30", "-q"})).code, 0);
  ASSERT_EQ(qkv_program(learning(in_folder("s"), in_folder("t"), parts,
                                 {"--steps", "30", "--checkpoint-every", "10", "--validate-every", "7", "-q"}))
                .code,
            0);
  std::filesystem::remove_all(std::filesystem::path(parts) / "step-00000030");
  ASSERT_EQ(qkv_program({"train", "--source", in_folder("s"), "--target", in_folder("t"), "--out", parts, "--resume",
                         "-q"})
                .code,
            0);
  const auto weights = [&](const std::string& run) {
    const std::string bytes = file_of(run, "30");
    return bytes.substr(bytes.size() / 2);  // the metadata says how often was validated
  };
  EXPECT_TRUE(weights(whole) == weights(parts));
}

}  // namespace
}  // namespace qkv
