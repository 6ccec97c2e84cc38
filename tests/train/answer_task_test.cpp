// Learning to answer: what counts, what is right, and that it is learned.
#include "qkv/train/answer_task.h"

#include <gmock/gmock.h>

#include "qkv/autograd/loss.h"
#include "qkv/ops/cross_entropy.h"
#include "qkv/train/trainer.h"
#include "tests/base/message_of.h"
#include "tests/base/with_threads.h"

namespace qkv {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int32_t none = ignored_target;

decoder_config tiny_config() { return {.vocabulary = 8, .context = 12, .layers = 1, .heads = 2, .width = 16}; }

/// Two tokens that are given, and the first of them again as the answer.
answered_text echo(std::uint64_t number) {
  const auto a = std::int32_t(number % 7), b = std::int32_t(number / 7 % 7);
  return {{a, b, 7, a}, {false, false, false, true}};
}

std::vector<answered_text> echoes(std::uint64_t count) {
  std::vector<answered_text> all;
  for (std::uint64_t i = 0; i < count; ++i) all.push_back(echo(i));
  return all;
}

training_options options_of(long steps) {
  training_options options;
  options.steps = steps;
  options.batch = 32;
  options.warm_up = 10;
  options.learning_rate = 1e-2;
  options.interim_batches = options.final_batches = 0;
  return options;
}

TEST(AnswerTask, AsksForAnswersOnly) {
  const auto batch = batch_of(std::vector<answered_text>{{{1, 2, 3, 4}, {false, false, true, true}},
                                                         {{5, 6}, {false, true}}});
  EXPECT_THAT(batch.tokens.values<std::int32_t>(), ElementsAre(1, 2, 3, 5, 0, 0));
  EXPECT_THAT(batch.targets.values<std::int32_t>(), ElementsAre(none, 3, 4, 6, none, none));
}

TEST(AnswerTask, RefusesTextsWithoutAnswers) {
  EXPECT_THAT(message_of([] { batch_of({}); }), HasSubstr("texts of at least two tokens"));
  EXPECT_THAT(message_of([] { batch_of(std::vector<answered_text>{{{1}, {false}}}); }),
              HasSubstr("texts of at least two tokens"));
  EXPECT_THAT(message_of([] { batch_of(std::vector<answered_text>{{{1, 2}, {false, false}}}); }),
              HasSubstr("something to say"));
  const decoder model(tiny_config(), 1);
  EXPECT_THAT(message_of([&] { answer_task(model, echo, {}, options_of(1)); }), HasSubstr("held out"));
}

TEST(AnswerTask, HasTheLossOfTheAnswersAlone) {
  const decoder model(tiny_config(), 1);
  const auto held_out = echoes(49);
  const answer_task task(model, echo, held_out, options_of(1));
  double sum = 0;
  for (const auto& [tokens, is_answer] : held_out) {
    const tensor logits = model.logits(tensor({1, 3}, std::vector(tokens.begin(), tokens.begin() + 3)));
    sum += cross_entropy(logits.select(1, 2), tensor({1}, std::vector{tokens[3]})).loss;
  }
  EXPECT_NEAR(task.validation_loss(0), sum / 49, 1e-5);
  EXPECT_NEAR(answered(model, held_out, 5).loss, sum / 49, 1e-5) << "whatever the batch";
  const batch_loss one = task.loss(0, {});
  EXPECT_EQ(one.targets, 32);
  EXPECT_NEAR(double(one.mean.value().item()), task.validation_loss(1), 1e-5);
}

TEST(AnswerTask, CountsAnAnswerAsRightWhenAllOfItIs) {
  // What the model would say decides; so the texts are made to agree with it, or not.
  const decoder model(tiny_config(), 1);
  const auto said_after = [&](std::vector<std::int32_t> tokens) {
    const long length = long(tokens.size());
    const tensor logits = model.logits(tensor({1, length}, std::move(tokens)));
    const auto last = logits.select(1, length - 1).values<float>();
    return std::int32_t(std::ranges::max_element(last) - last.begin());
  };
  const std::int32_t first = said_after({1, 2}), second = said_after({1, 2, first});
  const std::int32_t wrong = (second + 1) % 8;
  const std::int32_t third = said_after({1, 2, first, wrong, 3});
  const std::vector<answered_text> texts{
      {{1, 2, first, second}, {false, false, true, true}},                            // right
      {{1, 2, first, wrong}, {false, false, true, true}},                             // half of it is not
      {{1, 2, first, wrong, 3, third}, {false, false, true, false, false, true}}};  // two answers, both right
  const answer_score score = answered(model, texts);
  EXPECT_EQ(score.answers, 4);
  EXPECT_EQ(score.right, 3);
  EXPECT_DOUBLE_EQ(score.accuracy(), 0.75);
}

TEST(AnswerTask, IsLearned) {
  decoder model(tiny_config(), 1);
  const auto held_out = echoes(49);
  const answer_task task(model, echo, held_out, options_of(150));
  EXPECT_LT(answered(model, held_out).accuracy(), 0.6);
  trainer(task, options_of(150)).train();
  EXPECT_EQ(answered(model, held_out).accuracy(), 1);
}

TEST(AnswerTask, HasTheSameBitsForAnyNumberOfThreads) {
  const auto held_out = echoes(49);
  std::vector<double> losses;
  for (const int threads : {1, 3}) {
    const with_threads several(threads);
    decoder model(tiny_config(), 1);
    const answer_task task(model, echo, held_out, options_of(20));
    losses.push_back(trainer(task, options_of(20)).train().validation_loss);
  }
  EXPECT_EQ(losses[0], losses[1]);
}

}  // namespace
}  // namespace qkv
