// A notebook of fixed size: linear attention as a memory that is written, read and handed on, token by token.
//
// A token is a note, "this name has this number"; the name is the key, the number the value.  The state is a matrix
// that never grows, however many notes come: where softmax attention keeps all keys and values, this keeps their sum.
// The rules differ in what becomes of an old note when a new one has the same name.
#include <cstdio>

#include "qkv/linear_attention/linear_attention.h"

using namespace qkv;

int main() {
  //                       Ada   Ben   Cleo, in directions that do not overlap
  const tensor names({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1});
  const int who[] = {0, 1, 2, 0, 2};
  const double number[] = {10, 20, 40, 30, 60};  // Ada and Cleo move

  const long notes = 5;
  const tensor k({1, notes, 1, 3}), v({1, notes, 1, 1});
  for (long t = 0; t < notes; ++t) {
    k.select(0, 0).select(0, t).select(0, 0).copy_from(names.select(0, who[t]));
    v.at<float>(0, t, 0, 0) = float(number[t]);
  }
  const tensor fading = tensor::full({1, notes, 1}, -0.5), overwrite = tensor::full({1, notes, 1}, 1);
  const linear_attention_options rules[] = {
      {.scale = 1},
      {.rule = update_rule::gated, .scale = 1, .decay = fading},
      {.rule = update_rule::delta, .scale = 1, .beta = overwrite},
      {.rule = update_rule::gated_delta, .scale = 1, .decay = fading, .beta = overwrite},
  };
  for (const auto& rule : rules) {
    const tensor state = linear_attention_forward(k, k, v, rule).state;
    // Asking is reading the state with every name: no new note, so every query reads what is there.
    const tensor nothing({1, 0, 1, 3}), no_number({1, 0, 1, 1});
    const tensor answers = linear_attention(names.reshape({1, 3, 1, 3}), nothing, no_number,
                                            {.causal = false, .scale = 1, .state = state});
    std::printf("%-12s Ada %5.1f   Ben %5.1f   Cleo %5.1f\n", name_of(rule.rule), answers.item({0, 0, 0, 0}),
                answers.item({0, 1, 0, 0}), answers.item({0, 2, 0, 0}));
  }

  // The same notes in two parts: the second goes on from the state of the first.
  linear_attention_options delta{.rule = update_rule::delta, .scale = 1, .beta = overwrite.slice(1, 0, 2)};
  const auto morning = linear_attention_forward(k.slice(1, 0, 2), k.slice(1, 0, 2), v.slice(1, 0, 2), delta);
  delta.beta = overwrite.slice(1, 2, 5), delta.state = morning.state;
  const auto evening = linear_attention_forward(k.slice(1, 2, 5), k.slice(1, 2, 5), v.slice(1, 2, 5), delta);
  std::printf("in two parts Ada %5.1f   Ben %5.1f   Cleo %5.1f\n", evening.state.item({0, 0, 0, 0}),
              evening.state.item({0, 0, 1, 0}), evening.state.item({0, 0, 2, 0}));

  // Which notes does Cleo's number now depend on?  Only on the last one about Cleo.
  const auto all = linear_attention_forward(k, k, v, {.rule = update_rule::delta, .scale = 1, .beta = overwrite});
  const tensor about_cleo({1, 1, 3, 1}, {0, 0, 1});
  const tensor share = all.backward(tensor(all.out.shape()), about_cleo).dv;
  std::printf("its gradient by note: ");
  for (long t = 0; t < notes; ++t) std::printf(" %.0f", share.item({0, t, 0, 0}));
  std::printf("\n");
}
