// Early stopping: a run ends when validation has not become better for a while, and the best is kept.
#include <cmath>

#include "qkv/io/safetensors.h"
#include "qkv/train/language_modelling.h"
#include "qkv/train/trainer.h"
#include "tests/train/training_data.h"

namespace qkv {
namespace {

/// A model that learns as usual while its validation losses are read from a list.
class told_losses : public language_modelling {
 public:
  told_losses(const decoder& model, std::span<const std::int32_t> text, const training_options& options,
              std::vector<double> losses, std::size_t from = 0)
      : language_modelling(model, text, options), losses_(std::move(losses)), next_(from) {}
  double validation_loss(long) const override { return losses_.at(next_++); }

 private:
  std::vector<double> losses_;
  mutable std::size_t next_;
};

training_options patient_options(long patience) {
  auto options = quick_options(100);
  options.validate_every = 5;
  options.patience = patience;
  return options;
}

class Patience : public ::testing::Test {
 protected:
  const std::vector<std::int32_t> text_ = text_with_a_rule(2000);
  const decoder model_{tiny_config(), 1};
};

TEST_F(Patience, EndsARunAfterSoManyValidationsWithoutALowerLoss) {
  const told_losses task(model_, text_, patient_options(3), {3, 2, 2.5, 1.5, 1.6, 1.5, 9, 1});
  trainer run(task, patient_options(3));
  std::vector<long> saved;
  run.on_checkpoint = [&](const training_progress& p) { saved.push_back(p.step); };
  const auto last = run.train();
  EXPECT_EQ(last.step, 35);
  EXPECT_TRUE(last.out_of_patience);
  EXPECT_TRUE(last.validated_now);
  EXPECT_EQ(last.validation_loss, 9);
  EXPECT_EQ(last.best_loss, 1.5);
  EXPECT_EQ(last.best_step, 20);
  EXPECT_THAT(saved, ::testing::ElementsAre(5, 10, 20, 35)) << "each lower loss, and the end";
}

TEST_F(Patience, DoesNotTakeALossThatIsNotANumberForALowerOne) {
  const told_losses task(model_, text_, patient_options(2), {NAN, 3, NAN, NAN, 1});
  const auto last = trainer(task, patient_options(2)).train();
  EXPECT_EQ(last.step, 20);
  EXPECT_EQ(last.best_step, 10);
}

TEST_F(Patience, NeverEndsARunWhereNoneIsAsked) {
  auto options = patient_options(0);
  options.steps = 20;
  const told_losses task(model_, text_, options, {1, 2, 3, 4});
  const auto last = trainer(task, options).train();
  EXPECT_EQ(last.step, 20);
  EXPECT_FALSE(last.out_of_patience);
  EXPECT_EQ(last.best_step, 5);
}

TEST_F(Patience, IsCountedOnByARunThatIsResumed) {
  const std::vector<double> losses{3, 2, 2.5, 2.6, 2.7, 1};
  const told_losses whole(model_, text_, patient_options(3), losses);
  const auto uninterrupted = trainer(whole, patient_options(3)).train();
  EXPECT_EQ(uninterrupted.step, 25);

  const decoder other(tiny_config(), 1);
  const told_losses first(other, text_, patient_options(3), losses);
  trainer before(first, patient_options(3));
  std::atomic<bool> stop = false;
  before.on_progress = [&](const training_progress& p) { stop = p.step >= 20; };
  before.train(&stop);
  named_tensors state;
  for (const auto& [name, t] : before.state()) state.emplace_back(name, t.clone());

  const told_losses rest(other, text_, patient_options(3), losses, 4);
  trainer after(rest, patient_options(3));
  after.resume(20, state);
  const auto last = after.train();
  EXPECT_EQ(last.step, 25);
  EXPECT_TRUE(last.out_of_patience);
  EXPECT_EQ(last.best_loss, 2);
  EXPECT_EQ(last.best_step, 10);
  EXPECT_EQ(numbers_of(other), numbers_of(model_));
}

}  // namespace
}  // namespace qkv
