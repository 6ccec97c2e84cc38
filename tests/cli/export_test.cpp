// qkv export: the file that it writes is opened by every command as the checkpoint is, whatever kind of model it holds.
#include "qkv/io/image_file.h"
#include "tests/cli/training_files.h"

namespace qkv {
namespace {

using testing::HasSubstr;
using nlohmann::json;

class Export : public WithModel {
 protected:
  static void SetUpTestSuite() {
    WithModel::SetUpTestSuite();
    std::string plain, labelled;
    while (plain.size() < 3000) plain += "the dog runs in the park and the cat sleeps in the house today .\n";
    for (int i = 0; i < 20; ++i)
      labelled += "pets\tthe dog and the cat number " + std::to_string(i % 7) + "\ngames\tthe team won " +
                  std::to_string(i % 5) + "\n";
    put_bytes(in_folder("plain.txt"), plain);
    put_bytes(in_folder("texts.tsv"), labelled);
    for (const std::string side : {"left", "right"}) {
      std::filesystem::create_directories(in_folder("pictures") / side);
      for (long i = 0; i < 20; ++i) write_png(picture(side, i), half_light(side == "left", i));
    }
    learn("masked", {"--text", in_folder("plain.txt"), "--masked", "--context", "16"});
    learn("texts", {"--labelled", in_folder("texts.tsv")});
    learn("pictures-model", {"--images", in_folder("pictures"), "--picture-size", "8"});
  }
  static std::filesystem::path picture(const std::string& side, long i) {
    return in_folder("pictures") / side / (std::to_string(i) + ".png");
  }

  /// The exported file of that name, as it is or in 8 bits.
  static std::string exported(const std::filesystem::path& model, const std::string& weights = "float32") {
    const std::string file = in_folder(model.filename().string() + "." + weights + ".safetensors");
    const finished done = qkv_program({"export", "--model", model, "--out", file, "--weights", weights});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_THAT(done.out, HasSubstr("weights in " + weights));
    return file;
  }

  /// What a command says of a model, but for the model's name and the time it took.
  static json said_of(const std::string& model, const std::string& command, std::vector<std::string> more) {
    more.insert(more.begin(), {command, "--model", model});
    json all = json_of(more);
    for (const char* own : {"model", "seconds"}) all.erase(own);
    return all;
  }
  static void expect_the_same(const std::filesystem::path& model, const std::string& command,
                              const std::vector<std::string>& more) {
    SCOPED_TRACE(command);
    EXPECT_EQ(said_of(exported(model), command, more), said_of(model, command, more));
  }

 private:
  static tensor half_light(bool left, long shade) {
    tensor image({8, 8, 1});
    for (long y = 0; y < 8; ++y)
      for (long x = 0; x < 8; ++x) image.at<float>(y, x, 0) = (x < 4) == left ? 1 - 0.02f * float(shade) : 0;
    return image;
  }
  static void learn(const std::string& out, std::vector<std::string> data) {
    data.insert(data.begin(), "train");
    for (const std::string more : {"--layers", "2", "--heads", "2", "--width", "16", "--batch", "4", "--steps", "20"})
      data.push_back(more);
    data.insert(data.end(), {"-q", "--out", in_folder(out)});
    const finished done = qkv_program(data);
    ASSERT_EQ(done.code, 0) << done.err;
  }
};

TEST_F(Export, ALanguageModelWritesJudgesAndLooksAsBefore) {
  expect_the_same(model(), "generate", {"--tokens", "30", "--prompt", "Shall"});
  expect_the_same(model(), "complete", {"Shall I"});
  expect_the_same(model(), "evaluate", {"--text", text()});
  expect_the_same(model(), "attend", {"--text", "Shall I"});
}

TEST_F(Export, AMaskedLanguageModelFillsHolesAsBefore) {
  expect_the_same(in_folder("masked"), "complete", {"the [MASK] runs in the park"});
  expect_the_same(in_folder("masked"), "evaluate", {"--text", in_folder("plain.txt")});
  expect_the_same(in_folder("masked"), "attend", {"--text", "the [MASK] runs in the park"});
}

TEST_F(Export, AClassifierOfTextsAnswersAsBefore) {
  expect_the_same(in_folder("texts"), "classify", {"a cat and a dog"});
  expect_the_same(in_folder("texts"), "evaluate", {"--labelled", in_folder("texts.tsv")});
  expect_the_same(in_folder("texts"), "attend", {"--text", "a cat and a dog"});
}

TEST_F(Export, AClassifierOfPicturesSeesAsBefore) {
  const auto model = in_folder("pictures-model");
  expect_the_same(model, "classify", {"--image", picture("left", 3)});
  expect_the_same(model, "evaluate", {"--images", in_folder("pictures")});
  expect_the_same(model, "attend", {"--image", picture("right", 3)});
}

TEST_F(Export, LeavesOutWhatOnlyTrainingNeeds) {
  for (const auto& model : {model_file(), in_folder("masked"), in_folder("texts"), in_folder("pictures-model")}) {
    const auto before = json_of({"inspect", "--model", model});
    const auto after = json_of({"inspect", "--model", exported(model)});
    for (const char* same : {"kind", "config", "step", "parameters", "tokens", "classes", "training"})
      EXPECT_EQ(before.value(same, json()), after.value(same, json())) << same;
    EXPECT_EQ(before["modules"].back()["name"], "optimiser");
    EXPECT_NE(after["modules"].back()["name"], "optimiser");
    EXPECT_LT(after["bytes"].get<double>(), before["bytes"].get<double>());
  }
}

TEST_F(Export, MatricesInEightBitsAnswerNearly) {
  const auto share = [](const std::string& model) {
    return json_of({"classify", "--model", model, "a cat and a dog"})["probabilities"][0]["probability"].get<double>();
  };
  EXPECT_NEAR(share(exported(in_folder("texts"), "int8")), share(in_folder("texts")), 0.02);
  const auto likeliest = [](const std::string& model) {
    const auto all = json_of({"complete", "--model", model, "the [MASK] runs", "--top", "1"});
    return all["holes"][0]["next"][0]["probability"].get<double>();
  };
  EXPECT_NEAR(likeliest(exported(in_folder("masked"), "int8")), likeliest(in_folder("masked")), 0.02);
  EXPECT_LT(std::filesystem::file_size(exported(in_folder("texts"), "int8")),
            std::filesystem::file_size(exported(in_folder("texts"))));
}

TEST_F(Export, TellsProgramsWhatItWrote) {
  const auto file = in_folder("told.safetensors");
  const json told = json_of({"export", "--model", model(), "--out", file, "--weights", "int8"});
  EXPECT_EQ(told["out"], file.string());
  EXPECT_EQ(told["bytes"], std::filesystem::file_size(file));
  EXPECT_EQ(told["weights"], "int8");
}

TEST_F(Export, SaysWhatIsWrong) {
  const auto out = in_folder("out.safetensors");
  expect_refusal({"export", "--model", in_folder("missing"), "--out", out}, "missing");
  expect_refusal({"export", "--model", text(), "--out", out}, "text.txt");
  expect_refusal({"export", "--model", model(), "--out", in_folder("no/folder/x")}, "no/folder/x");
  expect_refusal({"export", "--model", model(), "--out", out, "--weights", "int4"}, "--weights");
  expect_refusal({"train", "--labelled", in_folder("texts.tsv"), "--out", exported(in_folder("texts")), "--resume"},
                 "texts.float32.safetensors");
  EXPECT_FALSE(std::filesystem::exists(out));
}

}  // namespace
}  // namespace qkv
