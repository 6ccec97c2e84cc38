// A run that meets infinity or NaN says where it came up, goes back to good weights, and stops or goes on.
#include "qkv/train/not_finite.h"

#include <cmath>
#include <limits>

#include "qkv/autograd/record.h"
#include "qkv/train/language_modelling.h"
#include "qkv/train/trainer.h"
#include "tests/base/message_of.h"
#include "tests/train/training_data.h"

namespace qkv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// Weights grow by the factor rate * decay - 1 a step.
training_options explosive_options(long steps) {
  auto options = quick_options(steps);
  options.learning_rate = 1e5;
  options.warm_up = 0;
  options.weight_decay = 1;
  options.schedule = schedule_kind::constant;
  return options;
}

tensor weights_named(const decoder& model, const std::string& name) {
  for (const auto& p : nn::parameters_of(model))
    if (p.name == name) return p.value.value();
  throw std::logic_error("no " + name);
}

class NotFinite : public ::testing::Test {
 protected:
  const std::vector<std::int32_t> text_ = text_with_a_rule(2000);
  const decoder model_{tiny_config(), 1};
};

TEST_F(NotFinite, StopsAtAPoisonedWeightNamesItAndGoesBack) {
  const language_modelling task(model_, text_, quick_options(10));
  trainer run(task, quick_options(10));
  const auto fresh = numbers_of(model_);
  run.step();
  run.step();
  EXPECT_NE(numbers_of(model_), fresh);
  weights_named(model_, "blocks.1.norm2.weight").values<float>()[5] = nan;
  EXPECT_THAT(message_of<not_finite_error>([&] { run.step(); }),
              AllOf(HasSubstr("step 3: expected finite numbers; found nan at [5] of [32], the weights "
                              "blocks.1.norm2.weight"),
                    HasSubstr("the weights are again those of step 0")));
  EXPECT_EQ(numbers_of(model_), fresh);
  EXPECT_EQ(run.steps_done(), 0);
}

TEST_F(NotFinite, GoesOnFromThereWithTheSameBits) {
  const language_modelling task(model_, text_, quick_options(3));
  trainer run(task, quick_options(3));
  for (int i = 0; i < 3; ++i) run.step();
  const auto as_it_should_be = numbers_of(model_);
  const decoder again(tiny_config(), 1);
  const language_modelling of_again(again, text_, quick_options(3));
  trainer second(of_again, quick_options(3));
  second.step();
  second.step();
  weights_named(again, "tokens.weight").values<float>()[0] = nan;
  EXPECT_THROW(second.step(), not_finite_error);
  for (int i = 0; i < 3; ++i) second.step();
  EXPECT_EQ(numbers_of(again), as_it_should_be);
}

TEST_F(NotFinite, NamesTheOperationOfFiniteWeightsThatAreTooLarge) {
  const language_modelling task(model_, text_, quick_options(10));
  for (float& w : weights_named(model_, "blocks.0.feed_forward.up.weight").values<float>()) w = 3e38f;
  EXPECT_THAT(where_not_finite(task, 0, 1, quick_options(10)), HasSubstr("blocks.0.feed_forward.up.weight"));
  for (const auto& p : task.parameters()) EXPECT_TRUE(p.value.gradient().empty());
}

TEST_F(NotFinite, EndsARunThatIsDrivenToInfinityWithGoodWeightsSaved) {
  const auto options = explosive_options(1000);
  const language_modelling task(model_, text_, options);
  trainer run(task, options);
  std::vector<long> saved;
  run.on_checkpoint = [&](const training_progress& p) { saved.push_back(p.step); };
  EXPECT_THAT(message_of<not_finite_error>([&] { run.train(); }),
              AllOf(HasSubstr("expected finite numbers; found"), HasSubstr("the weights are again those of step 0")));
  for (const float w : numbers_of(model_)) ASSERT_TRUE(std::isfinite(w));
  EXPECT_THAT(saved, ::testing::ElementsAre(0));
}

TEST_F(NotFinite, LeavesSuchStepsOutWhereAskedAndGivesUpAfterTen) {
  auto options = explosive_options(1000);
  options.on_not_finite = not_finite_kind::skip;
  const language_modelling task(model_, text_, options);
  trainer run(task, options);
  std::vector<not_finite_step> told;
  run.on_left_out = [&](const not_finite_step& step) { told.push_back(step); };
  EXPECT_THROW(run.train(), not_finite_error);
  ASSERT_EQ(told.size(), 10u);
  EXPECT_EQ(told.back().back_to, 0);
  for (const float w : numbers_of(model_)) ASSERT_TRUE(std::isfinite(w));
}

/// One batch whose loss is not finite, whatever the weights are.
class one_bad_batch : public language_modelling {
 public:
  using language_modelling::language_modelling;
  batch_loss loss(long number, const nn::forward_mode& mode) const override {
    const auto [mean, targets] = language_modelling::loss(number, mode);
    if (number != 3) return {mean, targets};
    return {record("bad data", tensor::full({}, nan), {mean}, [](const tensor& d, const gradient_sink& into) {
              into.add(0, tensor::full({}, double(d.item())));
            }), targets};
  }
};

TEST_F(NotFinite, LeavesOutOneBadBatchAndNothingElse) {
  auto options = quick_options(8);
  options.on_not_finite = not_finite_kind::skip;
  const one_bad_batch task(model_, text_, options);
  trainer run(task, options);
  std::vector<not_finite_step> told;
  run.on_left_out = [&](const not_finite_step& step) { told.push_back(step); };
  std::vector<float> before;
  for (int i = 0; i < 8; ++i) {
    if (i == 3) before = numbers_of(model_);
    run.step();
    if (i == 3) {
      EXPECT_EQ(numbers_of(model_), before);
    }
  }
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].step, 4);
  EXPECT_EQ(told[0].back_to, -1);
  EXPECT_THAT(told[0].found, HasSubstr("nan at [] of [], the outcome of bad data"));
  EXPECT_EQ(run.steps_done(), 8);
}

TEST_F(NotFinite, NeverSavesWeightsThatAreNot) {
  auto options = quick_options(6);
  options.checkpoint_every = 1;
  options.report_every = 1;
  const language_modelling task(model_, text_, options);
  trainer run(task, options);
  std::vector<long> saved;
  run.on_checkpoint = [&](const training_progress& p) {
    for (const float w : numbers_of(model_)) ASSERT_TRUE(std::isfinite(w));
    saved.push_back(p.step);
    if (p.step == 3) weights_named(model_, "tokens.weight").values<float>()[1] = nan;
  };
  EXPECT_THROW(run.train(), not_finite_error);
  EXPECT_THAT(saved, ::testing::ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace qkv
