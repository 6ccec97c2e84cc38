// A run that is stopped between the batches of a step leaves that step out, and loses nothing by it.
#include <filesystem>

#include "qkv/train/checkpoint.h"
#include "qkv/train/language_modelling.h"
#include "qkv/train/trainer.h"
#include "tests/io/temporary_folder.h"
#include "tests/train/training_data.h"

namespace qkv {
namespace {

/// Asks for a stop while it is at one of its batches.
class stopping_task : public language_modelling {
 public:
  stopping_task(const decoder& model, std::span<const std::int32_t> text, const training_options& options, long at)
      : language_modelling(model, text, options), at_(at) {}
  batch_loss loss(long number, const nn::forward_mode& mode) const override {
    stop = stop || number == at_;
    return language_modelling::loss(number, mode);
  }

  mutable std::atomic<bool> stop = false;

 private:
  long at_;
};

class Stop : public ::testing::Test {
 protected:
  static decoder_config config() {
    auto config = tiny_config();
    config.dropout = 0.1;
    return config;
  }
  /// Four batches a step, the weights averaged.
  static training_options options() {
    auto options = quick_options(6);
    options.accumulate = 4;
    options.average = 0.9;
    options.checkpoint_every = 2;
    return options;
  }
  /// Weights and what else a run ends with.
  static std::vector<float> all_of(const decoder& model, const trainer& run) {
    auto all = numbers_of(model);
    for (const auto& [name, numbers] : run.state())
      for (const float x : numbers.to(dtype::float32).values<float>()) all.push_back(x);
    return all;
  }
  std::vector<float> uninterrupted() const {
    const decoder model(config(), 1);
    const language_modelling task(model, text_, options());
    trainer run(task, options());
    run.train();
    return all_of(model, run);
  }
  /// Of a run that is stopped at a batch and resumed from the file that it saved.
  std::vector<float> stopped_and_resumed(long at, long expected_step, long expected_dropped) const {
    const auto path = folder_ / "stopped.safetensors";
    const decoder model(config(), 1);
    const stopping_task task(model, text_, options(), at);
    trainer run(task, options());
    run.on_checkpoint = [&](const training_progress& p) {
      save_checkpoint(path, model, {.vocabulary = "", .step = p.step, .training = options()}, run.state());
    };
    const auto last = run.train(&task.stop);
    EXPECT_EQ(last.step, expected_step);
    EXPECT_EQ(run.steps_done(), expected_step);
    EXPECT_EQ(last.dropped_batches, expected_dropped);
    for (const auto& p : task.parameters()) EXPECT_TRUE(p.value.gradient().empty());

    const auto loaded = load_checkpoint(path);
    const language_modelling rest(loaded.model, text_, options());
    trainer second(rest, options());
    second.resume(loaded.facts.step, loaded.training_state);
    second.train();
    return all_of(loaded.model, second);
  }

  const std::vector<std::int32_t> text_ = text_with_a_rule(2000);
  const temporary_folder folder_;
};

TEST_F(Stop, BetweenTheBatchesOfAStepEndsWithTheBitsOfAnUninterruptedRun) {
  const auto whole = uninterrupted();
  for (const long at : {12, 13, 14}) EXPECT_EQ(stopped_and_resumed(at, 3, at - 11), whole) << "at batch " << at;
}

TEST_F(Stop, AtTheLastBatchOfAStepTakesTheStep) { EXPECT_EQ(stopped_and_resumed(15, 4, 0), uninterrupted()); }

TEST_F(Stop, RightAfterACheckpointKeepsThatStep) { EXPECT_EQ(stopped_and_resumed(8, 2, 1), uninterrupted()); }

TEST_F(Stop, InTheFirstStepLeavesTheWeightsOfTheBeginning) {
  EXPECT_EQ(stopped_and_resumed(1, 0, 2), uninterrupted());
}

TEST_F(Stop, LeavesATrainerThatGoesOnWithTheSameBits) {
  const decoder model(config(), 1);
  const stopping_task task(model, text_, options(), 9);
  trainer run(task, options());
  EXPECT_EQ(run.train(&task.stop).step, 2);
  run.train();
  EXPECT_EQ(all_of(model, run), uninterrupted());
}

}  // namespace
}  // namespace qkv
