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

}  // namespace
}  // namespace qkv
