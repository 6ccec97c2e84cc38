#include "qkv/models/encoder.h"

#include <gmock/gmock.h>

#include <cmath>

#include "qkv/attention/statistics.h"
#include "qkv/base/random.h"
#include "qkv/models/config_words.h"
#include "qkv/models/encoder_classifier.h"
#include "qkv/models/masked_language_model.h"
#include "tests/base/message_of.h"

namespace qkv {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

tensor random_numbers(shape s, std::uint64_t stream) {
  tensor t(std::move(s));
  std::uint64_t i = 0;
  for (float& x : t.values<float>()) x = float(random_stream{3, stream}.normal(i++));
  return t;
}

encoder_config small_config() {
  return {.vocabulary = 11,
          .patch_width = 6,
          .frame_width = 5,
          .classes = 3,
          .context = 12,
          .layers = 2,
          .heads = 2,
          .width = 8};
}

/// Sequences of all kinds and of different lengths.
std::vector<encoder_example> mixed_examples() {
  return {{.text = {3, 1, 4}},
          {.text = {}, .patches = random_numbers({4, 6}, 1), .frames = random_numbers({3, 5}, 2)},
          {.text = {7}, .frames = random_numbers({1, 5}, 3)}};
}

tensor targets_of(std::vector<std::int32_t> classes) {
  const long count = long(classes.size());
  return {{count}, std::move(classes)};
}

/// Weights large enough for differences in float32 to see, whatever they were drawn with.
template <class Model>
void enlarge(const Model& model, float size) {
  model.visit("", [&](const std::string& name, const variable& v) {
    const auto numbers = v.value().template values<float>();
    double squares = 0;
    for (const float x : numbers) squares += double(x) * double(x);
    if (name.find("norm") != std::string::npos || squares == 0) return;
    for (float& x : numbers) x *= size / float(std::sqrt(squares / double(numbers.size())));
  });
}

/// A random direction in the space of each parameter: the derivative along it against the difference.
template <class Model, class Loss>
void expect_gradient_matches(const Model& model, Loss loss) {
  const auto parameters = nn::parameters_of(model);
  backward(loss());
  for (const auto& p : parameters) {
    ASSERT_FALSE(p.value.gradient().empty()) << p.name;
    std::vector<float> direction,
        before(p.value.value().template values<float>().begin(), p.value.value().template values<float>().end());
    double along = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      direction.push_back(float(random_stream{9, 0}.normal(i)));
      along += double(p.value.gradient().template values<float>()[i]) * direction.back();
    }
    const no_gradient values_only;
    const float step = 0.01f / std::sqrt(float(before.size()));
    const auto loss_at = [&](int k) {
      for (std::size_t i = 0; i < before.size(); ++i)
        p.value.value().template values<float>()[i] = before[i] + float(k) * step * direction[i];
      return loss().value().item();
    };
    const double difference = (8 * (loss_at(1) - loss_at(-1)) - (loss_at(2) - loss_at(-2))) / (12 * double(step));
    loss_at(0);
    EXPECT_NEAR(along, difference, 3e-3 * std::max(1.0, std::abs(difference))) << p.name;
  }
}

TEST(EncoderClassifier, HasTheGradientOfItsLossInEveryArrangement) {
  for (const auto positions : {nn::position_kind::learned, nn::position_kind::sinusoidal, nn::position_kind::none})
    for (const auto norms : {nn::norm_place::before, nn::norm_place::after})
      for (const auto pooling : {pooling::class_token, pooling::mean}) {
        auto config = small_config();
        config.positions = positions;
        config.norms = norms;
        config.embedding_norm = norms == nn::norm_place::after;
        config.pooling = pooling;
        const encoder_classifier model(config, 1);
        enlarge(model, 0.4f);
        const auto batch = model.join(mixed_examples());
        expect_gradient_matches(model, [&] { return model.loss(batch, targets_of({0, 2, 1}), 0.1); });
      }
}

/// Every mixer with positions that it can use, and every kind of position with attention.
std::vector<encoder_config> mixers_and_positions() {
  std::vector<encoder_config> all;
  for (std::size_t mixer = 0; mixer < mixer_words.size(); ++mixer) {
    all.push_back(small_config());
    all.back().mixer = nn::mixer_kind(mixer);
    all.back().pooling = pooling::mean;
    all.back().taps = 3;
  }
  for (const auto positions : {nn::position_kind::alibi, nn::position_kind::relative, nn::position_kind::local}) {
    all.push_back(small_config());
    all.back().positions = positions;
    all.back().position_range = 4;
  }
  return all;
}

TEST(EncoderClassifier, HasTheGradientOfItsLossWithEveryMixerAndEveryPosition) {
  for (const encoder_config& config : mixers_and_positions()) {
    SCOPED_TRACE(to_json(config));
    const encoder_classifier model(config, 1);
    enlarge(model, 0.4f);
    const auto batch = model.join(mixed_examples());
    expect_gradient_matches(model, [&] { return model.loss(batch, targets_of({0, 2, 1}), 0.1); });
  }
}

TEST(EncoderClassifier, SeesEachSequenceByItself) {
  auto configs = mixers_and_positions();
  for (const auto pooling : {pooling::class_token, pooling::mean}) {
    configs.push_back(small_config());
    configs.back().pooling = pooling;
  }
  for (const encoder_config& config : configs) {
    SCOPED_TRACE(to_json(config));
    const encoder_classifier model(config, 1);
    enlarge(model, 0.7f);
    const auto examples = mixed_examples();
    const tensor together = model.probabilities(model.join(examples));
    ASSERT_EQ(together.shape(), (shape{3, 3}));
    for (std::size_t b = 0; b < examples.size(); ++b) {
      const tensor alone = model.probabilities(model.join({&examples[b], 1}));
      double sum = 0;
      for (long k = 0; k < 3; ++k) {
        EXPECT_NEAR(alone.at<float>(0, k), together.at<float>(long(b), k), 1e-5);
        sum += alone.at<float>(0, k);
      }
      EXPECT_NEAR(sum, 1, 1e-5);
    }
  }
}

TEST(EncoderClassifier, LetsEveryTokenSeeEveryOther) {
  // A change of the last token reaches the first one's vector: nothing is causal here.
  const encoder_classifier model(small_config(), 1);
  enlarge(model, 0.7f);
  const encoder_example a{.text = {1, 2, 3, 4}}, b{.text = {1, 2, 3, 5}};
  const no_gradient values_only;
  const tensor x = model.body()(model.join({&a, 1}), {}).value(), y = model.body()(model.join({&b, 1}), {}).value();
  EXPECT_NE(x.at<float>(0, 1, 0), y.at<float>(0, 1, 0));
}

TEST(EncoderClassifier, KnowsTheOrderOfItsTokensOnlyByPositions) {
  for (const auto positions : {nn::position_kind::none, nn::position_kind::learned, nn::position_kind::alibi,
                               nn::position_kind::relative, nn::position_kind::local}) {
    auto config = small_config();
    config.positions = positions;
    const encoder_classifier model(config, 1);
    enlarge(model, 0.7f);
    const encoder_example a{.text = {1, 2, 3}}, b{.text = {3, 1, 2}};
    const float p = model.probabilities(model.join({&a, 1})).at<float>(0, 0);
    const float q = model.probabilities(model.join({&b, 1})).at<float>(0, 0);
    if (positions == nn::position_kind::none)
      EXPECT_NEAR(p, q, 1e-6);
    else
      EXPECT_GT(std::abs(p - q), 1e-5);
  }
}

TEST(EncoderClassifier, StartsWithAGuessThatKnowsNothing) {
  const encoder_classifier model(small_config(), 1);
  const double loss = model.loss(model.join(mixed_examples()), targets_of({0, 2, 1})).value().item();
  EXPECT_NEAR(loss, std::log(3.0), 0.15);
}

TEST(Encoder, PutsTextThenPictureThenSoundBehindTheClassToken) {
  nn::initialisation init(1);
  const encoder model(small_config(), init);
  const auto batch = model.join(mixed_examples());
  EXPECT_THAT(batch.offsets, ::testing::ElementsAre(0, 4, 12, 15));
  EXPECT_THAT(batch.kinds.values<std::int32_t>(), ::testing::ElementsAre(0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 0, 0, 2));
  EXPECT_THAT(batch.rows.values<std::int32_t>(),
              ::testing::ElementsAre(0, 1, 2, 3, 0, 5, 6, 7, 8, 9, 10, 11, 0, 4, 12));
  EXPECT_THAT(batch.positions.values<std::int32_t>(),
              ::testing::ElementsAre(0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2));
}

TEST(Encoder, ShowsWhatItsHeadsLookAt) {
  nn::initialisation init(1);
  const encoder model(small_config(), init);
  const auto examples = mixed_examples();
  const auto layers = model.looks(model.join({&examples[1], 1}));
  ASSERT_EQ(layers.size(), 2u);
  ASSERT_EQ(layers[1].shape(), (shape{2, 8, 8}));
  for (long t = 0; t < 8; ++t) {
    double sum = 0;
    for (long s = 0; s < 8; ++s) sum += layers[1].at<float>(1, t, s);
    EXPECT_NEAR(sum, 1, 1e-5);
  }
}

TEST(Encoder, TellsWhatItsHeadsLookWithAndWhatAnEvenSpreadIs) {
  nn::initialisation init(1);
  const encoder model(small_config(), init);
  const auto examples = mixed_examples();
  const encoder_batch batch = model.join({&examples[1], 1});
  const auto links = model.links(batch);
  const auto looks = model.looks(batch);
  ASSERT_EQ(links.size(), 2u);
  for (std::size_t layer = 0; layer < 2; ++layer)
    EXPECT_TRUE(std::ranges::equal(model.attention_weights(links[layer]).to_contiguous().values<float>(),
                                   looks[layer].to_contiguous().values<float>()));
  const auto even = statistics_with(*model.even_rule(), links[0].queries, links[0].keys, {.top = 0});
  for (const float entropy : even.entropy.values<float>()) EXPECT_NEAR(entropy, std::log(8), 1e-5);
  EXPECT_THAT(message_of([&] { model.links(model.join(examples)); }), HasSubstr("one sequence to look at; found 3"));
}

TEST(Encoder, ShowsNoHeadsWhereItHasNone) {
  nn::initialisation init(1);
  auto config = small_config();
  config.mixer = nn::mixer_kind::fourier;
  const encoder model(config, init);
  const auto examples = mixed_examples();
  EXPECT_THAT(message_of([&] { model.looks(model.join({&examples[1], 1})); }),
              HasSubstr("expected a layer whose mixer is attention; found fourier"));
}

TEST(Encoder, RefusesWhatItDoesNotRead) {
  auto config = small_config();
  config.vocabulary = 0;
  config.context = 5;
  const encoder_classifier model(config, 1);
  const auto complaint = [&](const encoder_example& e) {
    return message_of<shape_error>([&] { model.join({&e, 1}); });
  };
  EXPECT_THAT(complaint({.text = {1}}), HasSubstr("no texts, which this model does not read"));
  EXPECT_THAT(complaint({}), HasSubstr("something to read; found an empty sequence"));
  EXPECT_THAT(complaint({.patches = tensor({3, 7})}), HasSubstr("patches of [T, 6]; found [3, 7]"));
  EXPECT_THAT(complaint({.patches = tensor({5, 6})}),
              HasSubstr("at most 5 tokens, the context of this model; found 6"));
  EXPECT_THROW(model.join({}), shape_error);
  config.classes = 1;
  EXPECT_THROW(encoder_classifier(config, 1), shape_error);
}

TEST(EncoderConfig, SurvivesItsTextForm) {
  auto config = small_config();
  config.norms = nn::norm_place::after;
  config.embedding_norm = true;
  config.pooling = pooling::mean;
  config.positions = nn::position_kind::fourier;
  config.dropout = 0.25;
  config.biases = false;
  config.mixer = nn::mixer_kind::convolution;
  config.taps = 3;
  config.position_range = 8;
  EXPECT_EQ(encoder_config_from_json(to_json(config)), config);
  EXPECT_THAT(message_of([] { encoder_config_from_json("{\"pooling\": \"sum\"}"); }),
              HasSubstr("pooling to be one of class_token, mean; found \"sum\""));
}

TEST(EncoderConfig, RefusesNumbersThatDoNotFit) {
  const auto complaint = [](auto change) {
    auto config = small_config();
    change(config);
    return message_of([&] { check(config); });
  };
  EXPECT_THAT(complaint([](auto& c) { c.heads = 3; }), HasSubstr("found 3 heads and width 8"));
  EXPECT_THAT(complaint([](auto& c) { c.layers = 0; }), HasSubstr("layers from 1 to 16777215; found 0"));
  EXPECT_THAT(complaint([](auto& c) { c.patch_width = -1; }), HasSubstr("patch_width from 0"));
  EXPECT_THAT(complaint([](auto& c) { c.vocabulary = c.patch_width = c.frame_width = 0; }),
              HasSubstr("found nothing that it could read"));
  EXPECT_THAT(complaint([](auto& c) { c.positions = nn::position_kind::rotary; }), HasSubstr("found rotary"));
  EXPECT_THAT(complaint([](auto& c) { c.mixer = nn::mixer_kind::fourier, c.positions = nn::position_kind::alibi; }),
              HasSubstr("positions that are added to tokens, or none, with the mixer fourier; found alibi"));
  EXPECT_THAT(complaint([](auto& c) { c.mixer = nn::mixer_kind::convolution, c.taps = 13; }),
              HasSubstr("taps of the convolution from 1 to the context of 12; found 13"));
  EXPECT_THAT(complaint([](auto& c) { c.mixer = nn::mixer_kind::gru, c.width = 9, c.heads = 3; }),
              HasSubstr("an even width, half of it for each direction of a GRU; found 9"));
  EXPECT_THAT(complaint([](auto& c) { c.positions = nn::position_kind::relative, c.position_range = 5; }),
              HasSubstr("as many for each side; found 5"));
}

// Masked language models.

encoder_config bert() {
  return {.vocabulary = 11,
          .context = 10,
          .layers = 2,
          .heads = 2,
          .width = 8,
          .norms = nn::norm_place::after,
          .embedding_norm = true};
}

TEST(MaskedLanguageModel, HasTheGradientOfItsLoss) {
  for (const auto pooling : {pooling::class_token, pooling::mean}) {
    auto config = bert();
    config.pooling = pooling;
    const masked_language_model model(config, 1);
    enlarge(model, 0.7f);
    const std::int32_t none = ignored_target;
    const std::vector<masked_text> texts{{{1, 0, 3}, {none, 2, none}}, {{4, 5, 0, 7}, {4, none, 6, none}}};
    expect_gradient_matches(model, [&] { return model.loss(texts); });
  }
}

TEST(MaskedLanguageModel, IsAskedForWhatWasMaskedOnly) {
  const masked_language_model model(bert(), 1);
  enlarge(model, 0.7f);
  const std::int32_t none = ignored_target;
  const std::vector<masked_text> texts{{{4, 5, 0, 7}, {none, none, 6, none}}};
  const tensor logits = model.logits(std::vector<std::int32_t>{4, 5, 0, 7});
  ASSERT_EQ(logits.shape(), (shape{4, 11}));
  double sum = 0;
  for (long v = 0; v < 11; ++v) sum += std::exp(double(logits.at<float>(2, v)));
  EXPECT_NEAR(model.loss(texts).value().item(), std::log(sum) - double(logits.at<float>(2, 6)), 1e-5);
  EXPECT_THAT(message_of([&] { model.loss({{{{1}, {none}}}}); }), HasSubstr("at least one token that is asked for"));
  EXPECT_THAT(message_of([&] { model.loss({{{{1, 2}, {1}}}}); }), HasSubstr("2 targets, one for each token; found 1"));
}

TEST(MaskedLanguageModel, CountsTheAnswersThatAreRight) {
  for (const auto pooling : {pooling::class_token, pooling::mean}) {
    auto config = bert();
    config.pooling = pooling;
    const masked_language_model model(config, 1);
    enlarge(model, 0.7f);
    const std::int32_t none = ignored_target;
    const std::vector<std::int32_t> tokens{4, 5, 0, 7};
    const tensor logits = model.logits(tokens);
    const auto row = logits.select(0, 2).values<float>();
    const auto best = std::int32_t(std::ranges::max_element(row) - row.begin());
    const std::vector<masked_text> texts{{tokens, {none, none, best, none}},
                                         {tokens, {none, none, (best + 1) % 11, none}}};
    const filled_holes holes = model.filled(texts);
    EXPECT_EQ(holes.asked, 2);
    EXPECT_EQ(holes.right, 1);
    EXPECT_NEAR(holes.loss / 2, model.loss(texts).value().item(), 1e-6);
    EXPECT_THAT(message_of([&] { model.filled({{{{1}, {none}}}}); }), HasSubstr("at least one token"));
  }
}

TEST(Masked, FollowsItsShares) {
  std::vector<std::int32_t> tokens(100000, 5);
  tokens[0] = 1;  // not a word
  const masking_options options{.mask = 2, .first_word = 3};
  const auto text = masked(tokens, 50, options, {1, 2}, 7);
  long asked = 0, holes = 0, kept = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (text.targets[i] == ignored_target) {
      EXPECT_EQ(text.tokens[i], tokens[i]);
      continue;
    }
    ++asked;
    EXPECT_EQ(text.targets[i], tokens[i]);
    holes += text.tokens[i] == 2;
    kept += text.tokens[i] == 5;
    EXPECT_TRUE(text.tokens[i] >= 2 && text.tokens[i] < 50);
  }
  EXPECT_EQ(text.targets[0], ignored_target);
  EXPECT_NEAR(double(asked), 15000, 500);
  EXPECT_NEAR(double(holes) / double(asked), 0.8, 0.02);
  EXPECT_NEAR(double(kept) / double(asked), 0.1 + 0.1 / 47, 0.02);
  EXPECT_EQ(masked(tokens, 50, options, {1, 2}, 7).tokens, text.tokens);
  EXPECT_NE(masked(tokens, 50, options, {1, 2}, 8).tokens, text.tokens);
}

}  // namespace
}  // namespace qkv
