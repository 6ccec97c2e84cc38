#include "qkv/train/classification.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>

#include "qkv/base/threads.h"
#include "qkv/io/safetensors.h"
#include "qkv/train/classifier.h"
#include "qkv/train/trainer.h"
#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"
#include "tests/tokens/sounds.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

constexpr picture_reading small_pictures{.height = 8, .width = 8, .side = 4};

/// Pictures of noise: there is no rule, each has to be remembered.
labelled_pictures noise(long count, const picture_changes& changes = {}) {
  byte_array bytes{{count, 8, 8}, {}};
  std::vector<std::int32_t> targets;
  for (std::uint64_t i = 0; i < std::uint64_t(count) * 64; ++i)
    bytes.values.push_back(std::uint8_t(random_stream{1, 2}.below(i, 256)));
  for (long i = 0; i < count; ++i) targets.push_back(std::int32_t(random_stream{1, 3}.below(std::uint64_t(i), 4)));
  return {std::move(bytes), std::move(targets), small_pictures, changes};
}

/// Tones that rise and tones that fall.
labelled_sounds tones(long count, const sound_changes& changes = {}) {
  std::vector<sound> sounds;
  std::vector<std::int32_t> targets;
  for (long i = 0; i < count; ++i) {
    const double low = 300 + 10 * double(i % 17), high = 1500 + 20 * double(i % 13);
    targets.push_back(std::int32_t(i % 2));
    sounds.push_back(i % 2 ? sweep(2400, 8000, low, high) : sweep(2400, 8000, high, low));
  }
  return {std::move(sounds), std::move(targets), {.seconds = 0.3}, changes};
}

encoder_config small_config() {
  return {.patch_width = 16, .classes = 4, .context = 5, .layers = 2, .heads = 2, .width = 32};
}

training_options quick_options(long steps) {
  training_options options;
  options.steps = steps;
  options.warm_up = 10;
  options.batch = 16;
  options.learning_rate = 3e-3;
  options.interim_batches = options.final_batches = 0;
  return options;
}

std::vector<float> numbers_of(const encoder_classifier& model) {
  std::vector<float> all;
  model.visit("", [&](const std::string&, const variable& v) {
    all.insert(all.end(), v.value().values<float>().begin(), v.value().values<float>().end());
  });
  return all;
}

TEST(Classification, Remembers64PicturesOfNoise) {
  const auto examples = noise(64);
  const encoder_classifier model(small_config(), 1);
  const auto options = quick_options(300);
  const classification_task task(model, examples, examples, options);
  const auto before = tested(model, examples);
  EXPECT_NEAR(before.loss, std::log(4.0), 0.3);
  const auto last = trainer(task, options).train();
  const auto after = tested(model, examples);
  EXPECT_EQ(after.accuracy, 1);
  EXPECT_LT(after.loss, 0.1);
  EXPECT_NEAR(last.validation_loss, after.loss, 1e-6);
  EXPECT_NEAR(last.epochs, 75, 1e-9);
  long counted = 0;
  for (const std::int32_t n : after.confusion.values<std::int32_t>()) counted += n;
  EXPECT_EQ(counted, 64);
}

TEST(Classification, HearsWhichWayATonesPitchGoes) {
  const auto learn = tones(128, {.speed = 0.1, .delay = 0.02, .bands = 4, .frames = 2}), test = tones(40);
  const sound_reading how{.seconds = 0.3};
  const encoder_classifier model(
      {.frame_width = how.frame_width(), .classes = 2, .context = how.tokens() + 1, .layers = 2, .width = 32}, 1);
  const auto options = quick_options(80);
  const classification_task task(model, learn, test, options);
  trainer(task, options).train();
  EXPECT_EQ(tested(model, test).accuracy, 1);
}

TEST(Classification, GivesTheSameBitsForAnyNumberOfThreadsAndResumed) {
  const auto examples = noise(40, {.margin = 1, .flip = true});
  auto config = small_config();
  config.dropout = 0.1;
  const int before = thread_count();
  const auto options = quick_options(8);
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const encoder_classifier model(config, 1);
    const classification_task task(model, examples, examples, options);
    trainer run(task, options);
    for (int i = 0; i < 8; ++i) run.step();
    if (threads == 1) first = numbers_of(model);
    EXPECT_EQ(numbers_of(model), first) << threads << " threads";
  }
  set_thread_count(before);

  temporary_folder folder;
  const encoder_classifier half(config, 1);
  const classification_task task(half, examples, examples, options);
  trainer run(task, options);
  for (int i = 0; i < 3; ++i) run.step();
  const classifier_senses senses{.classes = {"a", "b", "c", "d"}, .picture = small_pictures};
  save_classifier(folder / "half", half, senses, {.step = 3, .training = options}, run.state());
  const auto loaded = load_classifier(folder / "half");
  EXPECT_EQ(loaded.senses.classes, senses.classes);
  EXPECT_EQ(loaded.senses.picture, senses.picture);
  EXPECT_EQ(loaded.senses.sound, senses.sound);
  EXPECT_EQ(loaded.facts.training, options);
  const classification_task rest(loaded.model, examples, examples, options);
  trainer second(rest, options);
  second.resume(loaded.facts.step, loaded.training_state);
  for (int i = 0; i < 5; ++i) second.step();
  EXPECT_EQ(numbers_of(loaded.model), first);
}

TEST(Classification, SeesEveryExampleOnceAnEpoch) {
  // 10 examples in batches of 5: whatever the order, the target counts of two batches are those of all.
  const auto examples = noise(10);
  auto options = quick_options(1);
  options.batch = 10;
  const encoder_classifier model(small_config(), 1);
  const classification_task task(model, examples, examples, options);
  const double whole = task.validation_loss(0);
  for (const long number : {0L, 1L, 7L}) EXPECT_NEAR(task.loss(number, {}).mean.value().item(), whole, 1e-5);
  EXPECT_EQ(task.loss(0, {}).targets, 10);
}

TEST(LabelledExamples, ChangeAsAFunctionOfTheirNumbers) {
  const auto examples = noise(4, {.margin = 1, .flip = true});
  const auto numbers = [&](long index, std::uint64_t draw) {
    const encoder_example changed = examples.changed(index, {7, 8}, draw);
    const auto values = changed.patches.values<float>();
    return std::vector<float>(values.begin(), values.end());
  };
  EXPECT_EQ(numbers(1, 5), numbers(1, 5));
  EXPECT_TRUE(numbers(1, 5) != numbers(1, 6) || numbers(1, 5) != numbers(1, 7));
  EXPECT_THROW(labelled_pictures({{2, 8, 8}, std::vector<std::uint8_t>(128)}, {1}, small_pictures), shape_error);
}

TEST(MatchingPairs, AskAboutPicturesSoundsAndBoth) {
  std::vector<std::int32_t> targets;
  for (int i = 0; i < 20; ++i) targets.push_back(i % 2);
  byte_array bytes{{20, 8, 8}, std::vector<std::uint8_t>(20 * 64)};
  for (std::size_t i = 0; i < bytes.values.size(); ++i) bytes.values[i] = std::uint8_t(i / 64 % 2 * 255);
  const labelled_pictures pictures(std::move(bytes), targets, small_pictures);
  const auto sounds = tones(10);
  const matching_pairs all(pictures, sounds, matching_pairs::all, 40, {1, 2});
  EXPECT_EQ(all.classes(), 4);
  for (long i = 0; i < 40; ++i) {
    const auto e = all.changed(i, {3, 4}, std::uint64_t(i));
    EXPECT_EQ(e.patches.empty(), i % 4 == 1);
    EXPECT_EQ(e.frames.empty(), i % 4 == 0);
    if (i % 4 >= 2)
      EXPECT_EQ(all.target(i), i % 4) << "2: different, 3: same";
    else
      EXPECT_LT(all.target(i), 2);
  }
  // Pictures of class 1 are white; class 1 of the tones rises.
  const matching_pairs pairs(pictures, sounds, matching_pairs::pairs_only, 20, {1, 2});
  for (long i = 0; i < 20; ++i) {
    const auto e = pairs.example(i);
    const long seen = e.patches.at<float>(0, 0) > 0;
    long heard = -1;
    for (long s = 0; s < 10; ++s)
      if (std::ranges::equal(sounds.example(s).frames.values<float>(), e.frames.values<float>())) heard = s % 2;
    EXPECT_EQ(pairs.target(i), 2 + (seen == heard));
  }
}

// What can be wrong with a file.

class ClassifierFile : public ::testing::Test {
 protected:
  void SetUp() override { save_classifier(path_, encoder_classifier(small_config(), 1), senses_, {}); }
  std::string complaint(const std::function<void(tensor_file&)>& change) {
    tensor_file file = read_safetensors(path_);
    change(file);
    write_safetensors(folder_ / "changed", file);
    return message_of<file_error>([&] { load_classifier(folder_ / "changed"); });
  }
  temporary_folder folder_;
  std::filesystem::path path_ = folder_ / "model.safetensors";
  classifier_senses senses_{.classes = {"a", "b", "c", "d"}, .picture = small_pictures};
};

TEST_F(ClassifierFile, SaysWhatIsWrong) {
  EXPECT_THAT(complaint([](auto& f) { f.metadata["format"] = "pt"; }),
              HasSubstr("a checkpoint of qkv classifier 1; found \"pt\""));
  EXPECT_THAT(complaint([](auto& f) { f.metadata["classes"] = "[\"a\"]"; }),
              HasSubstr("expected 4 names of classes; found 1"));
  EXPECT_THAT(complaint([](auto& f) { f.metadata["classes"] = "7"; }),
              HasSubstr("a list of names as classes; found 7"));
  EXPECT_THAT(complaint([](auto& f) { f.metadata["picture"] = ""; }), HasSubstr("patches of 16 numbers; found 0"));
  EXPECT_THAT(complaint([](auto& f) { f.metadata["picture"] = "{\"side\": 3}"; }),
              HasSubstr("changed: picture reading"));
  EXPECT_THAT(complaint([](auto& f) { f.tensors.pop_back(); }), HasSubstr("found none"));
  EXPECT_THAT(complaint([](auto& f) { f.tensors.emplace_back("stray", tensor({2})); }),
              HasSubstr("only weights that its configuration uses; found stray"));
  auto config = small_config();
  config.hidden = 1 << 23;  // must be refused before memory is taken
  EXPECT_THAT(complaint([&](auto& f) { f.metadata["config"] = to_json(config); }), HasSubstr("down.weight of shape"));
  config = small_config();
  config.positions = nn::position_kind::sinusoidal;
  config.context = 1 << 23;
  EXPECT_THAT(complaint([&](auto& f) { f.metadata["config"] = to_json(config); }), HasSubstr("at most 2^24"));
  EXPECT_THAT(message_of<file_error>([&] { load_classifier(folder_ / "none"); }), HasSubstr("none: expected"));
}

TEST_F(ClassifierFile, RefusesAFileThatIsCutShort) {
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
  EXPECT_THAT(message_of<file_error>([&] { load_classifier(path_); }), HasSubstr("model.safetensors: expected"));
}

TEST_F(ClassifierFile, RefusesFactsThatDoNotFit) {
  senses_.classes.pop_back();
  EXPECT_THAT(
      message_of<shape_error>([&] { save_classifier(path_, encoder_classifier(small_config(), 1), senses_, {}); }),
      HasSubstr("expected 4 names of classes; found 3"));
}

}  // namespace
}  // namespace qkv
