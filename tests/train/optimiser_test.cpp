// The optimisers of a run: which weights each steps and how, and what each remembers.
#include "qkv/train/optimiser.h"

#include <algorithm>
#include <cmath>

#include "qkv/autograd/record.h"
#include "qkv/train/checkpoint.h"
#include "qkv/train/language_modelling.h"
#include "qkv/train/trainer.h"
#include "tests/base/message_of.h"
#include "tests/io/temporary_folder.h"
#include "tests/train/training_data.h"

namespace qkv {
namespace {

using ::testing::HasSubstr;

constexpr optimiser_kind every_kind[] = {optimiser_kind::adamw, optimiser_kind::adam, optimiser_kind::sgd,
                                         optimiser_kind::muon};

training_options options_with(optimiser_kind kind, long steps) {
  auto options = quick_options(steps);
  options.optimiser = kind;
  if (kind == optimiser_kind::sgd) options.learning_rate = 0.1, options.momentum = 0.9, options.weight_decay = 1e-4;
  if (kind == optimiser_kind::adam) options.weight_decay = 1e-4;
  return options;
}

class Optimiser : public ::testing::TestWithParam<optimiser_kind> {};

/// One matrix [4, 6] in a layer and one vector [3], in double, beside an optimiser that has the same.
struct followed {
  std::vector<double> value, first, second;
  explicit followed(const tensor& t) : value(t.values<float>().begin(), t.values<float>().end()) {
    first.resize(value.size()), second.resize(value.size());
  }
};

TEST(OptimiserFormula, OfEachIsThatOfItsPaper) {
  // A decay of matrices and none of vectors; the gradient, of norm 5 and more, is clipped to 1.
  for (const optimiser_kind kind : {optimiser_kind::adamw, optimiser_kind::adam, optimiser_kind::sgd}) {
    SCOPED_TRACE(int(kind));
    const variable matrix(tensor({4, 6}), needs_gradient), vector(tensor(shape{3}), needs_gradient);
    long n = 0;
    for (const variable& v : {matrix, vector})
      for (float& x : v.value().values<float>()) x = float(random_stream{3, 3}.normal(std::uint64_t(n++)));
    optimiser steps({{"blocks.0.up.weight", matrix}, {"norm.bias", vector}}, kind);
    std::vector<followed> expected{followed(matrix.value()), followed(vector.value())};
    training_options o = quick_options(5);
    o.momentum = 0.8, o.weight_decay = 0.3;
    for (long step = 1; step <= 5; ++step) {
      double squares = 0;
      std::vector<tensor> gradients;
      for (const variable& v : {matrix, vector}) {
        gradients.push_back(tensor(v.shape()));
        for (float& x : gradients.back().values<float>()) {
          x = float(2 + random_stream{4, 4}.normal(std::uint64_t(n++)));
          squares += double(x) * double(x);
        }
        const auto derivative = [g = gradients.back()](const tensor&, const gradient_sink& into) {
          into.add(0, g.clone());
        };
        backward(record("given", tensor(v.shape()), {v}, derivative), tensor(v.shape()));
      }
      EXPECT_NEAR(steps.step(step, 0.01, o), std::sqrt(squares), 1e-4);
      for (std::size_t k = 0; k < 2; ++k)
        for (std::size_t i = 0; i < expected[k].value.size(); ++i) {
          const double decay = k == 0 ? 0.3 : 0;
          double &p = expected[k].value[i], &m = expected[k].first[i], &v = expected[k].second[i];
          double g = double(gradients[k].values<float>()[i]) / (std::sqrt(squares) + 1e-6);
          if (kind != optimiser_kind::adamw) g += decay * p;
          if (kind == optimiser_kind::sgd) {
            m = 0.8 * m + g;
            p -= 0.01 * m;
            continue;
          }
          if (kind == optimiser_kind::adamw) p -= 0.01 * decay * p;
          m = o.beta1 * m + (1 - o.beta1) * g;
          v = o.beta2 * v + (1 - o.beta2) * g * g;
          p -= 0.01 * m / (1 - std::pow(o.beta1, double(step))) /
               (std::sqrt(v / (1 - std::pow(o.beta2, double(step)))) + o.epsilon);
        }
    }
    for (std::size_t i = 0; i < 24; ++i) EXPECT_NEAR(matrix.value().values<float>()[i], expected[0].value[i], 2e-6);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(vector.value().values<float>()[i], expected[1].value[i], 2e-6);
  }
}

TEST_P(Optimiser, LearnsARule) {
  const auto text = text_with_a_rule(6000);
  const decoder model(tiny_config(), 1);
  const auto options = options_with(GetParam(), 300);
  const language_modelling task(model, text, options);
  const double before = task.validation_loss(5);
  EXPECT_LT(trainer(task, options).train().validation_loss, 0.7) << "from " << before;
}

TEST_P(Optimiser, ResumesWithTheBitsOfAnUninterruptedRun) {
  const temporary_folder folder;
  const auto text = text_with_a_rule(2000);
  auto config = tiny_config();
  config.dropout = 0.1;
  auto options = options_with(GetParam(), 12);
  options.average = 0.9;
  const decoder whole(config, 1);
  const language_modelling of_whole(whole, text, options);
  trainer(of_whole, options).train();

  const decoder half(config, 1);
  const language_modelling of_half(half, text, options);
  trainer first(of_half, options);
  std::atomic<bool> stop = false;
  first.on_sample = [&](const training_progress&) { stop = true; };
  auto until_five = options;
  until_five.sample_every = 5;
  trainer interrupted(of_half, until_five);
  interrupted.on_sample = first.on_sample;
  interrupted.train(&stop);
  save_checkpoint(folder / "half", half, {.step = interrupted.steps_done(), .training = options}, interrupted.state());

  auto loaded = load_checkpoint(folder / "half");
  EXPECT_EQ(loaded.facts.training.optimiser, GetParam());
  const language_modelling of_loaded(loaded.model, text, loaded.facts.training);
  trainer second(of_loaded, loaded.facts.training);
  second.resume(loaded.facts.step, loaded.training_state);
  second.train();
  EXPECT_EQ(numbers_of(loaded.model), numbers_of(whole));
}

TEST_P(Optimiser, RefusesTheStateOfAnother) {
  const decoder model(tiny_config(), 1);
  const auto kind = GetParam() == optimiser_kind::sgd ? optimiser_kind::adamw : optimiser_kind::sgd;
  const auto state = optimiser(nn::parameters_of(model), kind).state();
  optimiser mine(nn::parameters_of(model), GetParam());
  EXPECT_THAT(message_of<file_error>([&] { mine.load_state(state); }), HasSubstr("training state: expected"));
}

INSTANTIATE_TEST_SUITE_P(All, Optimiser, ::testing::ValuesIn(every_kind));

TEST(MuonOfARun, StepsTheMatricesOfLayersAndNothingElse) {
  const decoder model({.vocabulary = 8, .context = 16, .layers = 2, .heads = 2, .width = 32, .tied_head = false}, 1);
  std::vector<std::string> stepped;
  for (const auto& p : nn::parameters_of(model))
    if (is_matrix_of_a_layer(p)) stepped.push_back(p.name);
  EXPECT_THAT(stepped, ::testing::Contains("blocks.1.feed_forward.up.weight"));
  EXPECT_THAT(stepped, ::testing::Each(::testing::StartsWith("blocks.")));
  EXPECT_THAT(stepped, ::testing::Not(::testing::Contains(HasSubstr("norm"))));
  const long with_second = std::ranges::count_if(
      optimiser(nn::parameters_of(model), optimiser_kind::muon).state(),
      [](const auto& t) { return t.first.starts_with("optimiser.second."); });
  EXPECT_EQ(with_second + long(stepped.size()), long(nn::parameters_of(model).size()));
}

}  // namespace
}  // namespace qkv
