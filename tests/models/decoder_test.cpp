#include "qkv/models/decoder.h"

#include <gmock/gmock.h>

#include <cmath>

#include "qkv/base/random.h"
#include "qkv/base/threads.h"
#include "tests/base/message_of.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

tensor random_tokens(long sequences, long length, long vocabulary, std::uint64_t stream) {
  const tensor t({sequences, length}, dtype::int32);
  std::uint64_t i = 0;
  for (auto& token : t.values<std::int32_t>()) {
    token = std::int32_t(random_stream{3, stream}.below(i++, std::uint64_t(vocabulary)));
  }
  return t;
}

decoder_config small_config() { return {.vocabulary = 11, .context = 8, .layers = 2, .heads = 2, .width = 8}; }

/// Weights large enough for differences in float32 to see.
void enlarge(const decoder& model, float factor) {
  model.visit("", [&](const std::string& name, const variable& v) {
    // The weights of a GRU are large from the beginning.
    if (name.find("norm") != std::string::npos || name.find("recurrent") != std::string::npos) return;
    for (float& x : v.value().values<float>()) x *= factor;
  });
}

/// A random direction in the space of all parameters: the derivative along it against the difference.
void expect_gradient_matches(const decoder& model) {
  const tensor tokens = random_tokens(2, 6, 11, 1), targets = random_tokens(2, 6, 11, 2);
  const auto parameters = nn::parameters_of(model);
  backward(model.loss(tokens, targets));
  for (const auto& p : parameters) {
    std::vector<float> direction,
        before(p.value.value().values<float>().begin(), p.value.value().values<float>().end());
    double along = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      direction.push_back(float(random_stream{9, 0}.normal(i)));
      along += double(p.value.gradient().values<float>()[i]) * direction.back();
    }
    const no_gradient values_only;
    const float step = 0.01f / std::sqrt(float(before.size()));
    const auto loss_at = [&](int k) {
      for (std::size_t i = 0; i < before.size(); ++i)
        p.value.value().values<float>()[i] = before[i] + float(k) * step * direction[i];
      return model.loss(tokens, targets).value().item();
    };
    const double difference = (8 * (loss_at(1) - loss_at(-1)) - (loss_at(2) - loss_at(-2))) / (12 * double(step));
    loss_at(0);
    EXPECT_NEAR(along, difference, 2e-3 * std::max(1.0, std::abs(difference))) << p.name;
  }
}

TEST(Decoder, HasTheGradientOfItsLoss) {
  const decoder model(small_config(), 1);
  enlarge(model, 15);
  expect_gradient_matches(model);
}

TEST(Decoder, HasTheGradientOfItsLossInEveryArrangement) {
  for (const auto positions : {nn::position_kind::none, nn::position_kind::sinusoidal, nn::position_kind::fourier,
                               nn::position_kind::rotary}) {
    auto config = small_config();
    config.positions = positions;
    config.feed_forward = nn::feed_forward_kind::swiglu;
    config.norm = nn::norm_kind::rms_norm;
    config.key_heads = 1;
    config.tied_head = false;
    config.window = 3;
    const decoder model(config, 1);
    enlarge(model, 15);
    expect_gradient_matches(model);
  }
  auto config = small_config();
  config.norms = nn::norm_place::after;
  config.biases = true;
  const decoder model(config, 1);
  enlarge(model, 15);
  expect_gradient_matches(model);
}

/// Every mixer that a decoder may have, every way to tell positions by scores, and the options of attention.
std::vector<decoder_config> configurations() {
  std::vector<decoder_config> all;
  for (const auto mixer : {nn::mixer_kind::uniform, nn::mixer_kind::mlp, nn::mixer_kind::convolution,
                           nn::mixer_kind::linear_attention, nn::mixer_kind::gru}) {
    all.push_back(small_config());
    all.back().mixer = mixer;
    all.back().biases = true;
  }
  all.push_back(all[0]);
  all.back().window = 3;
  for (const auto positions : {nn::position_kind::alibi, nn::position_kind::relative, nn::position_kind::local}) {
    all.push_back(small_config());
    all.back().positions = positions;
    all.back().position_range = positions == nn::position_kind::local ? 3 : 4;
  }
  for (const auto shared : {nn::shared_projections::query_key, nn::shared_projections::all}) {
    all.push_back(small_config());
    all.back().shared_projections = shared;
    all.back().query_context = 3;
    all.back().adapted_keys = true;
  }
  return all;
}

TEST(Decoder, WithLocalPositionsLooksNearWithHalfOfItsHeadsFromTheStart) {
  decoder_config config{.vocabulary = 9, .context = 64, .layers = 1, .heads = 4, .width = 16};
  config.positions = nn::position_kind::local;
  config.position_range = 4;
  const decoder model(config, 1);
  long tables = 0;
  for (const auto& p : nn::parameters_of(model)) {
    if (!p.name.ends_with("parts.0")) continue;
    ++tables;
    const tensor& table = p.value.value();
    for (long head = 0; head < 4; ++head)
      for (long distance = 0; distance < 4; ++distance)
        EXPECT_NEAR(table.at<float>(head, distance), head < 2 && distance == head + 1 ? std::log(64.) : 0, 0.2);
  }
  EXPECT_EQ(tables, 1);
}

TEST(Decoder, HasTheGradientOfItsLossWithEveryMixerAndOptionOfAttention) {
  for (const auto& config : configurations()) {
    SCOPED_TRACE(to_json(config));
    const decoder model(config, 1);
    enlarge(model, 15);
    expect_gradient_matches(model);
  }
}

TEST(Decoder, DoesNotLookAheadWithAnyMixerAndReadsOn) {
  for (const auto& config : configurations()) {
    SCOPED_TRACE(to_json(config));
    const decoder model(config, 1);
    const tensor tokens = random_tokens(2, 8, 11, 1), changed = tokens.clone();
    for (long b = 0; b < 2; ++b) changed.at<std::int32_t>(b, 7) = (changed.at<std::int32_t>(b, 7) + 1) % 11;
    const tensor whole = model.logits(tokens), other = model.logits(changed);
    for (long t = 0; t < 7; ++t) EXPECT_EQ(whole.at<float>(0, t, 5), other.at<float>(0, t, 5));
    auto cache = model.make_cache(2);
    for (int round = 0; round < 2; ++round, cache.shorten(0))
      for (long from = 0; const long length : {3L, 1L, 1L, 2L, 1L}) {
        const tensor next = model.next_logits(tokens.slice(1, from, from + length).to_contiguous(), cache);
        from += length;
        for (long v = 0; v < 11; ++v) EXPECT_NEAR(next.at<float>(1, v), whole.at<float>(1, from - 1, v), 2e-5);
      }
  }
}

TEST(Decoder, StartsWithAGuessThatKnowsNothing) {
  const decoder model(small_config(), 1);
  const double loss = model.loss(random_tokens(4, 8, 11, 1), random_tokens(4, 8, 11, 2)).value().item();
  EXPECT_NEAR(loss, std::log(11.0), 0.05);
}

TEST(Decoder, DoesNotLookAhead) {
  const decoder model(small_config(), 1);
  const tensor tokens = random_tokens(1, 8, 11, 1), changed = tokens.clone();
  changed.at<std::int32_t>(0, 7) = (changed.at<std::int32_t>(0, 7) + 1) % 11;
  const tensor a = model.logits(tokens), b = model.logits(changed);
  for (long t = 0; t < 7; ++t) EXPECT_EQ(a.at<float>(0, t, 5), b.at<float>(0, t, 5));
  EXPECT_NE(a.at<float>(0, 7, 5), b.at<float>(0, 7, 5));
}

TEST(Decoder, ReadsPieceByPieceAsAtOnce) {
  for (const auto positions : {nn::position_kind::learned, nn::position_kind::rotary, nn::position_kind::fourier}) {
    auto config = small_config();
    config.positions = positions;
    config.window = 5;
    const decoder model(config, 1);
    const tensor tokens = random_tokens(2, 8, 11, 1);
    const tensor whole = model.logits(tokens);
    auto cache = model.make_cache(2);
    for (long from = 0; const long length : {3L, 1L, 1L, 2L, 1L}) {
      const tensor next = model.next_logits(tokens.slice(1, from, from + length).to_contiguous(), cache);
      from += length;
      for (long v = 0; v < 11; ++v) EXPECT_NEAR(next.at<float>(1, v), whole.at<float>(1, from - 1, v), 2e-5);
    }
    EXPECT_EQ(cache.length(), 8);
  }
}

TEST(Decoder, ShowsWhatItsHeadsLookAt) {
  auto config = small_config();
  config.key_heads = 1;
  const decoder model(config, 1);
  const auto layers = model.links(random_tokens(1, 6, 11, 1));
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].queries.shape(), (shape{1, 6, 2, 4}));
  EXPECT_EQ(layers[0].keys.shape(), (shape{1, 6, 1, 4}));
  const tensor weights = model.attention_weights(layers[1]);
  ASSERT_EQ(weights.shape(), (shape{1, 2, 6, 6}));
  for (long t = 0; t < 6; ++t) {
    double sum = 0;
    for (long s = 0; s < 6; ++s) sum += weights.at<float>(0, 1, t, s);
    EXPECT_NEAR(sum, 1, 1e-5);
    for (long s = t + 1; s < 6; ++s) EXPECT_EQ(weights.at<float>(0, 1, t, s), 0);
  }
}

TEST(Decoder, ShowsLinksOfAttentionAlone) {
  for (const auto& config : configurations()) {
    const decoder model(config, 1);
    const auto links = [&] { return model.links(random_tokens(1, 6, 11, 1)); };
    if (config.mixer != nn::mixer_kind::attention) {
      EXPECT_THAT(message_of(links), HasSubstr("expected a layer whose mixer is attention; found " +
                                               std::string(nn::name_of(config.mixer))));
      continue;
    }
    const tensor weights = model.attention_weights(links()[1]);
    double sum = 0;
    for (long s = 0; s < 6; ++s) sum += weights.at<float>(0, 1, 4, s);
    EXPECT_NEAR(sum, 1, 1e-5);
  }
}

TEST(Decoder, RefusesBadTokens) {
  const decoder model(small_config(), 1);
  const tensor targets = random_tokens(1, 3, 11, 2);
  const tensor outside({1, 3}, std::vector<std::int32_t>{1, 11, 2}),
      negative({1, 3}, std::vector<std::int32_t>{1, -1, 2});
  EXPECT_THAT(message_of([&] { model.loss(outside, targets); }), HasSubstr("found 11"));
  EXPECT_THAT(message_of([&] { model.logits(negative); }), HasSubstr("found -1"));
  EXPECT_THAT(message_of([&] { model.loss(targets, outside); }), HasSubstr("found 11"));
  EXPECT_THAT(message_of([&] { model.logits(random_tokens(1, 9, 11, 1)); }),
              HasSubstr("decoder: expected at most 8 tokens, the context of this model; found 9"));
  EXPECT_THAT(message_of([&] { model.logits(tensor({1, 3})); }), HasSubstr("expected tokens [B, T] int32"));
  EXPECT_THAT(message_of([&] { model.logits(tensor({1, 0}, dtype::int32)); }), HasSubstr("at least one"));
  decoder_cache no_cache;
  EXPECT_THAT(message_of([&] { model.next_logits(targets, no_cache); }), HasSubstr("a cache of 2 layers"));
}

TEST(DecoderConfig, SurvivesItsTextForm) {
  auto config = small_config();
  config.feed_forward = nn::feed_forward_kind::swiglu;
  config.positions = nn::position_kind::rotary;
  config.norm = nn::norm_kind::rms_norm;
  config.norms = nn::norm_place::after;
  config.dropout = 0.25;
  config.biases = true;
  EXPECT_EQ(decoder_config_from_json(to_json(config)), config);
  for (const auto& other : configurations()) EXPECT_EQ(decoder_config_from_json(to_json(other)), other);
  // What was written before there were mixers.
  EXPECT_EQ(decoder_config_from_json("{\"width\": 64}").mixer, nn::mixer_kind::attention);
}

TEST(DecoderConfig, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(message_of([] { decoder_config_from_json("{\"wdith\": 3}"); }), HasSubstr("found \"wdith\""));
  EXPECT_THAT(message_of([] { decoder_config_from_json("{\"norm\": \"batch\"}"); }),
              HasSubstr("norm to be one of layer_norm, rms_norm; found \"batch\""));
  EXPECT_THAT(message_of([] { decoder_config_from_json("{\"width\": \"wide\"}"); }),
              HasSubstr("width to be a whole number"));
  EXPECT_THAT(message_of([] { decoder_config_from_json("not json"); }), HasSubstr("expected a JSON object"));
}

TEST(DecoderConfig, RefusesNumbersThatDoNotFit) {
  const auto complaint = [](auto change) {
    auto config = small_config();
    change(config);
    return message_of([&] { decoder(config, 1); });
  };
  EXPECT_THAT(complaint([](auto& c) { c.heads = 3; }), HasSubstr("found 3 heads and width 8"));
  EXPECT_THAT(complaint([](auto& c) { c.vocabulary = 0; }), HasSubstr("vocabulary from 1 to 16777215; found 0"));
  EXPECT_THAT(complaint([](auto& c) { c.dropout = 1; }), HasSubstr("dropout"));
  EXPECT_THAT(complaint([](auto& c) { c.heads = 8, c.positions = nn::position_kind::rotary; }), HasSubstr("rotary"));
  EXPECT_THAT(complaint([](auto& c) { c.mixer = nn::mixer_kind::fourier; }),
              HasSubstr("kept from those after them; found fourier"));
  EXPECT_THAT(complaint([](auto& c) { c.mixer = nn::mixer_kind::gru, c.window = 3; }), HasSubstr("no window"));
  EXPECT_THAT(complaint([](auto& c) { c.mixer = nn::mixer_kind::gru, c.positions = nn::position_kind::alibi; }),
              HasSubstr("positions that are added to tokens, or none, with the mixer"));
  EXPECT_THAT(complaint([](auto& c) { c.mixer = nn::mixer_kind::mlp, c.adapted_keys = true; }),
              HasSubstr("no options of attention with the mixer mlp"));
  EXPECT_THAT(complaint([](auto& c) { c.mixer = nn::mixer_kind::convolution, c.taps = 9; }), HasSubstr("taps of the convolution from 1"));
  EXPECT_THAT(complaint([](auto& c) { c.key_heads = 1, c.shared_projections = nn::shared_projections::all; }),
              HasSubstr("as many key heads as heads"));
}

}  // namespace
}  // namespace qkv
