#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "qkv/base/memory.h"
#include "qkv/base/random.h"
#include "qkv/base/threads.h"
#include "qkv/io/safetensors.h"
#include "qkv/ops/cross_entropy.h"
#include "qkv/train/checkpoint.h"
#include "qkv/train/language_modelling.h"
#include "qkv/train/schedule.h"
#include "qkv/train/trainer.h"
#include "tests/base/message_of.h"
#include "tests/base/with_threads.h"
#include "tests/io/temporary_folder.h"
#include "tests/train/training_data.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

class Training : public ::testing::Test {
 protected:
  temporary_folder folder_;
  const with_threads as_before_;
};

TEST_F(Training, LearnsToCopy) {
  // Sequences of 16 tokens whose second half repeats the first; only the second half counts.
  decoder model(tiny_config(), 1);
  optimiser steps(nn::parameters_of(model));
  const auto options = quick_options(600);
  double loss = 0;
  for (long s = 0; s < options.steps; ++s) {
    const tensor tokens({16, 15}, dtype::int32), targets({16, 15}, dtype::int32);
    for (long b = 0; b < 16; ++b) {
      const auto symbol = [&](long i) {
        return std::int32_t(random_stream{5, std::uint64_t(s)}.below(std::uint64_t(b * 8 + i % 8), 8));
      };
      for (long i = 0; i < 15; ++i) {
        tokens.at<std::int32_t>(b, i) = symbol(i);
        targets.at<std::int32_t>(b, i) = i + 1 < 8 ? std::int32_t(ignored_target) : symbol(i + 1);
      }
    }
    const variable value = model.loss(tokens, targets, {.training = true});
    backward(value);
    steps.step(s + 1, learning_rate_at(s, options), options);
    loss = value.value().item();
  }
  EXPECT_LT(loss, 0.05);
}

TEST_F(Training, LearnsARuleAndReportsIt) {
  const auto text = text_with_a_rule(6000);
  decoder model(tiny_config(), 1);
  auto options = quick_options(200);
  options.validate_every = 50;
  options.sample_every = 100;
  const language_modelling task(model, text, options);
  trainer run(task, options);
  std::vector<training_progress> reports;
  long samples = 0, checkpoints = 0;
  run.on_progress = [&](const training_progress& p) { reports.push_back(p); };
  run.on_sample = [&](const training_progress&) { ++samples; };
  run.on_checkpoint = [&](const training_progress&) { ++checkpoints; };
  const auto last = run.train();
  EXPECT_EQ(last.step, 200);
  EXPECT_TRUE(last.finished);
  EXPECT_LT(last.validation_loss, 0.7);
  EXPECT_EQ(reports.size(), 20u);
  EXPECT_EQ(samples, 1);
  EXPECT_EQ(checkpoints, 1);
  EXPECT_TRUE(std::isnan(reports[0].validation_loss));
  EXPECT_THAT(to_json_line(last), HasSubstr("\"step\":200"));
  EXPECT_THAT(to_json_line(last), HasSubstr("validation_loss"));
}

TEST_F(Training, SaysAtEveryCheckpointWhichStepItIs) {
  const auto text = text_with_a_rule(2000);
  const decoder model(tiny_config(), 1);
  auto options = quick_options(9);
  options.checkpoint_every = 2;  // not a multiple of report_every
  const language_modelling task(model, text, options);
  trainer run(task, options);
  std::vector<long> steps;
  run.on_checkpoint = [&](const training_progress& p) { steps.push_back(p.step); };
  run.train();
  EXPECT_THAT(steps, ::testing::ElementsAre(2, 4, 6, 8, 9));
}

TEST_F(Training, GivesTheSameBitsForAnyNumberOfThreads) {
  const auto text = text_with_a_rule(2000);
  auto config = tiny_config();
  config.dropout = 0.1;
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    decoder model(config, 1);
    const language_modelling task(model, text, quick_options(5));
    trainer run(task, quick_options(5));
    for (int i = 0; i < 5; ++i) run.step();
    if (threads == 1) first = numbers_of(model);
    EXPECT_EQ(numbers_of(model), first) << threads << " threads";
  }
}

TEST_F(Training, ResumesWithTheBitsOfAnUninterruptedRun) {
  const auto text = text_with_a_rule(2000);
  auto config = tiny_config();
  config.dropout = 0.1;
  const auto options = quick_options(20);
  decoder whole(config, 1);
  const language_modelling of_whole(whole, text, options);
  trainer(of_whole, options).train();

  decoder half(config, 1);
  const language_modelling of_half(half, text, options);
  trainer first(of_half, options);
  for (int i = 0; i < 9; ++i) first.step();
  const auto path = folder_ / "half.safetensors";
  save_checkpoint(path, half, {.vocabulary = "abc", .step = first.steps_done(), .training = options}, first.state());

  auto loaded = load_checkpoint(path);
  EXPECT_EQ(loaded.facts.step, 9);
  EXPECT_EQ(loaded.facts.vocabulary, "abc");
  EXPECT_EQ(loaded.facts.training, options);
  const language_modelling of_loaded(loaded.model, text, loaded.facts.training);
  trainer second(of_loaded, loaded.facts.training);
  second.resume(loaded.facts.step, loaded.training_state);
  second.train();
  EXPECT_EQ(numbers_of(loaded.model), numbers_of(whole));
}

TEST_F(Training, StopsWhenAsked) {
  const auto text = text_with_a_rule(2000);
  decoder model(tiny_config(), 1);
  const language_modelling task(model, text, quick_options(1000));
  trainer run(task, quick_options(1000));
  std::atomic<bool> stop = false;
  bool saved = false;
  run.on_progress = [&](const training_progress& p) { stop = p.step >= 10; };
  run.on_checkpoint = [&](const training_progress&) { saved = true; };
  const auto last = run.train(&stop);
  EXPECT_EQ(last.step, 10);
  EXPECT_TRUE(saved);
}

TEST_F(Training, KeepsToItsTime) {
  const auto text = text_with_a_rule(2000);
  decoder model(tiny_config(), 1);
  auto options = quick_options(1000000);
  options.seconds = 1;  // some hundred steps, or still some on a machine that is busy with other things
  options.warm_up = 1;
  const language_modelling task(model, text, options);
  const auto last = trainer(task, options).train();
  EXPECT_GT(last.step, 1);
  EXPECT_LT(last.step, 1000000);
  EXPECT_LT(last.learning_rate, 0.3 * options.learning_rate) << "the schedule follows time";
}

TEST_F(Training, TakesNoMemoryFromTheSystemAfterTheFirstSteps) {
  const auto text = text_with_a_rule(2000);
  decoder model(tiny_config(), 1);
  const language_modelling task(model, text, quick_options(20));
  trainer run(task, quick_options(20));
  for (int i = 0; i < 3; ++i) run.step();
  const auto before = memory_in_use();
  for (int i = 0; i < 10; ++i) run.step();
  EXPECT_EQ(memory_in_use().allocations, before.allocations);
  EXPECT_EQ(memory_in_use().in_use, before.in_use);
}

TEST_F(Training, RefusesATextThatIsTooShort) {
  decoder model(tiny_config(), 1);
  const auto text = text_with_a_rule(100);
  EXPECT_THROW(language_modelling(model, text, quick_options(1)), shape_error);
}

TEST_F(Training, RefusesOptionsThatMakeNoSense) {
  auto options = quick_options(1);
  options.learning_rate = -1;
  EXPECT_THROW(check(options), shape_error);
  options = quick_options(0);
  EXPECT_THROW(check(options), shape_error);
  EXPECT_EQ(training_options_from_json(to_json(quick_options(7))), quick_options(7));
}

TEST(Schedule, WarmsUpAndEndsAtATenth) {
  training_options options;
  EXPECT_DOUBLE_EQ(learning_rate_at(0, options), 1e-5);
  EXPECT_DOUBLE_EQ(learning_rate_at(99, options), 1e-3);
  EXPECT_DOUBLE_EQ(learning_rate_at(100, options), 1e-3);
  EXPECT_NEAR(learning_rate_at(1050, options), 0.55e-3, 1e-9);
  EXPECT_NEAR(learning_rate_at(2000, options), 1e-4, 1e-12);
  EXPECT_NEAR(learning_rate_at(100, options, 1), 1e-4, 1e-12);
}

TEST(DataOrder, IsAFunctionOfSeedStepAndIndex) {
  std::vector<std::int32_t> text(1000);
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = std::int32_t(i);
  const auto a = random_batch(text, 4, 10, {1, 2}, 7), b = random_batch(text, 4, 10, {1, 2}, 7);
  const auto c = random_batch(text, 4, 10, {1, 2}, 8);
  EXPECT_TRUE(std::ranges::equal(a.tokens.values<std::int32_t>(), b.tokens.values<std::int32_t>()));
  EXPECT_FALSE(std::ranges::equal(a.tokens.values<std::int32_t>(), c.tokens.values<std::int32_t>()));
  EXPECT_EQ(a.targets.at<std::int32_t>(3, 4), a.tokens.at<std::int32_t>(3, 4) + 1);
  EXPECT_THROW(random_batch(std::span(text).first(10), 1, 10, {1, 2}, 0), shape_error);
}

// What can be wrong with a checkpoint.

TEST_F(Training, RefusesACheckpointThatIsCutShort) {
  const decoder model(tiny_config(), 1);
  const auto path = folder_ / "model.safetensors";
  save_checkpoint(path, model, {});
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }), HasSubstr("model.safetensors: expected"));
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(folder_ / "none"); }), HasSubstr("none: expected"));
}

TEST_F(Training, RefusesACheckpointOfAnotherModel) {
  const auto path = folder_ / "other.safetensors";
  write_safetensors(path, {{{"x", tensor({2})}}, {{"format", "pt"}}});
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }),
              HasSubstr("expected a checkpoint of qkv decoder 1; found \"pt\""));
  write_safetensors(path, {{{"x", tensor({2})}}, {}});
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }), HasSubstr("no format in its metadata"));
}

TEST_F(Training, RefusesWeightsThatTheirConfigurationDoesNotDescribe) {
  const auto path = folder_ / "changed.safetensors";
  save_checkpoint(path, decoder(tiny_config(), 1), {});
  auto file = read_safetensors(path);
  auto config = tiny_config();
  config.vocabulary = 9;
  file.metadata["config"] = to_json(config);
  write_safetensors(path, file);
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }), HasSubstr("tokens.weight of shape [9, 32]"));
  config = tiny_config();
  config.hidden = 1 << 30;  // must be refused before memory is taken
  file.metadata["config"] = to_json(config);
  write_safetensors(path, file);
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }), HasSubstr("up.weight of shape [1073741824, 32]"));
  file.metadata["config"] = "{\"width\": -3}";
  write_safetensors(path, file);
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }), HasSubstr("changed.safetensors: "));
}

TEST_F(Training, RefusesWeightsThatItsModelHasNoUseFor) {
  const auto path = folder_ / "more.safetensors";
  save_checkpoint(path, decoder(tiny_config(), 1), {});
  auto file = read_safetensors(path);
  file.tensors.emplace_back("blocks.9.stray", tensor({2}));
  write_safetensors(path, file);
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }),
              HasSubstr("expected only weights that its configuration uses; found blocks.9.stray"));
  file.tensors.back() = {"optimiser.first.stray", tensor({2}, dtype::int32)};
  write_safetensors(path, file);
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }),
              HasSubstr("expected optimiser.first.stray in real numbers; found whole ones"));
  file.tensors.pop_back();
  file.tensors.back().second = file.tensors.back().second.to(dtype::int32);
  write_safetensors(path, file);
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }), HasSubstr("in real numbers; found whole ones"));
}

TEST_F(Training, StoresMatricesInEightBitsWhenAsked) {
  const auto path = folder_ / "narrow.safetensors";
  const decoder model(tiny_config(), 1);
  save_checkpoint(path, model, {.vocabulary = "x"}, {}, weight_storage::int8);
  const auto loaded = load_checkpoint(path);
  const auto before = nn::parameters_of(model), after = nn::parameters_of(loaded.model);
  for (std::size_t n = 0; n < before.size(); ++n) {
    const auto a = before[n].value.value().values<float>(), b = after[n].value.value().values<float>();
    float greatest = 0;
    for (const float x : a) greatest = std::max(greatest, std::abs(x));
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], greatest / 250) << before[n].name;
  }
  auto file = read_safetensors(path);
  std::erase_if(file.tensors, [](const auto& t) { return t.first == "tokens.weight.scale"; });
  write_safetensors(path, file);
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }), HasSubstr("a scale for each row of tokens.weight"));
}

TEST_F(Training, RefusesWeightsThatAreNotFinite) {
  const auto path = folder_ / "spoilt.safetensors";
  const decoder model(tiny_config(), 1);
  for (const weight_storage storage : {weight_storage::float32, weight_storage::int8}) {
    save_checkpoint(path, model, {}, {}, storage);
    const auto file = read_safetensors(path);
    file["blocks.1.norm1.weight"].at<float>(3) = INFINITY;
    write_safetensors(path, file);
    EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }),
                HasSubstr("spoilt.safetensors: expected finite numbers as blocks.1.norm1.weight; found 1 of 32 that "
                          "are NaN or infinite; take another checkpoint, or train again"));
  }
  save_checkpoint(path, model, {}, {}, weight_storage::int8);
  const auto file = read_safetensors(path);
  for (float& scale : file["tokens.weight.scale"].values<float>()) scale = NAN;
  write_safetensors(path, file);
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }),
              HasSubstr("finite numbers as tokens.weight.scale; found 8 of 8 that are"));
  for (float& scale : file["tokens.weight.scale"].values<float>()) scale = 3e38f;
  write_safetensors(path, file);
  EXPECT_THAT(message_of<file_error>([&] { load_checkpoint(path); }),
              HasSubstr("finite numbers as tokens.weight; found"));
}

TEST_F(Training, RefusesMomentsThatAreNotFinite) {
  const decoder model(tiny_config(), 1);
  auto options = quick_options(10);
  options.average = 0.9;
  const auto text = text_with_a_rule(2000);
  const language_modelling task(model, text, options);
  trainer run(task, options);
  for (const std::string name : {"optimiser.first.tokens.weight", "optimiser.average.tokens.weight"}) {
    const auto state = run.state();
    for (const auto& [of, numbers] : state)
      if (of == name) numbers.at<float>(2, 5) = NAN;
    trainer again(task, options);
    EXPECT_THAT(message_of<file_error>([&] { again.resume(1, state); }),
                HasSubstr("training state: expected finite numbers as " + name + "; found 1 of 256 that are NaN or "
                          "infinite"));
    for (const auto& [of, numbers] : state)
      if (of == name) numbers.at<float>(2, 5) = 0;
  }
}

TEST_F(Training, RefusesMomentsOfAnotherModel) {
  const decoder model(tiny_config(), 1);
  optimiser one(nn::parameters_of(model));
  auto state = one.state();
  state.emplace_back("optimiser.first.stray", tensor({2}));
  EXPECT_THAT(message_of<file_error>([&] { one.load_state(state); }), HasSubstr("weights; found"));
}

TEST_F(Training, LeavesTheOldCheckpointWhereTheNewOneCannotBeWritten) {
  const decoder model(tiny_config(), 1);
  EXPECT_THAT(message_of<file_error>([&] { save_checkpoint(folder_ / "no" / "folder" / "m", model, {}); }),
              HasSubstr("expected"));
}

}  // namespace
}  // namespace qkv
