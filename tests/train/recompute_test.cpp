// Gradient checkpointing: the same bits in less memory.
#include "qkv/autograd/recompute.h"

#include <map>

#include "qkv/autograd/autograd.h"
#include "qkv/base/memory.h"
#include "qkv/models/encoder_classifier.h"
#include "qkv/models/encoder_decoder.h"
#include "qkv/train/language_modelling.h"
#include "qkv/train/trainer.h"
#include "qkv/train/translation_task.h"
#include "tests/train/training_data.h"

namespace qkv {
namespace {

using gradients = std::map<std::string, std::vector<float>>;

/// The loss and every gradient, and the most memory that was held meanwhile.
struct walked {
  float loss;
  gradients of;
  std::size_t most;
  bool operator==(const walked& other) const { return loss == other.loss && of == other.of; }
};

template <class Loss>
walked walk(const std::vector<nn::named_parameter>& parameters, const Loss& loss, bool recompute) {
  const recomputing_blocks so(recompute);
  const auto before = memory_in_use().in_use;
  reset_memory_peak();
  walked all{};
  for (int twice = 0; twice < 2; ++twice) {  // gradients of two batches add up
    const variable value = loss();
    all.loss = value.value().item();
    backward(value);
  }
  all.most = memory_in_use().peak - before;
  for (const auto& p : parameters) {
    const tensor gradient = p.value.gradient().to_contiguous();
    all.of[p.name].assign(gradient.values<float>().begin(), gradient.values<float>().end());
    p.value.clear_gradient();
  }
  return all;
}

template <class Loss>
void expect_the_same_in_less_memory(const std::vector<nn::named_parameter>& parameters, const Loss& loss) {
  const walked kept = walk(parameters, loss, false), again = walk(parameters, loss, true);
  EXPECT_EQ(kept, again);
  EXPECT_LT(again.most, kept.most / 2) << "bytes";
}

constexpr nn::forward_mode training{.training = true, .seed = 3, .step = 5};

tensor numbers_below(const shape& s, long n) {
  tensor t(s, dtype::int32);
  std::uint64_t i = 0;
  for (auto& x : t.values<std::int32_t>()) x = std::int32_t(random_stream{1, 2}.below(i++, std::uint64_t(n)));
  return t;
}

TEST(Recompute, GivesADecoderTheSameGradientsInLessMemory) {
  for (const nn::mixer_kind mixer : {nn::mixer_kind::attention, nn::mixer_kind::gru}) {
    const decoder model({.vocabulary = 16, .context = 64, .layers = 8, .heads = 2, .width = 32, .mixer = mixer,
                         .dropout = 0.2},
                        1);
    const tensor tokens = numbers_below({4, 64}, 16), targets = numbers_below({4, 64}, 16);
    expect_the_same_in_less_memory(nn::parameters_of(model), [&] { return model.loss(tokens, targets, training); });
  }
}

TEST(Recompute, GivesAnEncoderTheSameGradientsInLessMemory) {
  const encoder_classifier model({.vocabulary = 16, .classes = 3, .context = 40, .layers = 8, .heads = 2, .width = 32,
                                  .dropout = 0.2},
                                 1);
  std::vector<encoder_example> examples(6);
  for (std::size_t i = 0; i < examples.size(); ++i)
    for (std::size_t j = 0; j < 20 + i; ++j) examples[i].text.push_back(std::int32_t((i + j) % 16));
  expect_the_same_in_less_memory(nn::parameters_of(model), [&] {
    return model.loss(model.join(examples), numbers_below({6}, 3), 0.1, training);
  });
}

TEST(Recompute, GivesAnEncoderDecoderTheSameGradientsInLessMemory) {
  const encoder_decoder model({.source_vocabulary = 16, .target_vocabulary = 16, .encoder_layers = 6,
                               .decoder_layers = 6, .heads = 2, .width = 32, .dropout = 0.2},
                              1);
  std::vector<std::vector<std::int32_t>> source, target;
  for (std::size_t i = 0; i < 8; ++i) {
    source.emplace_back(12 + i, std::int32_t(i));
    target.emplace_back(10 + 2 * i, std::int32_t(15 - i));
  }
  const text_pairs pairs = framed(source, target, {1, 2});
  expect_the_same_in_less_memory(model.parameters(), [&] { return model.loss(pairs, 0.1, training); });
}

TEST(Recompute, TrainsToTheSameBits) {
  const auto text = text_with_a_rule(2000);
  auto config = tiny_config();
  config.dropout = 0.1;
  std::vector<float> first;
  for (const bool recompute : {false, true}) {
    const decoder model(config, 1);
    auto options = quick_options(5);
    options.accumulate = 2;
    options.recompute = recompute;
    const language_modelling task(model, text, options);
    trainer(task, options).train();
    if (!recompute) first = numbers_of(model);
    EXPECT_EQ(numbers_of(model), first);
  }
}

TEST(Recompute, RunsThePartOnceWhereNobodyWantsAGradient) {
  int runs = 0;
  const auto part = [&](std::span<const variable> inputs) { return ++runs, add(inputs[0], inputs[0]); };
  const variable x(tensor::full({2}, 3));
  EXPECT_EQ(recomputed("part", {&x, 1}, part).value().at<float>(0), 6);
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace qkv
