#include "qkv/generate/generate.h"

#include <gmock/gmock.h>

#include <cmath>

namespace qkv {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Lt;

decoder small_model(long context = 16) {
  const decoder model({.vocabulary = 11, .context = context, .layers = 2, .heads = 2, .width = 8}, 3);
  model.visit("", [&](const std::string& name, const variable& v) {
    if (name.find("norm") != std::string::npos) return;
    for (float& x : v.value().values<float>()) x *= 20;
  });
  return model;
}

const std::vector<std::int32_t> prompt{1, 5, 2};

std::int32_t likeliest_next(const decoder& model, const std::vector<std::int32_t>& text) {
  const tensor logits = model.logits(tensor({1, long(text.size())}, text)).select(1, long(text.size()) - 1);
  const auto numbers = logits.to_contiguous().values<float>();
  return std::int32_t(std::ranges::max_element(numbers) - numbers.begin());
}

TEST(Generate, IsWhatTheWholeForwardPassWouldChoose) {
  const decoder model = small_model();
  const auto written = generate(model, prompt, {.tokens = 10, .sampling = {.temperature = 0}});
  std::vector<std::int32_t> text = prompt;
  for (const auto token : written) {
    EXPECT_EQ(token, likeliest_next(model, text));
    text.push_back(token);
  }
  EXPECT_EQ(written.size(), 10u);
}

TEST(Generate, RepeatsItselfForOneSeedOnly) {
  const decoder model = small_model();
  const auto write = [&](std::uint64_t seed) {
    return generate(model, prompt, {.tokens = 12, .sampling = {.seed = seed}});
  };
  EXPECT_EQ(write(1), write(1));
  EXPECT_NE(write(1), write(2));
}

TEST(Generate, WritesMoreThanTheContextHolds) {
  const decoder model = small_model(8);
  EXPECT_EQ(generate(model, prompt, {.tokens = 50}).size(), 50u);
  const std::vector<std::int32_t> long_prompt(100, 4);
  const auto written = generate(model, long_prompt, {.tokens = 20});
  EXPECT_EQ(written.size(), 20u);
  EXPECT_THAT(written, Each(Lt(11)));
}

TEST(Generate, StopsAtATokenASequenceOrTheCallersWish) {
  const decoder model = small_model();
  const generation_options plain{.tokens = 12, .sampling = {.temperature = 0}};
  const auto all = generate(model, prompt, plain);
  auto options = plain;
  options.stop = {{all[3], all[4]}};
  const auto stopped = generate(model, prompt, options);
  EXPECT_LE(stopped.size(), 5u);
  EXPECT_EQ(stopped.back(), all[4]);
  long seen = 0;
  EXPECT_EQ(generate(model, prompt, plain, [&](std::int32_t) { return ++seen < 3; }).size(), 3u);
}

TEST(Generate, RefusesAnEmptyPromptAndUnknownTokens) {
  const decoder model = small_model();
  EXPECT_THROW(generate(model, {}, {}), shape_error);
  EXPECT_THROW(generate(model, std::vector<std::int32_t>{11}, {}), shape_error);
}

TEST(Sample, TakesTheLikeliestWhenGreedyAndTheFirstAmongEquals) {
  const std::vector<float> logits{0, 3, 3, -1};
  for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(sample(logits, {.temperature = 0}, i), 1);
  EXPECT_EQ(sample(logits, {.top_k = 1}, 5), 1);
}

std::vector<double> shares(const std::vector<float>& logits, const sampling_options& options) {
  std::vector<double> counts(logits.size());
  for (std::uint64_t i = 0; i < 20000; ++i) counts[std::size_t(sample(logits, options, i))] += 1.0 / 20000;
  return counts;
}

TEST(Sample, FollowsTheSoftmax) {
  const std::vector<float> logits{std::log(0.5f), std::log(0.3f), std::log(0.2f), -INFINITY};
  const auto warm = shares(logits, {});
  EXPECT_NEAR(warm[0], 0.5, 0.02);
  EXPECT_NEAR(warm[1], 0.3, 0.02);
  EXPECT_EQ(warm[3], 0);
  const auto cold = shares(logits, {.temperature = 0.5});
  EXPECT_NEAR(cold[0], 0.25 / 0.38, 0.02);
}

TEST(Sample, KeepsToTheLikeliest) {
  const std::vector<float> logits{std::log(0.2f), std::log(0.5f), std::log(0.3f)};
  const auto two = shares(logits, {.top_k = 2});
  EXPECT_EQ(two[0], 0);
  EXPECT_NEAR(two[1], 0.625, 0.02);
  EXPECT_EQ(shares(logits, {.top_p = 0.7})[0], 0);
  EXPECT_NEAR(shares(logits, {.top_p = 0.1})[1], 1, 1e-9);
}

TEST(Sample, RefusesWhatCannotBeSampled) {
  EXPECT_THROW(sample(std::vector<float>{0, NAN}, {}, 0), shape_error);
  EXPECT_THROW(sample(std::vector<float>{-INFINITY, -INFINITY}, {}, 0), shape_error);
  EXPECT_THROW(check(sampling_options{.temperature = -1}), shape_error);
  EXPECT_THROW(check(sampling_options{.top_p = 0}), shape_error);
}

}  // namespace
}  // namespace qkv
