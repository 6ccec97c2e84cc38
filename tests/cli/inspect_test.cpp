// qkv inspect: files and runs, whole, damaged and of other programs.
#include <cmath>

#include "qkv/io/safetensors.h"
#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::HasSubstr;

using Inspect = WithModel;

TEST_F(Inspect, TellsKindConfigurationAndParameters) {
  const auto all = json_of({"inspect", model_file(), "--tensors"});
  EXPECT_EQ(all["format"], "qkv decoder 1");
  EXPECT_EQ(all["config"]["layers"], 2);
  EXPECT_EQ(all["step"], 60);
  EXPECT_THAT(all["tokens"]["vocabulary"].get<std::string>(), HasSubstr("characters with "));
  long numbers = 0, optimiser = 0;
  for (const auto& one : all["modules"])
    (one["name"] == "optimiser" ? optimiser : numbers) += one["numbers"].get<long>();
  EXPECT_EQ(numbers, all["parameters"]);
  EXPECT_EQ(optimiser, 2 * numbers + 3);  // two moments, and which validation was the best
  EXPECT_EQ(all["parameters"], json_of(training(text(), in_folder("x"), {"--dry-run"}))["parameters"]);
  for (const auto& one : all["all_tensors"]) {
    EXPECT_EQ(one["nan"], 0);
    EXPECT_LE(one["min"].get<double>(), one["mean"].get<double>());
    EXPECT_LE(one["mean"].get<double>(), one["max"].get<double>());
  }
}

TEST_F(Inspect, ListsCheckpointsAndSaysWhichAreDamaged) {
  const auto run = in_folder("copy");
  std::filesystem::copy(model(), run, std::filesystem::copy_options::recursive);
  auto all = json_of({"inspect", run});
  ASSERT_EQ(all["checkpoints"].size(), 1u);
  EXPECT_EQ(all["checkpoints"][0]["step"], 60);
  EXPECT_EQ(all["checkpoints"][0]["valid"], true);
  EXPECT_TRUE(all["checkpoints"][0]["validation_loss"].is_number());
  const auto file = run / "step-00000060" / "model.safetensors";
  std::string bytes = bytes_of_file(file);
  bytes.back() ^= 1;
  put_bytes(file, bytes);
  all = json_of({"inspect", run});
  EXPECT_EQ(all["checkpoints"][0]["valid"], false);
  EXPECT_THAT(qkv_program({"inspect", run}).out, HasSubstr("damaged or never finished"));
}

TEST_F(Inspect, PrintsTables) {
  const finished done = qkv_program({"inspect", model(), "--tensors"});
  EXPECT_EQ(done.code, 0) << done.err;
  for (const char* part : {"checkpoint", "language model", "blocks.1", "layers 2", "tokens.weight", "deviation"})
    EXPECT_THAT(done.out, HasSubstr(part));
}

TEST_F(Inspect, FindsNumbersThatAreNone) {
  const tensor broken({4}, {1, NAN, 3, INFINITY});
  write_safetensors(in_folder("broken.safetensors"), {{{"x", broken}, {"none", tensor({0, 3})}}, {}});
  const auto all = json_of({"inspect", in_folder("broken.safetensors"), "--tensors"});
  EXPECT_EQ(all["kind"], "tensors of another program");
  for (const auto& one : all["all_tensors"]) {
    if (one["name"] != "x") continue;
    EXPECT_EQ(one["nan"], 1);
    EXPECT_EQ(one["infinite"], 1);
    EXPECT_EQ(one["min"], 1);
  }
  EXPECT_EQ(qkv_program({"inspect", in_folder("broken.safetensors"), "--tensors"}).code, 0);
}

TEST_F(Inspect, KnowsTheReleasedTranslator) {
  const auto all = json_of({"inspect", QKV_SOURCE_DIR "/models/de-en.safetensors"});
  EXPECT_EQ(all["kind"], "translator, an encoder and a decoder");
  EXPECT_THAT(all["tokens"]["source_tokenizer"].get<std::string>(), HasSubstr("byte-level BPE with 8000 tokens"));
}

TEST_F(Inspect, TakesTheModelAsOtherCommandsDo) {
  EXPECT_EQ(json_of({"inspect", "--model", model()}), json_of({"inspect", model()}));
  EXPECT_EQ(json_of({"inspect", "-m", model_file()})["kind"], "language model, a decoder");
}

TEST_F(Inspect, SaysWhatIsWrong) {
  std::filesystem::create_directory(in_folder("empty"));
  expect_refusal({"inspect", in_folder("empty")}, "a folder without checkpoints");
  expect_refusal({"inspect", in_folder("missing")}, "missing");
  expect_refusal({"inspect", text()}, "text.txt");
  expect_refusal({"inspect"}, "--model");
}

}  // namespace
}  // namespace qkv
