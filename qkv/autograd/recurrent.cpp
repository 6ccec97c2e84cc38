#include "qkv/autograd/recurrent.h"

#include "qkv/autograd/record.h"

namespace qkv {
namespace {

/// Gradients of the ends, which arrive before that of the states: they are recorded later.
struct arrived {
  tensor last, last_cell;
};

/// One of the ends: its gradient waits until the states' derivative runs, which this makes sure of.
variable end_of(const char* name, const tensor& value, const variable& states, const std::shared_ptr<arrived>& ends,
                tensor arrived::*which) {
  return record(name, value, {states}, [ends, which](const tensor& d, const gradient_sink& into) {
    (*ends).*which = d;
    into.sum(0);
  });
}

}  // namespace

recurrent_outcome recurrent(recurrent_cell cell, const variable& x, std::span<const long> offsets,
                            const recurrent_variables& weights, const recurrent_ends& start, bool reversed) {
  const auto run = recurrent_forward(cell, x.value(), offsets, weights.values(),
                                     {reversed, {start.state.value(), start.cell.value()}});
  const auto ends = std::make_shared<arrived>();
  recurrent_outcome out;
  out.states =
      record(name_of(cell), run.states,
             {x, weights.input, weights.hidden, weights.input_bias, weights.hidden_bias, start.state, start.cell},
             [run, ends](const tensor& dstates, const gradient_sink& into) {
               const auto dx = into.to(0);
               const auto state = [&](int input) {
                 return into.wants(input) ? tensor::uninitialized(run.last.shape()) : tensor();
               };
               const recurrent_gradients gradients{.dx = dx.memory,
                                                   .dinput = into.sum(1),
                                                   .dhidden = into.sum(2),
                                                   .dinput_bias = into.sum(3),
                                                   .dhidden_bias = into.sum(4),
                                                   .dstate = state(5),
                                                   .dcell = state(6),
                                                   .write_dx = dx.write};
               run.backward_into(gradients, dstates, ends->last, ends->last_cell);
               into.add(5, gradients.dstate), into.add(6, gradients.dcell);
             });
  out.last.state = end_of("last_state", run.last, out.states, ends, &arrived::last);
  if (cell == recurrent_cell::lstm)
    out.last.cell = end_of("last_cell", run.last_cell, out.states, ends, &arrived::last_cell);
  return out;
}

std::vector<long> equal_offsets(long sequences, long tokens) {
  std::vector<long> offsets;
  for (long b = 0; b <= sequences; ++b) offsets.push_back(b * tokens);
  return offsets;
}

}  // namespace qkv
