// The model that comes with the project: small, trained by it, and able to do what the demo asks of it.
#include "tests/cli/program.h"

namespace qkv {
namespace {

const std::filesystem::path model = std::filesystem::path(QKV_SOURCE_DIR) / "models" / "shakespeare.safetensors";

TEST(Shakespeare, IsASmallFile) { EXPECT_LE(std::filesystem::file_size(model), 2'000'000u); }

TEST(Shakespeare, WritesWordsOfTheText) {
  const std::string text =
      json_of({"generate", "--model", model, "--prompt", "ROMEO.\n", "--tokens", "400"})["text"].get<std::string>();
  long known = 0;
  for (const char* word :
       {" the ", " and ", " of ", " you ", " I ", " to ", " my ", " in ", " is ", " that ", " your "})
    known += text.find(word) != std::string::npos;
  EXPECT_GE(known, 4) << text;
}

TEST(Shakespeare, HasHeadsThatCanBeTold) {
  const auto result = json_of({"attend", "--model", model, "--text", "To be, or not to be: that is the question"});
  long told = 0;
  for (const auto& head : result["heads"]) told += head["kind"] != "spreads evenly" && head["kind"] != "many tokens";
  EXPECT_GE(told, long(result["heads"].size()) / 3);
}

}  // namespace
}  // namespace qkv
