// The translator that comes with the project says German captions in English and knows which words belong together.
#include "tests/cli/program.h"

namespace qkv {
namespace {

using testing::HasSubstr;

const std::filesystem::path model = std::filesystem::path(QKV_SOURCE_DIR) / "models" / "de-en.safetensors";

TEST(ReleasedTranslator, IsASmallFile) { EXPECT_LE(std::filesystem::file_size(model), 10'000'000u); }

TEST(ReleasedTranslator, TranslatesCaptions) {
  const auto result = json_of({"translate", "--model", model, "Ein Mann mit Hut liest in einem Park die Zeitung.",
                               "Zwei Kinder spielen im Schnee.", "--align"});
  const std::string first = result["translations"][0]["translation"], second = result["translations"][1]["translation"];
  for (const char* word : {"man", "hat", "reading", "park"}) EXPECT_THAT(first, HasSubstr(word));
  for (const char* word : {"Two", "children", "play", "snow"}) EXPECT_THAT(second, HasSubstr(word));
  std::string hat, park;
  for (const auto& word : result["translations"][0]["alignment"]) {
    if (word["target"] == "hat") hat = word["source"];
    if (word["target"] == "park") park = word["source"];
  }
  EXPECT_EQ(hat, "Hut");
  EXPECT_EQ(park, "Park");
}

TEST(ReleasedTranslator, IsTheOneThatIsUsedWhereNoneIsNamed) {
  const auto said = json_of({"translate", "Zwei Kinder spielen im Schnee."});
  EXPECT_THAT(said["translations"][0]["translation"].get<std::string>(), HasSubstr("children"));
  EXPECT_EQ(json_of({"attend", "--source", "Ein Hund rennt.", "--target", "A dog runs."})["translation"], "A dog runs.");
  EXPECT_FALSE(json_of({"generate", "--prompt", "ROMEO.", "--tokens", "5"})["text"].get<std::string>().empty());
}

TEST(ReleasedTranslator, AttentionFindsTheWords) {
  const auto shown = json_of({"attend", "--model", model, "--source", "Zwei Kinder spielen im Schnee."});
  EXPECT_THAT(shown["translation"].get<std::string>(), HasSubstr("children"));
  std::string snow;
  for (const auto& word : shown["alignment"])
    if (word["target"] == "snow") snow = word["source"];
  EXPECT_EQ(snow, "Schnee");
  for (const auto& head : shown["heads"]) EXPECT_FALSE(head.contains("distance"));
  const auto given = json_of({"attend", "--model", model, "--source", "Ein Hund rennt.", "--target", "A dog runs."});
  EXPECT_EQ(given["translation"], "A dog runs.");
  const temporary_folder folder;
  const finished page = qkv_program(
      {"attend", "--model", model, "--source", "Ein Hund rennt.", "--html", folder / "a.html", "--token", "2"});
  EXPECT_EQ(page.code, 0) << page.err;
  EXPECT_THAT(page.out, HasSubstr("what each head looks at for the word"));
  const std::string html = bytes_of_file(folder / "a.html");
  EXPECT_THAT(html, HasSubstr("Ein Hund rennt. "));
  EXPECT_THAT(html, testing::Not(HasSubstr("Ein"
                                           "Hund")));
  EXPECT_THAT(html, testing::Not(HasSubstr("\"kind\":\"near tokens\"")));
  expect_refusal({"attend", "--model", model, "--source", "Ein Hund.", "--rollout"}, "expected a language model");
  expect_refusal({"attend", "--model", model, "--source", "Ein Hund.", "--token", "99"}, "--token: expected 1 to ");
  expect_refusal({"attend", "--model", model}, "--text");
}

TEST(ReleasedTranslator, EvaluationTellsLossAndScores) {
  const temporary_folder folder;
  put_bytes(folder / "de", "Zwei Kinder spielen im Schnee.\nEin Hund rennt durch den Schnee.\n");
  put_bytes(folder / "en", "Two children are playing in the snow.\nA dog is running through the snow.\n");
  const auto good = json_of({"evaluate", "--model", model, "--source", folder / "de", "--target", folder / "en"});
  EXPECT_LT(good["loss"].get<double>(), 2);
  EXPECT_GT(good["beam"]["bleu"].get<double>(), 20);
  EXPECT_GT(good["greedy"]["chrf"].get<double>(), 40);
  put_bytes(folder / "one", "Two children.\n");
  expect_refusal({"evaluate", "--model", model, "--source", folder / "de", "--target", folder / "one"},
                 "expected as many lines");
  expect_refusal({"evaluate", "--model", model, "--text", folder / "de"}, "expected --source FILE and --target FILE");
}

}  // namespace
}  // namespace qkv
