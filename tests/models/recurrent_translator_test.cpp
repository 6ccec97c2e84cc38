#include "qkv/models/recurrent_translator.h"

#include <gmock/gmock.h>

#include <cmath>

#include "qkv/generate/translate.h"
#include "qkv/ops/cross_entropy.h"
#include "qkv/train/trainer.h"
#include "tests/base/message_of.h"
#include "tests/models/small_texts.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

/// Every way of looking, and every cell.
std::vector<recurrent_translator_config> configurations() {
  std::vector<recurrent_translator_config> all;
  for (const auto alignment : {alignment_kind::none, alignment_kind::additive, alignment_kind::dot_product,
                               alignment_kind::general, alignment_kind::concat}) {
    for (const auto cell : {recurrent_cell::rnn, recurrent_cell::gru, recurrent_cell::lstm}) {
      all.push_back({.source_vocabulary = 13,
                     .target_vocabulary = 11,
                     .context = 24,
                     .cell = cell,
                     .alignment = alignment,
                     .width = 12,
                     .units = 10,
                     .layers = cell == recurrent_cell::gru ? 2 : 1,
                     .bidirectional = cell != recurrent_cell::rnn,
                     .dropout = 0});
    }
  }
  return all;
}

TEST(RecurrentTranslator, GivesAPackedBatchTheLossOfItsPairsAlone) {
  for (const auto& config : configurations()) {
    SCOPED_TRACE(to_json(config));
    const recurrent_translator model(config, 1);
    const texts source = random_texts({4, 1, 7}, 13, 1), target = random_texts({3, 5, 1}, 11, 2);
    EXPECT_NEAR(loss_of(model, source, target), loss_pair_by_pair(model, source, target), 1e-5);
  }
}

TEST(RecurrentTranslator, SaysTheSameTokenByTokenAsAllAtOnceAndGoesOnWithChosenHypotheses) {
  for (const auto& config : configurations()) {
    SCOPED_TRACE(to_json(config));
    const recurrent_translator model(config, 1);
    const texts source = random_texts({4, 2}, 13, 1), target = random_texts({5, 5}, 11, 2);
    const text_pairs pairs = framed(source, target, frame);
    const auto state = model.start(pairs.source, 6);
    double sum = 0;
    for (long t = 0; t < 6; ++t) {
      if (t == 1) state->choose(std::vector<long>{0, 0, 1}, std::vector<long>{0, 0, 1});
      if (t == 2) state->choose(std::vector<long>{1, 2}, std::vector<long>{0, 1});
      const auto at = [&](const tensor& ids, long b) { return ids.at<std::int32_t>(0, 6 * b + t); };
      std::vector<std::int32_t> heard{at(pairs.heard.ids, 0), at(pairs.heard.ids, 1)},
          said{at(pairs.targets, 0), at(pairs.targets, 1)};
      if (t == 1) heard.insert(heard.begin(), 7), said.insert(said.begin(), 7);  // a hypothesis that is given up
      const tensor logits = state->next(heard);
      const tensor kept = t == 1 ? logits.slice(0, 1, 3).to_contiguous() : logits;
      if (t == 1) said.erase(said.begin());
      sum += cross_entropy(kept, tensor({2}, said)).loss;
    }
    EXPECT_NEAR(sum / 6, loss_of(model, source, target), 1e-5);
  }
}

TEST(RecurrentTranslator, EveryParameterGetsAGradientThatDifferencesConfirm) {
  for (const auto& config : configurations()) {
    SCOPED_TRACE(to_json(config));
    const recurrent_translator model(config, 1);
    const text_pairs pairs = framed(random_texts({4, 2}, 13, 1), random_texts({3, 5}, 11, 2), frame);
    backward(model.loss(pairs, 0.1, {}));
    for (const auto& p : model.parameters()) {
      ASSERT_FALSE(p.value.gradient().empty()) << p.name;
      const tensor weights = p.value.value(), gradient = p.value.gradient().clone(), before = weights.clone();
      double squares = 0;
      for (const float g : gradient.values<float>()) squares += double(g) * g;
      const double length = std::sqrt(squares), step = 1e-2;
      if (length < 1e-3) continue;
      const auto loss_at = [&](double distance) {
        const no_gradient values_only;
        for (std::size_t i = 0; i < std::size_t(weights.size()); ++i)
          weights.values<float>()[i] =
              before.values<float>()[i] + float(distance / length) * gradient.values<float>()[i];
        return model.loss(pairs, 0.1, {}).value().item();
      };
      EXPECT_NEAR((loss_at(step) - loss_at(-step)) / (2 * step), length, 0.02 * length + 3e-4) << p.name;
      weights.copy_from(before);
    }
  }
}

TEST(RecurrentTranslator, AlignmentsSumToOneOverTheSource) {
  for (const auto& config : configurations()) {
    const recurrent_translator model(config, 1);
    const auto layers = model.alignments(framed(random_texts({5}, 13, 1), random_texts({3}, 11, 2), frame));
    if (config.alignment == alignment_kind::none) {
      EXPECT_TRUE(layers.empty());
      continue;
    }
    ASSERT_EQ(layers.size(), 1u);
    ASSERT_EQ(layers[0].shape(), (shape{1, 4, 6}));
    for (long t = 0; t < 4; ++t) {
      double sum = 0;
      for (long s = 0; s < 6; ++s) sum += layers[0].at<float>(0, t, s);
      EXPECT_NEAR(sum, 1, 1e-5);
    }
  }
}

TEST(RecurrentTranslator, ReadsItsConfigurationAndRefusesWhatMakesNoSense) {
  for (const auto& config : configurations())
    EXPECT_EQ(recurrent_translator_config_from_json(to_json(config)), config);
  EXPECT_THAT(message_of<shape_error>([] { recurrent_translator({.source_vocabulary = 3}, 1); }),
              HasSubstr("target_vocabulary from 1"));
  const recurrent_translator model(configurations()[4], 1);
  const texts one = random_texts({3}, 11, 1), long_one = random_texts({24}, 11, 1);
  EXPECT_THAT(message_of<shape_error>([&] { loss_of(model, long_one, one); }), HasSubstr("at most 24"));
}

}  // namespace
}  // namespace qkv
