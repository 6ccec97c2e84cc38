#include "qkv/nn/recurrent.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "qkv/autograd/views.h"
#include "tests/autograd/gradient_check.h"

namespace qkv {
namespace {

using ::testing::ElementsAre;

const std::vector<long> offsets{0, 3, 3, 4, 8};

nn::recurrent make_recurrent(recurrent_cell cell, long layers, bool bidirectional, double dropout = 0) {
  nn::initialisation init(3);
  return nn::recurrent(
      {.cell = cell, .width = 3, .units = 4, .layers = layers, .bidirectional = bidirectional, .dropout = dropout},
      init);
}

TEST(RecurrentModule, NamesItsParameters) {
  std::vector<std::string> names;
  for (const auto& p : nn::parameters_of(make_recurrent(recurrent_cell::rnn, 1, true))) names.push_back(p.name);
  EXPECT_THAT(names,
              ElementsAre("layers.0.input.weight", "layers.0.input.bias", "layers.0.hidden.weight",
                          "layers.0.hidden.bias", "layers.0.reversed.input.weight", "layers.0.reversed.input.bias",
                          "layers.0.reversed.hidden.weight", "layers.0.reversed.hidden.bias"));
  EXPECT_EQ(nn::count_parameters(make_recurrent(recurrent_cell::lstm, 2, false)),
            16 * 3 + 16 * 4 + 32 + 16 * 4 + 16 * 4 + 32);
}

TEST(RecurrentModule, HasGradientsThroughLayersAndDirections) {
  for (const auto cell : {recurrent_cell::rnn, recurrent_cell::gru, recurrent_cell::lstm})
    for (const bool both : {false, true}) {
      const nn::recurrent read = make_recurrent(cell, 2, both);
      expect_gradients_match(
          [&](const std::vector<variable>& v) {
            nn::recurrent copy = read;
            copy.layers[0].hidden.weight = v[1];
            copy.layers.back().input.weight = v[2];
            const auto out = copy(v[0], offsets);
            const variable ends[] = {out.states, both ? out.states : out.last[0].state};
            return concatenate(ends, 0);
          },
          {random_tensor({8, 3}, 1), read.layers[0].hidden.weight.value().clone(),
           read.layers.back().input.weight.value().clone()},
          1e-3);
    }
}

TEST(RecurrentModule, TheDirectionFromTheEndIsTheOtherOnTheSequenceTurnedRound) {
  nn::recurrent read = make_recurrent(recurrent_cell::gru, 1, true);
  read.layers[1].input = read.layers[0].input, read.layers[1].hidden = read.layers[0].hidden;
  const tensor x = random_tensor({5, 3}, 1), turned({5, 3});
  for (long t = 0; t < 5; ++t) turned.select(0, t).copy_from(x.select(0, 4 - t));
  const std::vector<long> one{0, 5};
  const tensor a = read(variable(x), one).states.value(), b = read(variable(turned), one).states.value();
  for (long t = 0; t < 5; ++t)
    for (long u = 0; u < 4; ++u) EXPECT_EQ(a.at<float>(t, u), b.at<float>(4 - t, u + 4));
}

TEST(RecurrentModule, ReadsTokenByTokenAsAtOnce) {
  for (const auto cell : {recurrent_cell::rnn, recurrent_cell::gru, recurrent_cell::lstm}) {
    const nn::recurrent read = make_recurrent(cell, 2, false);
    const tensor x = random_tensor({2, 6, 3}, 1);
    const auto whole = read(variable(x.reshape({12, 3})), equal_offsets(2, 6));
    std::vector<recurrent_state> states;
    for (long t = 0; t < 6; ++t) {
      const tensor now = read.continued(variable(x.select(1, t)), states).value();
      for (long b = 0; b < 2; ++b)
        for (long u = 0; u < 4; ++u)
          EXPECT_NEAR(now.at<float>(b, u), whole.states.value().at<float>(b * 6 + t, u), 1e-6);
    }
    EXPECT_NEAR(states[1].state.at<float>(1, 2), whole.last[1].state.value().at<float>(1, 2), 1e-6);
  }
}

TEST(RecurrentModule, ASecondPartGoesOnFromTheEndsOfTheFirst) {
  const nn::recurrent read = make_recurrent(recurrent_cell::lstm, 2, false);
  const variable x(random_tensor({9, 3}, 1));
  const auto whole = read(x, std::vector<long>{0, 9});
  const auto first = read(slice(x, 0, 0, 4), std::vector<long>{0, 4});
  const auto second = read(slice(x, 0, 4, 9), std::vector<long>{0, 5}, {}, first.last);
  for (long u = 0; u < 4; ++u)
    EXPECT_NEAR(second.states.value().at<float>(4, u), whole.states.value().at<float>(8, u), 1e-6);
}

TEST(RecurrentModule, DropsBetweenLayersOnly) {
  const nn::forward_mode training{.training = true, .seed = 1, .step = 2};
  const variable x(random_tensor({8, 3}, 1));
  const auto differs = [&](long layers) {
    const nn::recurrent read = make_recurrent(recurrent_cell::gru, layers, false, 0.5);
    const tensor a = read(x, offsets, training).states.value(), b = read(x, offsets).states.value();
    return !std::ranges::equal(a.values<float>(), b.values<float>());
  };
  EXPECT_FALSE(differs(1));
  EXPECT_TRUE(differs(2));
}

TEST(RecurrentModule, RefusesWhatCannotBe) {
  EXPECT_THROW(make_recurrent(recurrent_cell::gru, 0, false), shape_error);
  const nn::recurrent both = make_recurrent(recurrent_cell::gru, 1, true);
  std::vector<recurrent_state> states;
  EXPECT_THROW(both.continued(variable(random_tensor({2, 3}, 1)), states), shape_error);
  EXPECT_THROW(both(variable(random_tensor({8, 3}, 1)), offsets, {}, std::vector<recurrent_ends>(1)), shape_error);
}

}  // namespace
}  // namespace qkv
