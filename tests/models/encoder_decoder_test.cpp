#include "qkv/models/encoder_decoder.h"

#include <gmock/gmock.h>

#include <cmath>

#include "qkv/autograd/loss.h"
#include "tests/base/message_of.h"
#include "tests/models/small_texts.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

encoder_decoder_config tiny_config() {
  return {.source_vocabulary = 13,
          .target_vocabulary = 11,
          .context = 24,
          .encoder_layers = 2,
          .decoder_layers = 2,
          .heads = 2,
          .width = 16,
          .dropout = 0};
}

TEST(EncoderDecoder, GivesAPackedBatchTheLossOfItsPairsAlone) {
  const encoder_decoder model(tiny_config(), 1);
  const texts source = random_texts({4, 1, 7}, 13, 1), target = random_texts({3, 5, 1}, 11, 2);
  EXPECT_NEAR(loss_of(model, source, target), loss_pair_by_pair(model, source, target), 1e-6);
}

TEST(EncoderDecoder, SaysTheSameTokenByTokenAsAllAtOnce) {
  for (const auto place : {nn::norm_place::before, nn::norm_place::after}) {
    auto config = tiny_config();
    config.norms = place;
    const encoder_decoder model(config, 1);
    const texts source = random_texts({4, 2, 6}, 13, 1), target = random_texts({5, 5, 5}, 11, 2);
    const no_gradient values_only;
    const text_pairs pairs = framed(source, target, frame);
    const auto state = model.start(pairs.source, 6);
    double sum = 0;
    for (long t = 0; t < 6; ++t) {
      std::vector<std::int32_t> heard, said;
      for (long b = 0; b < 3; ++b) {
        heard.push_back(pairs.heard.ids.at<std::int32_t>(0, 6 * b + t));
        said.push_back(pairs.targets.at<std::int32_t>(0, 6 * b + t));
      }
      sum += cross_entropy(state->next(heard), tensor({3}, said)).loss;
    }
    EXPECT_NEAR(sum / 6, loss_of(model, source, target), 1e-5);
  }
}

TEST(EncoderDecoder, GoesOnWithChosenHypotheses) {
  const encoder_decoder model(tiny_config(), 1);
  const texts source = random_texts({4, 6}, 13, 1);
  const auto all = model.start(framed_sources(source, frame), 4);
  all->next(std::vector<std::int32_t>{1, 1});
  all->choose(std::vector<long>{0, 0, 1}, std::vector<long>{0, 0, 1});
  const tensor three = all->next(std::vector<std::int32_t>{5, 6, 7});
  all->choose(std::vector<long>{2}, std::vector<long>{1});  // the first text is done
  const tensor one = all->next(std::vector<std::int32_t>{8});

  const auto alone = model.start(framed_sources(texts{source[1]}, frame), 4);
  alone->next(std::vector<std::int32_t>{1});
  const tensor second = alone->next(std::vector<std::int32_t>{7}), third = alone->next(std::vector<std::int32_t>{8});
  for (long v = 0; v < 11; ++v) {
    EXPECT_NEAR(three.at<float>(2, v), second.at<float>(0, v), 1e-5);
    EXPECT_NEAR(one.at<float>(0, v), third.at<float>(0, v), 1e-5);
  }
  EXPECT_GT(std::abs(three.at<float>(0, 3) - three.at<float>(1, 3)), 1e-4) << "they heard different tokens";
}

TEST(EncoderDecoder, AlignmentsSumToOneOverTheSource) {
  const encoder_decoder model(tiny_config(), 1);
  const auto layers = model.alignments(framed(random_texts({5}, 13, 1), random_texts({3}, 11, 2), frame));
  ASSERT_EQ(layers.size(), 2u);
  for (const tensor& weights : layers) {
    ASSERT_EQ(weights.shape(), (shape{2, 4, 6}));
    for (long h = 0; h < 2; ++h) {
      for (long t = 0; t < 4; ++t) {
        double sum = 0;
        for (long s = 0; s < 6; ++s) sum += weights.at<float>(h, t, s);
        EXPECT_NEAR(sum, 1, 1e-5);
      }
    }
  }
}

TEST(EncoderDecoder, EveryParameterGetsAGradientThatDifferencesConfirm) {
  auto config = tiny_config();
  config.norms = nn::norm_place::after;
  config.positions = nn::position_kind::learned;
  config.tied_head = false;
  const encoder_decoder model(config, 1);
  const text_pairs pairs = framed(random_texts({4, 2}, 13, 1), random_texts({3, 5}, 11, 2), frame);
  backward(model.loss(pairs, 0.1, {}));
  for (const auto& p : model.parameters()) {
    ASSERT_FALSE(p.value.gradient().empty()) << p.name;
    // Along the gradient itself the slope is its length.
    const tensor weights = p.value.value(), gradient = p.value.gradient().clone();
    double squares = 0;
    for (const float g : gradient.values<float>()) squares += double(g) * g;
    const double length = std::sqrt(squares), step = 5e-3 / std::max(1.0, length);
    if (length < 1e-4) continue;
    const auto loss_at = [&](double distance) {
      const no_gradient values_only;
      const tensor before = weights.clone();
      for (std::size_t i = 0; i < std::size_t(weights.size()); ++i)
        weights.values<float>()[i] += float(distance / length) * gradient.values<float>()[i];
      const double loss = model.loss(pairs, 0.1, {}).value().item();
      weights.copy_from(before);
      return loss;
    };
    EXPECT_NEAR((loss_at(step) - loss_at(-step)) / (2 * step), length, 0.02 * length + 2e-4) << p.name;
  }
}

TEST(EncoderDecoder, SharesOneVocabulary) {
  auto config = tiny_config();
  config.source_vocabulary = config.target_vocabulary;
  const long separate = nn::count_parameters(encoder_decoder(config, 1));
  config.shared_vocabulary = true;
  EXPECT_EQ(nn::count_parameters(encoder_decoder(config, 1)), separate - 11 * 16);
}

TEST(EncoderDecoder, RefusesWhatDoesNotFit) {
  auto config = tiny_config();
  config.shared_vocabulary = true;
  EXPECT_THAT(message_of<shape_error>([&] { encoder_decoder(config, 1); }), HasSubstr("one vocabulary"));
  const encoder_decoder model(tiny_config(), 1);
  const texts one = random_texts({3}, 11, 1), long_one = random_texts({24}, 11, 1);
  EXPECT_THAT(message_of<shape_error>([&] { loss_of(model, long_one, one); }), HasSubstr("at most 24"));
  EXPECT_THAT(message_of<shape_error>([&] { model.start(framed_sources(one, frame), 25); }), HasSubstr("at most 24"));
}

TEST(EncoderDecoderConfig, ReadsWhatItWrites) {
  auto config = tiny_config();
  config.positions = nn::position_kind::fourier;
  config.norms = nn::norm_place::after;
  EXPECT_EQ(encoder_decoder_config_from_json(to_json(config)), config);
}

}  // namespace
}  // namespace qkv
