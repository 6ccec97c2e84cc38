#include <gmock/gmock.h>

#include "qkv/autograd/elementwise.h"
#include "qkv/nn/block.h"
#include "qkv/nn/embedding.h"
#include "qkv/nn/positions.h"
#include "tests/autograd/gradient_check.h"

namespace qkv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

double deviation_of(const tensor& t) {
  double squares = 0;
  for (const float x : t.values<float>()) squares += double(x) * x;
  return std::sqrt(squares / double(t.size()));
}

template <class Module>
std::vector<std::string> names_of(const Module& module) {
  std::vector<std::string> names;
  for (const auto& p : nn::parameters_of(module)) names.push_back(p.name);
  return names;
}

TEST(Modules, NameTheirParameters) {
  nn::initialisation init(1);
  const nn::multi_head_attention attend({.width = 8, .heads = 2, .biases = true}, init, causal);
  EXPECT_THAT(names_of(attend), ElementsAre("joint.weight", "joint.bias", "out.weight", "out.bias"));
  EXPECT_EQ(nn::count_parameters(attend), 24 * 8 + 24 + 8 * 8 + 8);
}

TEST(Modules, AreDrawnWithTheDeviationOfThePaper) {
  nn::initialisation init(1);
  const nn::feed_forward update(nn::feed_forward_kind::gelu, 64, 256, true, init, 0.005);
  EXPECT_NEAR(deviation_of(update.up.weight.value()), 0.02, 0.0006);
  EXPECT_NEAR(deviation_of(update.down.weight.value()), 0.005, 0.00015);
  EXPECT_EQ(deviation_of(update.up.bias.value()), 0);
}

TEST(Modules, OfOneSeedAreEqualAndOfAnotherAreNot) {
  const auto weight = [](std::uint64_t seed) {
    nn::initialisation init(seed);
    return nn::linear(4, 3, false, init, 0.02).weight.value();
  };
  EXPECT_TRUE(std::ranges::equal(weight(1).values<float>(), weight(1).values<float>()));
  EXPECT_FALSE(std::ranges::equal(weight(1).values<float>(), weight(2).values<float>()));
}

TEST(Dropout, KeepsTheMeanAndActsOnlyInTraining) {
  nn::initialisation init(1);
  const nn::dropout drop(0.25, init);
  const variable ones(tensor::full({100, 100}, 1));
  EXPECT_TRUE(drop(ones, {}).value().same_as(ones.value()));
  const tensor once = drop(ones, {.training = true, .seed = 3, .step = 1}).value();
  const tensor again = drop(ones, {.training = true, .seed = 3, .step = 1}).value();
  const tensor next = drop(ones, {.training = true, .seed = 3, .step = 2}).value();
  EXPECT_NEAR(mean(variable(once)).value().item(), 1, 0.02);
  EXPECT_TRUE(std::ranges::equal(once.values<float>(), again.values<float>()));
  EXPECT_FALSE(std::ranges::equal(once.values<float>(), next.values<float>()));
}

TEST(Positions, AreSinesOfGrowingWavelengths) {
  const tensor p = nn::sinusoidal_positions(10, 4);
  EXPECT_FLOAT_EQ(p.at<float>(3, 0), std::sin(3.0f));
  EXPECT_FLOAT_EQ(p.at<float>(3, 1), std::cos(3.0f));
  EXPECT_FLOAT_EQ(p.at<float>(3, 2), std::sin(0.03f));
  const tensor f = nn::fourier_positions(10, 6, 2);
  EXPECT_FLOAT_EQ(f.at<float>(3, 0), std::sin(3.0f));
  EXPECT_FLOAT_EQ(f.at<float>(3, 2), std::sin(1.5f));
  EXPECT_FLOAT_EQ(f.at<float>(3, 5), std::cos(0.75f));
}

TEST(Positions, ComeInPairs) {
  EXPECT_THROW(nn::sinusoidal_positions(4, 5), shape_error);
  EXPECT_THROW(nn::fourier_positions(4, 4, 0), shape_error);
  EXPECT_THROW(nn::sinusoidal_positions(4, 4, 0), shape_error);
  nn::initialisation init(1);
  EXPECT_THROW(nn::dropout(-1, init), shape_error);
  EXPECT_THROW(nn::dropout(NAN, init), shape_error);
}

TEST(Embedding, LooksUpRows) {
  nn::initialisation init(1);
  const nn::embedding table(5, 3, init);
  const tensor ids({1, 2}, std::vector<std::int32_t>{4, 1});
  EXPECT_EQ(table(ids).value().at<float>(0, 0, 2), table.weight.value().at<float>(4, 2));
}

TEST(MultiHeadAttention, RefusesHeadsThatDoNotDivide) {
  nn::initialisation init(1);
  try {
    nn::multi_head_attention({.width = 10, .heads = 3}, init);
    FAIL();
  } catch (const shape_error& error) { EXPECT_THAT(error.what(), HasSubstr("divides the width 10; found 3")); }
  EXPECT_THROW(nn::multi_head_attention({.width = 8, .heads = 4, .key_heads = 3}, init), shape_error);
}

TEST(MultiHeadAttention, OverItselfIsSelfAttention) {
  nn::initialisation init(1);
  const nn::multi_head_attention attend({.width = 12, .heads = 4, .key_heads = 2, .biases = true}, init, causal);
  const variable x(random_tensor({2, 5, 12}, 1));
  const tensor a = attend(x).value(), b = attend.over(x, x).value();
  for (long i = 0; i < a.size(); ++i)
    EXPECT_NEAR(a.values<float>()[std::size_t(i)], b.values<float>()[std::size_t(i)], 1e-6);
}

TEST(MultiHeadAttention, TakesAnyParts) {
  nn::initialisation init(1);
  const nn::multi_head_attention attend({.width = 8, .heads = 2}, init, causal & sliding_window(2), softcap(30));
  // The last token sees itself and the one before it: the first does not matter.
  const tensor x = random_tensor({1, 4, 8}, 1), y = x.clone();
  y.at<float>(0, 0, 3) += 1;
  const tensor a = attend(variable(x)).value(), b = attend(variable(y)).value();
  EXPECT_EQ(a.at<float>(0, 3, 0), b.at<float>(0, 3, 0));
  EXPECT_NE(a.at<float>(0, 1, 0), b.at<float>(0, 1, 0));
}

TEST(MultiHeadAttention, LearnsItsParts) {
  nn::initialisation init(1);
  const tensor slopes({2}, {0.5, 0.25});
  const nn::multi_head_attention attend({.width = 8, .heads = 2}, init, causal, alibi(slopes));
  EXPECT_THAT(names_of(attend), ElementsAre("joint.weight", "out.weight", "parts.0"));
  backward(sum(attend(variable(random_tensor({1, 4, 8}, 1)))));
  EXPECT_EQ(attend.parts.learned[0].gradient().shape(), (shape{2}));
  EXPECT_TRUE(attend.parts.learned[0].value().same_as(slopes));
}

TEST(MultiHeadAttention, HasGradients) {
  nn::initialisation init(1);
  init.deviation = 0.5;
  const rotary_table turn = make_rotary_table(4, 4);
  const nn::multi_head_attention attend(
      {.width = 8, .heads = 2, .key_heads = 1, .biases = true, .out_deviation = 0.5, .rotary = &turn}, init, causal);
  const auto over_all = [&](const std::vector<variable>& v) {
    nn::multi_head_attention copy = attend;
    copy.joint.weight = v[1], copy.joint.bias = v[2], copy.out.weight = v[3];
    return copy(v[0], v[0]);
  };
  expect_gradients_match(over_all, {random_tensor({1, 4, 8}, 1), attend.joint.weight.value().clone(),
                                    random_tensor({16}, 2), attend.out.weight.value().clone()});
  const auto across = [&](const std::vector<variable>& v) {
    nn::multi_head_attention copy = attend;
    copy.joint.weight = v[2];
    return copy.over(v[0], v[1]);
  };
  expect_gradients_match(
      across, {random_tensor({1, 3, 8}, 1), random_tensor({1, 4, 8}, 3), attend.joint.weight.value().clone()});
}

nn::block make_block(nn::norm_place place, nn::norm_kind kind, nn::feed_forward_kind update) {
  nn::initialisation init(4);
  init.deviation = 0.4;
  nn::block block;
  block.place = place;
  block.norm1 = block.norm2 = nn::norm(kind, 8, false);
  block.mixer = nn::multi_head_attention({.width = 8, .heads = 2, .out_deviation = 0.4}, init, causal);
  block.update = nn::feed_forward(update, 8, 12, false, init, 0.4);
  return block;
}

TEST(Block, HasGradientsInEveryArrangement) {
  for (const auto place : {nn::norm_place::before, nn::norm_place::after}) {
    for (const auto kind : {nn::norm_kind::layer_norm, nn::norm_kind::rms_norm}) {
      for (const auto update : {nn::feed_forward_kind::gelu, nn::feed_forward_kind::swiglu}) {
        const nn::block block = make_block(place, kind, update);
        expect_gradients_match([&](const std::vector<variable>& v) { return block(v[0], {}); },
                               {random_tensor({1, 4, 8}, 1)}, 1e-3);
      }
    }
  }
}

TEST(Block, ContinuesFromItsCache) {
  const nn::block block = make_block(nn::norm_place::before, nn::norm_kind::layer_norm, nn::feed_forward_kind::gelu);
  const tensor x = random_tensor({2, 6, 8}, 1);
  const tensor whole = block(variable(x), {}).value();
  nn::mixer_state cache = block.make_state(2, 6);
  block.continued(variable(x.slice(1, 0, 4).to_contiguous()), cache);
  const tensor rest = block.continued(variable(x.slice(1, 4, 6).to_contiguous()), cache).value();
  EXPECT_EQ(cache.length(), 6);
  for (long t = 0; t < 2; ++t) EXPECT_NEAR(rest.at<float>(1, t, 3), whole.at<float>(1, 4 + t, 3), 1e-5);
}

TEST(KeyValueCache, RefusesMoreThanItHolds) {
  nn::key_value_cache cache(1, 2, 1, 4);
  cache.append(tensor({1, 2, 1, 4}), tensor({1, 2, 1, 4}));
  EXPECT_THROW(cache.append(tensor({1, 1, 1, 4}), tensor({1, 1, 1, 4})), shape_error);
  EXPECT_THROW(cache.append(tensor({1, 1, 2, 4}), tensor({1, 1, 2, 4})), shape_error);
  cache.shorten(1);
  EXPECT_EQ(cache.length(), 1);
  EXPECT_THROW(cache.shorten(2), shape_error);
}

}  // namespace
}  // namespace qkv
