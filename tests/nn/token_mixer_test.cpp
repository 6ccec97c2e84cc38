#include "qkv/nn/token_mixer.h"

#include <gmock/gmock.h>

#include <cmath>

#include "qkv/base/threads.h"
#include "tests/autograd/gradient_check.h"
#include "tests/base/message_of.h"

namespace qkv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const auto kinds = {nn::mixer_kind::attention,   nn::mixer_kind::uniform, nn::mixer_kind::mlp,
                    nn::mixer_kind::convolution, nn::mixer_kind::fourier, nn::mixer_kind::linear_attention,
                    nn::mixer_kind::gru};

/// Six tokens of width 8; weights large enough for differences in float32 to see.
nn::token_mixer make_mixer(nn::mixer_kind kind, bool is_causal, bool biases = false, long tokens = 6) {
  nn::initialisation init(5);
  init.deviation = 0.4;
  if (kind == nn::mixer_kind::attention) {
    const nn::attention_options options{.width = 8, .heads = 2, .biases = biases, .out_deviation = 0.4};
    return is_causal ? nn::multi_head_attention(options, init, causal) : nn::multi_head_attention(options, init);
  }
  return nn::make_token_mixer(kind,
                              {.width = 8,
                               .heads = 2,
                               .tokens = tokens,
                               .taps = 3,
                               .causal = is_causal,
                               .biases = biases,
                               .out_deviation = 0.4},
                              init);
}

std::vector<float> numbers_of(const tensor& t) {
  const tensor dense = t.to_contiguous();
  return {dense.values<float>().begin(), dense.values<float>().end()};
}

void expect_near(const tensor& a, const tensor& b, double tolerance, const std::string& what) {
  ASSERT_EQ(a.shape(), b.shape()) << what;
  const auto x = numbers_of(a), y = numbers_of(b);
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], tolerance) << what << " at " << i;
}

TEST(TokenMixer, KnowsItsKindAndNamesItsParameters) {
  for (const auto kind : kinds) EXPECT_EQ(make_mixer(kind, false).kind(), kind);
  const auto names = [](nn::mixer_kind kind) {
    std::vector<std::string> all;
    for (const auto& p : nn::parameters_of(make_mixer(kind, kind != nn::mixer_kind::fourier, true)))
      all.push_back(p.name);
    return all;
  };
  EXPECT_THAT(names(nn::mixer_kind::attention), ElementsAre("joint.weight", "joint.bias", "out.weight", "out.bias"));
  EXPECT_THAT(names(nn::mixer_kind::uniform), ElementsAre("value.weight", "value.bias", "out.weight", "out.bias"));
  EXPECT_THAT(names(nn::mixer_kind::mlp), ElementsAre("up.weight", "up.bias", "down.weight", "down.bias"));
  EXPECT_THAT(names(nn::mixer_kind::convolution),
              ElementsAre("convolution.weight", "convolution.bias", "out.weight", "out.bias"));
  EXPECT_THAT(names(nn::mixer_kind::fourier), ElementsAre());
  EXPECT_THAT(names(nn::mixer_kind::linear_attention),
              ElementsAre("joint.weight", "joint.bias", "out.weight", "out.bias"));
  EXPECT_THAT(
      names(nn::mixer_kind::gru),
      ElementsAre("recurrent.layers.0.input.weight", "recurrent.layers.0.input.bias",
                  "recurrent.layers.0.hidden.weight", "recurrent.layers.0.hidden.bias", "out.weight", "out.bias"));
}

TEST(TokenMixer, HasGradientsForTokensResidualAndParameters) {
  for (const auto kind : kinds)
    for (const bool is_causal : {false, true}) {
      if (is_causal && !nn::has_causal_form(kind)) continue;
      SCOPED_TRACE(std::string(nn::name_of(kind)) + (is_causal ? ", causal" : ""));
      const nn::token_mixer mixer = make_mixer(kind, is_causal, true);
      expect_gradients_match([&](const std::vector<variable>& v) { return mixer(v[0], v[1]); },
                             {random_tensor({2, 6, 8}, 1), random_tensor({2, 6, 8}, 2)}, 1e-3);
      // Parameters: the derivative along a random direction of each.
      const variable x(random_tensor({2, 6, 8}, 3));
      const variable y = mixer(x);
      const auto parameters = nn::parameters_of(mixer);
      for (const auto& p : parameters) p.value.clear_gradient();
      if (parameters.empty()) continue;
      backward(y, random_tensor(y.shape(), 1000));
      for (const auto& p : parameters) {
        const auto values = p.value.value().values<float>();
        ASSERT_FALSE(p.value.gradient().empty()) << p.name;
        const std::vector<float> before(values.begin(), values.end());
        double along = 0;
        std::vector<float> direction;
        for (std::size_t i = 0; i < values.size(); ++i) {
          direction.push_back(float(random_stream{9, 0}.normal(i)));
          along += double(p.value.gradient().values<float>()[i]) * direction.back();
        }
        const no_gradient values_only;
        const float step = 0.02f / std::sqrt(float(values.size()));
        const auto at = [&](int k) {
          for (std::size_t i = 0; i < values.size(); ++i) values[i] = before[i] + float(k) * step * direction[i];
          return weighted_sum(mixer(x).value());
        };
        const double slope = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * double(step));
        at(0);
        EXPECT_NEAR(along, slope, 3e-3 * std::max(1.0, std::abs(slope))) << p.name;
      }
    }
}

TEST(TokenMixer, AddsItsResidual) {
  for (const auto kind : kinds) {
    const nn::token_mixer mixer = make_mixer(kind, false);
    const variable x(random_tensor({1, 6, 8}, 1)), r(random_tensor({1, 6, 8}, 2));
    expect_near(mixer(x, r).value(), add(r, mixer(x)).value(), 1e-6, nn::name_of(kind));
  }
}

TEST(TokenMixer, DoesNotLookAheadWhenItIsCausal) {
  for (const auto kind : kinds) {
    if (!nn::has_causal_form(kind)) continue;
    const nn::token_mixer mixer = make_mixer(kind, true, true);
    const tensor x = random_tensor({1, 6, 8}, 1), changed = x.clone();
    for (long c = 0; c < 8; ++c) changed.at<float>(0, 4, c) += 1;
    const tensor a = mixer(variable(x)).value(), b = mixer(variable(changed)).value();
    for (long t = 0; t < 4; ++t)
      for (long c = 0; c < 8; ++c) EXPECT_EQ(a.at<float>(0, t, c), b.at<float>(0, t, c)) << nn::name_of(kind);
    EXPECT_NE(a.at<float>(0, 4, 0), b.at<float>(0, 4, 0)) << nn::name_of(kind);
  }
}

TEST(TokenMixer, SeesTokensAfterItWhenItIsNotCausal) {
  for (const auto kind : kinds) {
    const nn::token_mixer mixer = make_mixer(kind, false);
    const tensor x = random_tensor({1, 6, 8}, 1), changed = x.clone();
    for (long c = 0; c < 8; ++c) changed.at<float>(0, 2, c) += 1;
    const tensor a = mixer(variable(x)).value(), b = mixer(variable(changed)).value();
    EXPECT_NE(a.at<float>(0, 1, 0), b.at<float>(0, 1, 0)) << nn::name_of(kind);
  }
}

TEST(TokenMixer, ReadsOnFromItsState) {
  for (const auto kind : kinds) {
    if (!nn::has_causal_form(kind)) continue;
    const nn::token_mixer mixer = make_mixer(kind, true, true);
    const tensor x = random_tensor({2, 6, 8}, 1), residual = random_tensor({2, 6, 8}, 2);
    const tensor whole = mixer(variable(x), variable(residual)).value();
    nn::mixer_state state = mixer.make_state(2, 6);
    for (int round = 0; round < 2; ++round) {
      for (long from = 0; const long count : {3L, 1L, 2L}) {
        const auto part = [&](const tensor& t) { return variable(t.slice(1, from, from + count).to_contiguous()); };
        expect_near(mixer.continued(part(x), state, part(residual)).value(), whole.slice(1, from, from + count), 1e-5,
                    nn::name_of(kind));
        from += count;
        EXPECT_EQ(state.length(), from);
      }
      EXPECT_THAT(message_of([&] {
                    mixer.continued(variable(random_tensor({2, 1, 8}, 1)), state, {});
                  }),
                  HasSubstr("expected at most 6 tokens; found 7"));
      state.shorten(0);  // and once more from the beginning
    }
  }
}

TEST(TokenMixer, ForgetsAPartOnlyWhereItCan) {
  for (const auto kind : kinds) {
    if (!nn::has_causal_form(kind)) continue;
    const nn::token_mixer mixer = make_mixer(kind, true);
    const tensor x = random_tensor({1, 6, 8}, 1);
    nn::mixer_state state = mixer.make_state(1, 6);
    mixer.continued(variable(x.slice(1, 0, 5).to_contiguous()), state, {});
    if (kind == nn::mixer_kind::linear_attention || kind == nn::mixer_kind::gru) {
      EXPECT_THAT(message_of([&] { state.shorten(3); }), HasSubstr("found 3 of 5 tokens to be kept"));
      continue;
    }
    state.shorten(3);
    const tensor again = mixer.continued(variable(x.slice(1, 3, 6).to_contiguous()), state, {}).value();
    expect_near(again, mixer(variable(x)).value().slice(1, 3, 6), 1e-5, nn::name_of(kind));
  }
}

TEST(TokenMixer, TakesPackedSequencesAsIfEachWereAlone) {
  const std::vector<long> of_many_lengths{0, 4, 4, 5, 9}, of_one_length{0, 3, 6, 9};
  for (const auto kind : kinds)
    for (const bool is_causal : {false, true})
      for (const auto& offsets : {of_many_lengths, of_one_length}) {
        if (is_causal && !nn::has_causal_form(kind)) continue;
        SCOPED_TRACE(nn::name_of(kind));
        const nn::token_mixer mixer = make_mixer(kind, is_causal);
        const tensor x = random_tensor({1, 9, 8}, 1);
        const tensor together = mixer(variable(x), variable(x), packed(offsets)).value();
        for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
          if (offsets[b] == offsets[b + 1]) continue;
          const variable one(x.slice(1, offsets[b], offsets[b + 1]).to_contiguous());
          expect_near(together.slice(1, offsets[b], offsets[b + 1]), mixer(one, one).value(), 1e-5, "sequence");
        }
        expect_gradients_match([&](const std::vector<variable>& v) { return mixer(v[0], {}, packed(offsets)); }, {x},
                               1e-3);
      }
}

TEST(TokenMixer, HasTheSameBitsForAnyNumberOfThreads) {
  const int before = thread_count();
  for (const auto kind : kinds) {
    const nn::token_mixer mixer = make_mixer(kind, nn::has_causal_form(kind), false, 70);
    const variable x(random_tensor({3, 70, 8}, 1));
    set_thread_count(1);
    const auto alone = numbers_of(mixer(x).value());
    set_thread_count(3);
    EXPECT_EQ(alone, numbers_of(mixer(x).value())) << nn::name_of(kind);
  }
  set_thread_count(before);
}

TEST(UniformMixer, IsTheRunningMean) {
  nn::initialisation init(1);
  nn::uniform_mixer mixer({.width = 4, .heads = 2}, init, causal);
  for (const variable& w : {mixer.value.weight, mixer.out.weight}) {
    w.value().fill(0);
    for (long i = 0; i < 4; ++i) w.value().at<float>(i, i) = 1;
  }
  const tensor x = random_tensor({1, 5, 4}, 1), y = mixer(variable(x)).value();
  for (long c = 0; c < 4; ++c) {
    double sum = 0;
    for (long t = 0; t < 5; ++t) {
      sum += x.at<float>(0, t, c);
      EXPECT_NEAR(y.at<float>(0, t, c), sum / double(t + 1), 1e-6);
    }
  }
}

TEST(MlpMixer, TakesShorterSequencesAndRefusesLongerOnesWhenItIsCausal) {
  const nn::token_mixer mixer = make_mixer(nn::mixer_kind::mlp, true, true);
  const tensor x = random_tensor({2, 6, 8}, 1);
  expect_near(mixer(variable(x.slice(1, 0, 4).to_contiguous())).value(), mixer(variable(x)).value().slice(1, 0, 4),
              1e-6, "the first four tokens");
  EXPECT_THAT(message_of([&] {
                mixer(variable(random_tensor({1, 7, 8}, 1)));
              }),
              HasSubstr("mlp_mixer: expected at most 6 tokens; found 7"));
}

TEST(MlpMixer, TakesAShorterSequenceAsOneThatEndsInZerosWhenItIsNotCausal) {
  const nn::token_mixer mixer = make_mixer(nn::mixer_kind::mlp, false, true);
  const tensor ended = random_tensor({2, 6, 8}, 1);
  ended.slice(1, 4, 6).fill(0);
  expect_near(mixer(variable(ended.slice(1, 0, 4).to_contiguous())).value(),
              mixer(variable(ended)).value().slice(1, 0, 4), 1e-6, "the first four tokens");
}

TEST(TokenMixer, RefusesWhatCannotBe) {
  EXPECT_THAT(message_of([] { make_mixer(nn::mixer_kind::fourier, true); }),
              HasSubstr("every token of a Fourier transform sees those after it"));
  for (const auto kind : {nn::mixer_kind::mlp, nn::mixer_kind::convolution, nn::mixer_kind::fourier,
                          nn::mixer_kind::linear_attention, nn::mixer_kind::gru}) {
    const nn::token_mixer mixer = make_mixer(kind, false);
    nn::mixer_state state = mixer.make_state(1, 6);
    EXPECT_THAT(message_of([&] {
                  mixer.continued(variable(random_tensor({1, 2, 8}, 1)), state, {});
                }),
                HasSubstr("expected a causal mixer"))
        << nn::name_of(kind);
  }
  nn::initialisation init(1);
  EXPECT_THROW(nn::make_token_mixer(nn::mixer_kind::uniform, {.width = 8, .heads = 3}, init), shape_error);
  EXPECT_THROW(nn::make_token_mixer(nn::mixer_kind::convolution, {.width = 8, .taps = 0}, init), shape_error);
  EXPECT_THROW(nn::make_token_mixer(nn::mixer_kind::attention, {.width = 8}, init), shape_error);
}

nn::multi_head_attention make_attention(nn::attention_options options) {
  nn::initialisation init(5);
  init.deviation = 0.4;
  options.width = 8, options.heads = 2, options.out_deviation = 0.4;
  nn::multi_head_attention attend(options, init, causal);
  if (!attend.context.empty())
    for (float& w : attend.context.value().values<float>()) w += 0.3f;
  return attend;
}

/// Every option that changes what queries and keys are made of.
std::vector<nn::attention_options> attention_choices(const rotary_table& turn) {
  return {{.query_context = 3},
          {.adapted_keys = true},
          {.shared = nn::shared_projections::query_key},
          {.shared = nn::shared_projections::all},
          {.key_heads = 1, .rotary = &turn, .query_context = 2, .adapted_keys = true},
          {.biases = true, .rotary = &turn, .shared = nn::shared_projections::query_key, .query_context = 2},
          {.biases = true, .shared = nn::shared_projections::all, .query_context = 2, .adapted_keys = true}};
}

TEST(AttentionOptions, HaveGradients) {
  const rotary_table turn = make_rotary_table(8, 4);
  for (const auto& options : attention_choices(turn)) {
    const nn::multi_head_attention attend = make_attention(options);
    const auto with = [&](const std::vector<variable>& v) {
      nn::multi_head_attention copy = attend;
      copy.joint.weight = v[1];
      if (!copy.context.empty()) copy.context = v[2];
      if (!copy.adapt.weight.empty()) copy.adapt.weight = v.back();
      return copy(v[0], v[0]);
    };
    std::vector<tensor> values{random_tensor({1, 5, 8}, 1), attend.joint.weight.value().clone()};
    if (!attend.context.empty()) values.push_back(attend.context.value().clone());
    if (!attend.adapt.weight.empty()) values.push_back(attend.adapt.weight.value().clone());
    expect_gradients_match(with, values, 1e-3);
  }
}

TEST(AttentionOptions, ReadOnFromTheirStateAndDoNotLookAhead) {
  const rotary_table turn = make_rotary_table(8, 4);
  for (int number = 0; const auto& options : attention_choices(turn)) {
    SCOPED_TRACE("choice " + std::to_string(number++));
    const nn::multi_head_attention attend = make_attention(options);
    const tensor x = random_tensor({2, 6, 8}, 1);
    const tensor whole = attend(variable(x)).value();
    auto state = attend.make_state(2, 6);
    for (long from = 0; const long count : {2L, 1L, 3L}) {
      expect_near(attend.continued(variable(x.slice(1, from, from + count).to_contiguous()), state, {}).value(),
                  whole.slice(1, from, from + count), 1e-5, "tokens from " + std::to_string(from));
      from += count;
    }
    const tensor changed = x.clone();
    changed.at<float>(0, 5, 3) += 1;
    expect_near(attend(variable(changed)).value().slice(1, 0, 5), whole.slice(1, 0, 5), 0, "a later token changed");
    const std::vector<long> offsets{0, 4, 6};
    const tensor one = x.slice(0, 0, 1).to_contiguous();
    const tensor together = attend(variable(one), {}, packed(offsets)).value();
    expect_near(together.slice(1, 4, 6), attend(variable(one.slice(1, 4, 6).to_contiguous())).value(), 1e-5, "packed");
    if (!options.rotary) expect_near(attend.over(variable(x), variable(x.clone())).value(), whole, 1e-5, "over itself");
  }
}

TEST(AttentionOptions, AreWhatTheirWordsSay) {
  const tensor x = random_tensor({1, 5, 8}, 1);
  const auto same = nn::shared_projections::query_key;
  EXPECT_EQ(make_attention({}).joint.weight.shape(), (shape{24, 8}));
  EXPECT_EQ(make_attention({.shared = same}).joint.weight.shape(), (shape{16, 8}));
  EXPECT_EQ(make_attention({.shared = nn::shared_projections::all}).joint.weight.shape(), (shape{8, 8}));
  const auto in = make_attention({.shared = same}).inputs(variable(x));
  expect_near(in.queries, in.keys, 0, "one projection");
  // Shared projections are separate ones that happen to be equal.
  nn::multi_head_attention separate = make_attention({}), shared = make_attention({.shared = same});
  separate.joint.weight.value().slice(0, 0, 8).copy_from(shared.joint.weight.value().slice(0, 0, 8));
  separate.joint.weight.value().slice(0, 8, 16).copy_from(shared.joint.weight.value().slice(0, 0, 8));
  separate.joint.weight.value().slice(0, 16, 24).copy_from(shared.joint.weight.value().slice(0, 8, 16));
  separate.out = shared.out;
  expect_near(shared(variable(x)).value(), separate(variable(x)).value(), 1e-6, "shared against equal");
  // A filter that lets only the token itself pass, and keys that adapt to nothing, are plain attention.
  nn::multi_head_attention filtered = separate, adapting = separate;
  filtered.context = variable(tensor({3, 8}));
  filtered.context.value().select(0, 2).fill(1);
  adapting.adapt = nn::linear();
  adapting.adapt.weight = variable(tensor({8, 8}));
  expect_near(filtered(variable(x)).value(), separate(variable(x)).value(), 1e-6, "a filter that does nothing");
  expect_near(adapting(variable(x)).value(), separate(variable(x)).value(), 1e-6, "keys that do not adapt");
  nn::initialisation init(1);
  EXPECT_THROW(nn::multi_head_attention({.width = 8, .heads = 2, .key_heads = 1, .shared = same}, init), shape_error);
  EXPECT_THROW(nn::multi_head_attention({.width = 8, .heads = 2, .query_context = -1}, init), shape_error);
}

}  // namespace
}  // namespace qkv
