// Masked language modelling: what is asked for, what it costs, and that all of it follows from the seed.
#include "qkv/train/masked_language_modelling.h"

#include <cmath>

#include "qkv/ops/softmax.h"
#include "qkv/train/streams.h"
#include "qkv/train/trainer.h"
#include "tests/base/message_of.h"
#include "tests/base/with_threads.h"
#include "tests/train/training_data.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

// Tokens 0 and 1 are special, 1 is the hole; words are 2 .. 9.
constexpr masking_options masking{.mask = 1, .first_word = 2};

encoder_config small_encoder() {
  return {.vocabulary = 10, .context = 16, .layers = 1, .heads = 2, .width = 32, .pooling = pooling::mean};
}

std::vector<std::int32_t> words_with_a_rule(long length) {
  auto text = text_with_a_rule(length);
  for (std::int32_t& token : text) token += 2;
  return text;
}

/// The texts of a batch, put together from the public parts.
std::vector<masked_text> texts_of(std::span<const std::int32_t> part, const training_options& options,
                                  std::uint64_t order, std::uint64_t masks, long number) {
  const auto pieces = random_batch(part, options.batch, 16, {options.seed, order}, number);
  std::vector<masked_text> texts;
  for (long i = 0; i < options.batch; ++i)
    texts.push_back(masked(pieces.tokens.select(0, i).values<std::int32_t>(), 10, masking, {options.seed, masks},
                           std::uint64_t(number * options.batch + i)));
  return texts;
}

long asked_in(const std::vector<masked_text>& texts) {
  long asked = 0;
  for (const masked_text& text : texts)
    for (const std::int32_t target : text.targets) asked += target != std::int32_t(ignored_target);
  return asked;
}

class MaskedLanguageModelling : public ::testing::Test {
 protected:
  masked_language_modelling task_of(const training_options& options) const {
    return {model_, text_, masking, options};
  }
  double loss_of(const masked_language_modelling& task, long number) const {
    return task.loss(number, {}).mean.value().item();
  }

  const std::vector<std::int32_t> text_ = words_with_a_rule(2000);
  const training_options options_ = quick_options(20);
  const masked_language_model model_{small_encoder(), 3};
};

TEST_F(MaskedLanguageModelling, ABatchIsAFunctionOfSeedAndNumber) {
  const auto task = task_of(options_);
  const double first = loss_of(task, 0), sixth = loss_of(task, 5);
  EXPECT_EQ(loss_of(task_of(options_), 5), sixth) << "whatever was asked before";
  EXPECT_EQ(loss_of(task, 0), first);
  EXPECT_NE(first, sixth);
  auto other = options_;
  other.seed = 7;
  EXPECT_NE(loss_of(task_of(other), 5), sixth);
}

TEST_F(MaskedLanguageModelling, LearnsFromTheFirstNineTenthsMaskedByNumber) {
  const auto task = task_of(options_);
  const auto learn = std::span(text_).first(1800);
  for (const long number : {0L, 3L}) {
    const auto texts = texts_of(learn, options_, streams::data_order, streams::changes, number);
    const batch_loss loss = task.loss(number, {});
    EXPECT_EQ(loss.targets, asked_in(texts));
    EXPECT_EQ(loss.mean.value().item(), model_.loss(texts).value().item());
  }
}

TEST_F(MaskedLanguageModelling, GradientsComeFromWhatIsAskedForAlone) {
  // The last bias adds to every token's score, so its gradient is the mean of (probability - was it there) over holes.
  const auto task = task_of(options_);
  const auto texts = texts_of(std::span(text_).first(1800), options_, streams::data_order, streams::changes, 2);
  std::vector<double> expected(10);
  for (const masked_text& text : texts) {
    const tensor probabilities = softmax_rows(model_.logits(text.tokens));
    for (std::size_t i = 0; i < text.targets.size(); ++i) {
      if (text.targets[i] == std::int32_t(ignored_target)) continue;
      for (long v = 0; v < 10; ++v)
        expected[std::size_t(v)] +=
            (double(probabilities.at<float>(long(i), v)) - (text.targets[i] == v)) / double(asked_in(texts));
    }
  }
  backward(task.loss(2, {}).mean);
  for (const auto& p : task.parameters()) {
    if (p.name != "head.bias") continue;
    for (long v = 0; v < 10; ++v)
      EXPECT_NEAR(p.value.gradient().at<float>(v), expected[std::size_t(v)], 1e-6) << "token " << v;
  }
}

TEST_F(MaskedLanguageModelling, AsksForOneTokenWhereNoDrawAsksForAny) {
  auto none = masking;
  none.share = 0;
  const masked_language_modelling task(model_, text_, none, options_);
  for (long number = 0; number < 3; ++number) EXPECT_EQ(task.loss(number, {}).targets, 1);
  EXPECT_TRUE(std::isfinite(task.validation_loss(1)));
}

TEST_F(MaskedLanguageModelling, NeverAsksForSpecialTokens) {
  // Every other token is special; with a share of 1 all the words are asked for, and nothing else.
  std::vector<std::int32_t> mixed = text_;
  for (std::size_t i = 0; i < mixed.size(); i += 2) mixed[i] = 0;
  auto every = masking;
  every.share = 1;
  const masked_language_modelling task(model_, mixed, every, options_);
  EXPECT_EQ(task.loss(0, {}).targets, options_.batch * 8);
}

TEST_F(MaskedLanguageModelling, ValidatesOnTheLastTenthWithMasksThatStay) {
  const auto task = task_of(options_);
  const double loss = task.validation_loss(3);
  loss_of(task, 11);
  EXPECT_EQ(task.validation_loss(3), loss);
  double sum = 0, asked = 0;
  for (long number = 0; number < 3; ++number) {
    const auto texts =
        texts_of(std::span(text_).subspan(1800), options_, streams::validation, streams::masks, number);
    sum += model_.loss(texts).value().item() * double(asked_in(texts)), asked += double(asked_in(texts));
  }
  EXPECT_NEAR(loss, sum / asked, 1e-6);
  EXPECT_NE(task.validation_loss(0), loss) << "0: as many as cover the tenth";
}

TEST_F(MaskedLanguageModelling, TellsHowOftenTheTextWasSeen) {
  EXPECT_EQ(task_of(options_).epochs_at(0), 0);
  EXPECT_NEAR(task_of(options_).epochs_at(225), 225 * 8 * 16 / 1800.0, 1e-12);
}

TEST_F(MaskedLanguageModelling, HasTheSameBitsForAnyNumberOfThreads) {
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    const with_threads as_many(threads);
    const masked_language_model model(small_encoder(), 3);
    const masked_language_modelling task(model, text_, masking, options_);
    trainer run(task, options_);
    for (int i = 0; i < 4; ++i) run.step();
    std::vector<float> numbers{float(task.validation_loss(2))};
    for (const auto& p : task.parameters())
      numbers.insert(numbers.end(), p.value.value().values<float>().begin(), p.value.value().values<float>().end());
    if (threads == 1) first = numbers;
    EXPECT_EQ(numbers, first) << threads << " threads";
  }
}

TEST_F(MaskedLanguageModelling, LearnsARule) {
  const auto options = quick_options(250);
  const masked_language_modelling task(model_, text_, masking, options);
  EXPECT_NEAR(task.validation_loss(5), std::log(8), 0.5);
  EXPECT_LT(trainer(task, options).train().validation_loss, 0.8);
}

TEST_F(MaskedLanguageModelling, RefusesATextThatIsTooShortOrHasNothingToAskFor) {
  const auto complaint = [&](const std::vector<std::int32_t>& text) {
    return message_of<shape_error>([&] { masked_language_modelling(model_, text, masking, options_); });
  };
  EXPECT_THAT(complaint({}), HasSubstr("expected a text of which a tenth has at least 17 tokens"));
  EXPECT_THAT(complaint(words_with_a_rule(160)), HasSubstr("found one of 160 tokens"));
  EXPECT_EQ(complaint(words_with_a_rule(170)), "no exception");
  EXPECT_THAT(complaint(std::vector<std::int32_t>(2000, 0)),
              HasSubstr("expected a text with tokens that may be masked; found special tokens only"));
}

// A whole text, for evaluation.

TEST_F(MaskedLanguageModelling, IsTestedOnEveryTokenOfATextOnce) {
  auto every = masking;
  every.share = 1;
  for (const long length : {1L, 15L, 16L, 17L, 300L}) {
    std::vector<long> told;
    const filled_holes holes =
        tested(model_, std::span(text_).first(std::size_t(length)), every, 1, [&](long done) { told.push_back(done); });
    EXPECT_EQ(holes.asked, length);
    EXPECT_LE(holes.right, holes.asked);
    EXPECT_EQ(told.back(), length);
  }
}

TEST_F(MaskedLanguageModelling, IsTestedWithTheLossAndTheAnswersOfItsModel) {
  const auto part = std::span(text_).first(40);
  const filled_holes holes = tested(model_, part, masking, 5);
  double loss = 0;
  long right = 0, asked = 0;
  for (std::size_t piece = 0; piece < 3; ++piece) {
    const std::size_t first = 16 * piece;
    const masked_text text = masked(part.subspan(first, std::min<std::size_t>(16, 40 - first)), 10, masking,
                                    {5, streams::masks}, piece);
    const tensor probabilities = softmax_rows(model_.logits(text.tokens));
    for (std::size_t i = 0; i < text.targets.size(); ++i) {
      if (text.targets[i] == std::int32_t(ignored_target)) continue;
      const auto row = probabilities.select(0, long(i)).values<float>();
      ++asked;
      loss -= std::log(double(row[std::size_t(text.targets[i])]));
      right += std::ranges::max_element(row) - row.begin() == text.targets[i];
    }
  }
  EXPECT_GT(asked, 0);
  EXPECT_EQ(holes.asked, asked);
  EXPECT_EQ(holes.right, right);
  EXPECT_NEAR(holes.loss, loss, 1e-4);
}

TEST_F(MaskedLanguageModelling, IsTestedAsAFunctionOfTheSeedOnAnyNumberOfThreads) {
  const filled_holes first = tested(model_, text_, masking, 5);
  for (const int threads : {1, 2, 3}) {
    const with_threads as_many(threads);
    const filled_holes again = tested(model_, text_, masking, 5);
    EXPECT_EQ(again.loss, first.loss);
    EXPECT_EQ(again.right, first.right);
  }
  EXPECT_NE(tested(model_, text_, masking, 6).loss, first.loss);
}

TEST_F(MaskedLanguageModelling, IsTestedOnSomethingEvenWhereNoDrawAsks) {
  auto none = masking;
  none.share = 0;
  EXPECT_EQ(tested(model_, std::span(text_).first(5), none, 1).asked, 1);
  const std::vector<std::int32_t> special(40, 0);
  EXPECT_THAT(message_of<shape_error>([&] { tested(model_, special, masking, 1); }),
              HasSubstr("found special tokens only"));
  EXPECT_THAT(message_of<shape_error>([&] { tested(model_, {}, masking, 1); }), HasSubstr("found none"));
}

}  // namespace
}  // namespace qkv
