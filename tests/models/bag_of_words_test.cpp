#include "qkv/models/bag_of_words.h"

#include <gtest/gtest.h>

#include "qkv/base/error.h"

namespace qkv {
namespace {

using sentences = std::vector<std::vector<std::int32_t>>;

TEST(BagOfWords, DoesNotSeeTheOrderOfWordsNorTheSentencesBeside) {
  const bag_of_words model({.vocabulary = 9, .classes = 3, .width = 8}, 1);
  const tensor one = model.logits(pack(sentences{{1, 2, 3}, {4}})).value();
  const tensor other = model.logits(pack(sentences{{5, 6}, {3, 1, 2}})).value();
  for (long c = 0; c < 3; ++c) EXPECT_NEAR(one.item({0, c}), other.item({1, c}), 1e-6);
  EXPECT_GT(std::abs(one.item({0, 0}) - one.item({1, 0})), 1e-4);
}

TEST(BagOfWords, SquashesToTheMeanOfItsWords) {
  const bag_of_words model({.vocabulary = 5, .classes = 2, .width = 4}, 1);
  const tensor words = model.squashed(pack(sentences{{1}, {2}, {1, 2, 2, 2}})).value();
  for (long c = 0; c < 4; ++c)
    EXPECT_NEAR(words.item({2, c}), 0.25 * words.item({0, c}) + 0.75 * words.item({1, c}), 1e-6);
}

TEST(BagOfWords, HasTheGradientsOfItsLoss) {
  const bag_of_words model({.vocabulary = 5, .classes = 2, .width = 4, .hidden = 6}, 1);
  const packed_tokens given = pack(sentences{{1, 2}, {3, 3, 4}});
  const tensor targets({2}, std::vector<std::int32_t>{1, 0});
  backward(model.loss(given, targets));
  for (const auto& [name, value] : nn::parameters_of(model)) {
    const auto numbers = value.value().values<float>();
    for (std::size_t i = 0; i < numbers.size(); i += 3) {
      const no_gradient values_only;
      const float at = numbers[i];
      const auto loss_at = [&](float x) {
        numbers[i] = x;
        return model.loss(given, targets).value().item();
      };
      const double slope = (loss_at(at + 0.02f) - loss_at(at - 0.02f)) / 0.04;
      numbers[i] = at;
      EXPECT_NEAR(value.gradient().values<float>()[i], slope, 1e-3) << name << " " << i;
    }
  }
}

TEST(BagOfWords, RefusesASentenceWithoutWordsAndSizesOfZero) {
  const bag_of_words model({.vocabulary = 5, .classes = 2}, 1);
  EXPECT_THROW(model.logits(pack(sentences{{1}, {}})), shape_error);
  EXPECT_THROW(bag_of_words({.vocabulary = 0, .classes = 2}, 1), shape_error);
}

}  // namespace
}  // namespace qkv
