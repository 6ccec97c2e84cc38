// One word, two meanings: what is lost when a sentence is squashed into one vector, and what attention adds to a word.
//
// Every sentence has two halves, each about rivers or about money, and in each half stands the word "bank".  What do
// the two banks mean?  One vector for the whole sentence has one answer for both.  Attention without positions sees the
// same words around both of them.  With positions every bank takes up the words beside it, and one word becomes two.
#include <cmath>
#include <cstdio>

#include "qkv/autograd/autograd.h"
#include "qkv/models/bag_of_words.h"
#include "qkv/models/encoder.h"
#include "qkv/train/optimiser.h"

using namespace qkv;

constexpr std::int32_t bank = 0, river_words = 1, money_words = 11, vocabulary = 21;
constexpr long sentences_of_lesson = 32, half = 5, width = 32;  // half a sentence: four words and a bank

struct lesson {
  std::vector<std::vector<std::int32_t>> sentences;
  std::vector<std::int32_t> banks;     // where they are, counted through all sentences
  std::vector<std::int32_t> meanings;  // of each: 0 at a river, 1 for money

  explicit lesson(std::uint64_t number) {
    const random_stream random{7, number};
    std::uint64_t draw = 0;
    for (long n = 0; n < sentences_of_lesson; ++n) {
      std::vector<std::int32_t> words;
      for (int side = 0; side < 2; ++side) {
        const bool money = random.below(draw++, 2);
        const auto place = std::ptrdiff_t(words.size() + random.below(draw++, half));
        for (long w = 0; w + 1 < half; ++w)
          words.push_back((money ? money_words : river_words) + std::int32_t(random.below(draw++, 10)));
        words.insert(words.begin() + place, bank);
        banks.push_back(std::int32_t(2 * half * n + place)), meanings.push_back(money);
      }
      sentences.push_back(words);
    }
  }
  tensor targets() const { return {{long(meanings.size())}, meanings}; }
};

// A vector for each bank, and what it is taken for.
struct contextual {
  encoder body;
  nn::linear head;

  contextual(nn::position_kind positions, nn::initialisation init)
      : body({.vocabulary = vocabulary, .context = 2 * half, .layers = 1, .width = width, .positions = positions,
              .pooling = pooling::mean},
             init),
        head(width, 2, true, init, nn::glorot(width, 2)) {}
  variable banks(const lesson& given) const {
    std::vector<encoder_example> examples;
    for (const auto& sentence : given.sentences) examples.push_back({.text = sentence});
    const variable all = body(body.join(examples), {});
    return gather_rows(reshape(all, {all.dim(1), width}), tensor({long(given.banks.size())}, given.banks));
  }
  variable logits(const lesson& given) const { return head(banks(given)); }
  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    body.visit(prefix + "body.", see), head.visit(prefix + "head.", see);
  }
};

// The same answer for both banks of a sentence.
struct squashed : bag_of_words {
  squashed() : bag_of_words({.vocabulary = vocabulary, .classes = 2, .width = width}, 1) {}
  variable logits(const lesson& given) const {
    std::vector<std::int32_t> sentence_of;
    for (std::int32_t n = 0; n < 2 * sentences_of_lesson; ++n) sentence_of.push_back(n / 2);
    return gather_rows(bag_of_words::logits(pack(given.sentences)), tensor({2 * sentences_of_lesson}, sentence_of));
  }
};

// Learns from 400 lessons; how often it then knows what a bank means.
template <class Model>
double accuracy_after_learning(const Model& model) {
  optimiser steps(nn::parameters_of(model));
  const training_options options{.weight_decay = 0};
  for (long step = 1; step <= 400; ++step) {
    const lesson given(std::uint64_t(step) + 100);
    backward(cross_entropy(model.logits(given), given.targets()));
    steps.step(step, 3e-3, options);
  }
  const no_gradient values_only;
  long right = 0;
  for (std::uint64_t n = 0; n < 10; ++n) {
    const lesson given(n);
    const tensor said = model.logits(given).value();
    for (long i = 0; i < said.dim(0); ++i)
      right += (said.at<float>(i, 1) > said.at<float>(i, 0)) == (given.meanings[std::size_t(i)] == 1);
  }
  return double(right) / double(10 * 2 * sentences_of_lesson);
}

// The mean cosine of the vectors of a sentence's two banks, where they mean the same or do not.
double likeness(const contextual& model, bool same) {
  const no_gradient values_only;
  const lesson given(50);
  const tensor banks = model.banks(given).value();
  double sum = 0, count = 0;
  for (long i = 0; i < banks.dim(0); i += 2) {
    if ((given.meanings[std::size_t(i)] == given.meanings[std::size_t(i) + 1]) != same) continue;
    const auto a = banks.select(0, i).values<float>(), b = banks.select(0, i + 1).values<float>();
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t c = 0; c < a.size(); ++c)
      ab += double(a[c]) * double(b[c]), aa += double(a[c]) * double(a[c]), bb += double(b[c]) * double(b[c]);
    sum += ab / std::sqrt(aa * bb), ++count;
  }
  return sum / count;
}

int main() {
  const auto told = [](const char* who, double right) {
    std::printf("%s right %s\n", who, right > 0.98 ? "nearly always" : right < 0.85 ? "three times of four" : "often");
  };
  told("a sentence in one vector:    ", accuracy_after_learning(squashed()));
  const contextual without(nn::position_kind::none, nn::initialisation(1));
  const contextual with(nn::position_kind::learned, nn::initialisation(1));
  told("attention, without positions:", accuracy_after_learning(without));
  told("attention, with positions:   ", accuracy_after_learning(with));
  const double same = likeness(with, true), different = likeness(with, false);
  std::printf("a bank and the other, without positions: %s\n", likeness(without, false) > 0.999 ? "one vector" : "two");
  std::printf("with positions, where they mean the same: %s\n", same > 0.7 ? "alike" : "not alike");
  std::printf("with positions, where they do not: %s\n", different < -0.5 ? "opposite" : "not opposite");
}
