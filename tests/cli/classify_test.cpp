// qkv train --images and --sounds, and qkv classify: what is learned from a folder is known again.
#include "qkv/io/image_file.h"
#include "qkv/io/sound_file.h"
#include "tests/cli/program.h"
#include "tests/tokens/sounds.h"

namespace qkv {
namespace {

using testing::HasSubstr;

/// A square of 8 x 8 pixels, light on one side.
tensor half_light(const std::string& which, long shade) {
  tensor image({8, 8, 1});
  for (long y = 0; y < 8; ++y)
    for (long x = 0; x < 8; ++x)
      image.at<float>(y, x, 0) = (which == "left" ? x < 4 : x >= 4) ? 1 - 0.02f * float(shade) : 0.01f * float(shade);
  return image;
}

sound glide(const std::string& which, long place) {
  const double low = 300 + 10 * double(place), high = 2000 + 10 * double(place);
  return which == "left" ? sweep(2400, 8000, high, low) : sweep(2400, 8000, low, high);
}

std::vector<std::string> small(const std::vector<std::string>& data, const std::filesystem::path& out) {
  std::vector<std::string> all{"train", "--out", out, "--layers", "2", "--width", "16", "--batch", "16"};
  all.insert(all.end(), data.begin(), data.end());
  return all;
}

class Classify : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new temporary_folder;
    for (const std::string which : {"left", "right"}) {
      std::filesystem::create_directories(pictures() / which);
      std::filesystem::create_directories(sounds());
      for (long i = 0; i < 20; ++i) {
        write_png(pictures() / which / (std::to_string(i) + ".png"), half_light(which, i));
        write_sound(sounds() / (which + "_" + std::to_string(i) + ".wav"), glide(which, i));
      }
    }
    const finished seen = qkv_program(small(
        {"--images", pictures(), "--picture-size", "8", "--steps", "150", "--learning-rate", "0.005", "-q"}, eye()));
    ASSERT_EQ(seen.code, 0) << seen.err;
    const finished heard = qkv_program(small({"--sounds", sounds(), "--steps", "60", "-q"}, ear()));
    ASSERT_EQ(heard.code, 0) << heard.err;
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  static std::filesystem::path in_folder(const std::string& name) { return *folder_ / name; }
  static std::filesystem::path pictures() { return in_folder("pictures"); }
  static std::filesystem::path sounds() { return in_folder("sounds"); }
  static std::filesystem::path eye() { return in_folder("eye"); }
  static std::filesystem::path ear() { return in_folder("ear"); }

 private:
  static inline temporary_folder* folder_ = nullptr;
};

TEST_F(Classify, KnowsPicturesAndSoundsAgain) {
  for (const std::string which : {"left", "right"}) {
    write_png(in_folder("new.png"), half_light(which, 7));
    const auto seen = json_of({"classify", "--model", eye(), "--image", in_folder("new.png")});
    EXPECT_EQ(seen["class"], which);
    EXPECT_EQ(seen["probabilities"].size(), 2u);
    EXPECT_GT(seen["probabilities"][0]["probability"].get<double>(), 0.5);
    write_sound(in_folder("new.flac"), glide(which, 5));
    const finished heard = qkv_program({"classify", "-m", ear(), "-s", in_folder("new.flac")});
    EXPECT_EQ(heard.code, 0) << heard.err;
    EXPECT_THAT(heard.out, testing::StartsWith(which));
    EXPECT_EQ(qkv_program({"classify", "-m", ear(), "-s", in_folder("new.flac"), "-q"}).out, which + "\n");
  }
}

TEST_F(Classify, LearnsWithWhateverIsInThePlaceOfAttention) {
  for (const char* mixer : {"uniform", "mlp", "convolution", "fourier", "linear_attention", "gru"}) {
    SCOPED_TRACE(mixer);
    const finished done = qkv_program(small({"--images", pictures(), "--picture-size", "8", "--steps", "60", "--mixer",
                                             mixer, "--learning-rate", "0.005", "-q", "--replace"},
                                            in_folder("mixed")));
    ASSERT_EQ(done.code, 0) << done.err;
    EXPECT_GE(json_of({"evaluate", "--model", in_folder("mixed"), "--images", pictures()})["accuracy"], 0.9);
  }
  expect_refusal({"attend", "--model", in_folder("mixed"), "--image", pictures() / "left" / "0.png"},
                 "found one whose mixer is gru");
  // Attention without a token for the whole looks at the picture alone.
  ASSERT_EQ(qkv_program(small({"--images", pictures(), "--picture-size", "8", "--steps", "60", "--pooling", "mean",
                               "--learning-rate", "0.005", "-q", "--replace"},
                              in_folder("mixed")))
                .code,
            0);
  EXPECT_EQ(json_of({"inspect", in_folder("mixed")})["config"]["pooling"], "mean");
  EXPECT_GE(json_of({"evaluate", "--model", in_folder("mixed"), "--images", pictures()})["accuracy"], 0.9);
  const auto seen = json_of({"attend", "--model", in_folder("mixed"), "--image", pictures() / "left" / "0.png"});
  EXPECT_FALSE(seen.empty());
  // Of sounds, which are of different lengths.
  for (const char* mixer : {"mlp", "fourier"}) {
    const finished done = qkv_program(small({"--sounds", sounds(), "--steps", "60", "-q", "--replace", "--mixer", mixer},
                                            in_folder("mixed")));
    ASSERT_EQ(done.code, 0) << done.err;
    EXPECT_GE(json_of({"evaluate", "--model", in_folder("mixed"), "--sounds", sounds()})["accuracy"], 0.9);
  }
}

TEST_F(Classify, TrainingSaysHowManyAreRightAndIsResumed) {
  const auto result =
      json_of(small({"--images", pictures(), "--picture-size", "8", "--steps", "20"}, in_folder("told")));
  EXPECT_GE(result["accuracy"].get<double>(), 0.4);
  EXPECT_THAT(result["sample"].get<std::string>(), HasSubstr("% of 4 to validate on are right"));
  EXPECT_EQ(result["classes"], (std::vector<std::string>{"left", "right"}));
  const auto more = json_of({"train", "--images", pictures(), "--picture-size", "8", "--out", in_folder("told"),
                             "--resume", "--steps", "30"});
  EXPECT_EQ(more["step"], 30);
  expect_refusal({"train", "--sounds", sounds(), "--out", in_folder("told"), "--resume", "--steps", "40"},
                 "--picture-size 8; found no --picture-size");
}

TEST_F(Classify, ValidatesOnAPartThatIsNeitherLearnedNorTheTest) {
  const auto add = [](const std::filesystem::path& folder, const std::string& which) {
    std::filesystem::create_directories(folder / which);
    for (long i = 0; i < 3; ++i) write_png(folder / which / (std::to_string(i) + ".png"), half_light(which, i));
  };
  for (const std::string which : {"left", "right"}) add(in_folder("held"), which);
  for (const std::string which : {"left", "right", "up"}) add(in_folder("other"), which);
  const std::vector<std::string> given{"--images", pictures(), "--picture-size", "8", "--steps", "60"};
  auto apart = given, other = given;
  apart.insert(apart.end(), {"--validation-images", in_folder("held")});
  other.insert(other.end(), {"--validation-images", in_folder("other")});
  const auto result = json_of(small(apart, in_folder("apart")));
  EXPECT_THAT(result["sample"].get<std::string>(), HasSubstr("% of 6 to validate on are right"));
  EXPECT_GE(result["validation_accuracy"].get<double>(), 0.5);
  EXPECT_GE(result["accuracy"].get<double>(), 0.5);
  EXPECT_THAT(qkv_program(small(given, in_folder("both_told"))).out,
              testing::AllOf(HasSubstr("% of the test's 4 are right"), HasSubstr("% of 4 to validate on are right")));
  expect_refusal(small(other, in_folder("refused")), "expected the classes that are learned; found 1 new (up)");
  expect_refusal(small({"--sounds", sounds(), "--validation-images", in_folder("held")}, in_folder("refused")),
                 "--validation-images requires --images");
}

TEST_F(Classify, LearnsWhetherAPictureShowsWhatASoundSays) {
  const auto result = json_of(
      small({"--images", pictures(), "--picture-size", "8", "--sounds", sounds(), "--steps", "5"}, in_folder("both")));
  EXPECT_EQ(result["classes"], (std::vector<std::string>{"left", "right", "different", "same"}));
  write_png(in_folder("new.png"), half_light("left", 7));
  write_sound(in_folder("new.wav"), glide("left", 5));
  const auto answer =
      json_of({"classify", "-m", in_folder("both"), "-i", in_folder("new.png"), "-s", in_folder("new.wav")});
  EXPECT_EQ(answer["probabilities"].size(), 4u);
}

TEST_F(Classify, EvaluationAgreesWithTrainingAndCountsEveryExample) {
  const auto held_out = json_of({"evaluate", "--model", eye(), "--images", pictures()});
  EXPECT_EQ(held_out["examples"], 4);
  const auto all = json_of({"evaluate", "--model", eye(), "--images", pictures(), "--all"});
  EXPECT_EQ(all["examples"], 40);
  long counted = 0;
  for (const auto& row : all["confusion"])
    for (const auto& times : row) counted += times.get<long>();
  EXPECT_EQ(counted, 40);
  double right = 0;
  for (const auto& row : all["classes"]) right += row["recall"].get<double>() * row["examples"].get<double>();
  EXPECT_NEAR(all["accuracy"].get<double>(), right / 40, 1e-9);
  const finished shown = qkv_program({"evaluate", "--model", ear(), "--sounds", sounds()});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("mistaken most for"));
  expect_refusal({"evaluate", "--model", eye(), "--sounds", sounds()}, "expected --images");
  expect_refusal({"evaluate", "--model", eye()}, "expected --images FOLDER, --sounds FOLDER or --labelled FILE");
}

TEST_F(Classify, NamesOfClassesAreThoseOfTheModel) {
  std::filesystem::create_directories(in_folder("renamed"));
  for (const auto& [from, to] : {std::pair("left", "up"), {"right", "down"}})
    std::filesystem::copy(pictures() / from, in_folder("renamed") / to, std::filesystem::copy_options::recursive);
  expect_refusal({"evaluate", "--model", eye(), "--images", in_folder("renamed")},
                 "expected the classes that this model tells apart; found 2 new (down, up), 2 missing (left, right)");
  const auto own = json_of({"evaluate", "--model", eye(), "--images", pictures()});
  // In the order of the names: down has the pictures of the right.
  const auto named = json_of(
      {"evaluate", "--model", eye(), "--images", in_folder("renamed"), "--classes", "left,right"});
  EXPECT_NEAR(named["accuracy"].get<double>(), 1 - own["accuracy"].get<double>(), 1e-6);
  expect_refusal(small({"--images", pictures(), "--picture-size", "8", "--classes", "one,one"}, in_folder("never")),
                 "--classes: expected a name for each class; found one twice");
}

TEST_F(Classify, AttentionIsDrawnOverPicturesAndSounds) {
  const std::string picture = pictures() / "left" / "1.png", sound = sounds() / "left_1.wav";
  const auto seen = json_of({"attend", "--model", eye(), "--image", picture});
  ASSERT_EQ(seen["senses"].size(), 1u);
  EXPECT_EQ(seen["senses"][0]["rows"], 2);
  EXPECT_EQ(seen["senses"][0]["columns"], 2);
  EXPECT_EQ(seen["senses"][0]["heads"].size(), 8u);
  for (const auto& head : seen["senses"][0]["heads"]) {
    double sum = 0;
    for (const auto& w : head["weights"]) sum += w.get<double>();
    EXPECT_GT(sum, 0);
    EXPECT_LE(sum, 1 + 1e-5);  // the rest is on the class token
  }
  const finished drawn = qkv_program({"attend", "--model", eye(), "--image", picture, "--png", in_folder("looked.png"),
                                      "--svg", in_folder("looked.svg"), "--layer", "1"});
  EXPECT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_THAT(drawn.out, HasSubstr("what it looks at for that, mean of the heads of layer 1"));
  EXPECT_GT(read_image(in_folder("looked.png")).dim(0), 200);
  EXPECT_THAT(bytes_of_file(in_folder("looked.svg")), HasSubstr("layer 1 head 4"));
  const finished heard = qkv_program({"attend", "--model", ear(), "--sound", sound, "--png", in_folder("heard.png")});
  EXPECT_EQ(heard.code, 0) << heard.err;
  EXPECT_GT(read_image(in_folder("heard.png")).dim(1), 200);
  expect_refusal({"attend", "--model", eye()}, "expected --image or --sound");
  expect_refusal({"attend", "--model", eye(), "--text", "x"}, "which this classifier reads; found a text");
  expect_refusal({"attend", "--model", eye(), "--image", picture, "--layer", "9"}, "--layer: expected 1 to 2");
  expect_refusal({"attend", "--model", ear(), "--image", picture}, "found one that hears sounds");
}

TEST_F(Classify, SaysWhatIsWrong) {
  const std::string picture = pictures() / "left" / "1.png", sound = sounds() / "left_1.wav";
  expect_refusal({"classify", "-m", eye()}, "expected --image or --sound; found neither");
  expect_refusal({"classify", "-m", eye(), "-s", sound}, "expected a model that hears sounds");
  expect_refusal({"classify", "-m", ear(), "-i", picture}, "expected a model that reads pictures");
  expect_refusal({"classify", "-m", eye(), "-i", sound}, "expected a PNG or JPEG picture; found another format");
  expect_refusal({"classify", "-m", ear(), "-s", picture}, "expected a sound (WAV, FLAC); found another format");
  expect_refusal({"classify", "-m", in_folder("none"), "-i", picture}, "none");
  expect_refusal(small({"--images", sounds()}, in_folder("refused")),
                 "files of at least two classes (.png, .jpg, .jpeg)");
  expect_refusal(small({"--images", pictures(), "--text", picture}, in_folder("refused")), "found both");
  expect_refusal(small({"--images", pictures(), "--classes", "a,b,c"}, in_folder("refused")),
                 "expected 2 names; found 3");
  EXPECT_FALSE(std::filesystem::exists(in_folder("refused")));
  const std::string seen = "found a classifier of pictures, for qkv classify, evaluate and attend";
  expect_refusal({"translate", "-m", eye(), "ein Hund"}, "expected a translator; " + seen);
  expect_refusal({"generate", "-m", eye()}, "expected a language model; " + seen);
  expect_refusal({"complete", "-m", eye(), "a"}, "expected a language model; " + seen);
  expect_refusal({"tokenize", "-m", eye(), "a"}, "expected a model of texts, with its tokens; " + seen);
  expect_refusal({"tokenize", "-m", ear(), "a"}, "found a classifier of sounds, for qkv classify, evaluate and attend");
  expect_refusal({"classify", "-m", QKV_SOURCE_DIR "/models/shakespeare.safetensors", "-i", picture},
                 "expected a classifier; found a language model, for qkv generate, complete, evaluate and attend");
}

}  // namespace
}  // namespace qkv
