#include "qkv/train/translation_task.h"

#include <gmock/gmock.h>

#include <set>

#include "qkv/base/random.h"
#include "qkv/generate/translate.h"
#include "qkv/models/encoder_decoder.h"
#include "qkv/train/trainer.h"
#include "tests/base/message_of.h"

namespace qkv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr text_frame frame{.begin = 0, .end = 1};

/// Texts of 1 to 8 tokens; the translation is the text backwards.
parallel_tokens reversals(long count, std::uint64_t stream) {
  const random_stream random{2, stream};
  parallel_tokens pairs;
  for (long i = 0; i < count; ++i) {
    std::vector<std::int32_t> text;
    const std::uint64_t first = std::uint64_t(i) * 10, length = 1 + random.below(first, 8);
    for (std::uint64_t n = 0; n < length; ++n) text.push_back(std::int32_t(2 + random.below(first + 1 + n, 8)));
    pairs.source.push_back(text);
    pairs.target.emplace_back(text.rbegin(), text.rend());
  }
  return pairs;
}

TEST(FramedPairs, HearWhatTheyShouldSayOneTokenLater) {
  const std::vector<std::vector<std::int32_t>> source{{5, 6}}, target{{7, 8, 9}};
  const text_pairs pairs = framed(source, target, frame);
  EXPECT_THAT(pairs.source.ids.values<std::int32_t>(), ElementsAre(5, 6, 1));
  EXPECT_THAT(pairs.heard.ids.values<std::int32_t>(), ElementsAre(0, 7, 8, 9));
  EXPECT_THAT(pairs.targets.values<std::int32_t>(), ElementsAre(7, 8, 9, 1));
  EXPECT_THAT(pairs.heard.positions.values<std::int32_t>(), ElementsAre(0, 1, 2, 3));
}

TEST(BatchesOfAnEpoch, HoldEveryPairOnceAndLikeLengthsTogether) {
  const auto pairs = reversals(500, 1);
  for (const long tokens : {0L, 60L}) {
    training_options options{.batch = 16, .batch_tokens = tokens};
    const auto batches = batches_of_epoch(pairs, options, 3);
    std::multiset<long> seen;
    for (const auto& batch : batches) {
      seen.insert(batch.begin(), batch.end());
      std::size_t shortest = 100, longest = 0, sum = 0;
      for (const long i : batch) {
        const std::size_t length = pairs.target[std::size_t(i)].size();
        shortest = std::min(shortest, length), longest = std::max(longest, length), sum += length + 1;
      }
      EXPECT_LE(longest - shortest, 1u);
      EXPECT_LE(sum, std::size_t(tokens > 0 ? tokens : 16 * 9));
    }
    EXPECT_EQ(seen.size(), 500u);
    EXPECT_EQ(std::set<long>(seen.begin(), seen.end()).size(), 500u);
    EXPECT_EQ(batches_of_epoch(pairs, options, 3), batches);
    EXPECT_NE(batches_of_epoch(pairs, options, 4), batches);
  }
}

TEST(BatchesOfAnEpoch, GiveATextThatIsTooLongABatchOfItsOwn) {
  const parallel_tokens pairs{{{2}, {3}}, {{2, 2, 2, 2, 2, 2}, {3}}};
  EXPECT_EQ(batches_of_epoch(pairs, {.batch_tokens = 4}, 0).size(), 2u);
}

TEST(TranslationTask, LearnsToReverse) {
  const auto learn = reversals(2000, 1), held_out = reversals(100, 2);
  const encoder_decoder model({.source_vocabulary = 10,
                               .target_vocabulary = 10,
                               .context = 16,
                               .encoder_layers = 1,
                               .decoder_layers = 1,
                               .heads = 4,
                               .width = 64,
                               .hidden = 128,
                               .dropout = 0},
                              1);
  training_options options{.steps = 700, .batch = 64, .learning_rate = 3e-3, .warm_up = 40};
  options.average = 0.98;
  const translation_task task(model, learn, held_out, frame, 0.05, options);
  trainer run(task, options);
  const auto last = run.train();
  EXPECT_LT(last.validation_loss, 0.25);
  EXPECT_NEAR(last.epochs, 700.0 / double(task.batches_an_epoch()), 0.2);
  const auto said = translate(model, held_out.source, {.beam = 2, .begin = frame.begin, .end = frame.end});
  long right = 0;
  for (std::size_t i = 0; i < said.size(); ++i) right += said[i].tokens == held_out.target[i];
  EXPECT_GE(right, 95);
}

TEST(TranslationTask, AccumulatedBatchesHaveTheGradientOfOneLargeBatch) {
  const auto pairs = reversals(40, 1);
  const encoder_decoder_config config{.source_vocabulary = 10,
                                      .target_vocabulary = 10,
                                      .context = 16,
                                      .encoder_layers = 1,
                                      .decoder_layers = 1,
                                      .heads = 2,
                                      .width = 16,
                                      .dropout = 0};
  // The same forty pairs in five batches of eight, and in one.
  const auto after_one_step = [&](long batch, long accumulate) {
    encoder_decoder model(config, 1);
    training_options options{.steps = 10, .batch = batch, .accumulate = accumulate, .clip = 0};
    options.warm_up = 0;
    options.epsilon = 1;  // AdamW's step follows the size of the gradient, not its sign alone
    const translation_task task(model, pairs, pairs, frame, 0, options);
    trainer run(task, options);
    const double loss = run.step();
    std::vector<float> numbers{float(loss)};
    for (const auto& p : model.parameters()) {
      const auto values = p.value.value().values<float>();
      numbers.insert(numbers.end(), values.begin(), values.end());
    }
    return numbers;
  };
  const auto whole = after_one_step(40, 1), parts = after_one_step(8, 5);
  double change = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) change = std::max(change, std::abs(double(whole[i]) - parts[i]));
  EXPECT_LT(change, 1e-6);
}

TEST(TranslationTask, RefusesSidesThatDoNotPair) {
  const encoder_decoder model({.source_vocabulary = 10, .target_vocabulary = 10, .heads = 1, .width = 8}, 1);
  auto pairs = reversals(3, 1);
  pairs.target.pop_back();
  EXPECT_THAT(message_of<shape_error>([&] { translation_task(model, pairs, pairs, frame, 0, {}); }),
              HasSubstr("as many translations as texts, 3; found 2"));
  const parallel_tokens nothing;
  EXPECT_THAT(message_of<shape_error>([&] { translation_task(model, nothing, nothing, frame, 0, {}); }),
              HasSubstr("none"));
}

}  // namespace
}  // namespace qkv
