// Backward passes of the recurrent cells: through time first, then the products of all steps at once.
#include <cstring>

#include "qkv/ops/linear.h"
#include "qkv/ops/recurrent_memory.h"

namespace qkv {
namespace {

using step_back_kernel = void (*)(const cell_step_back&);
step_back_kernel kernel_of(recurrent_cell cell) {
  const auto& kernels = recurrent_now();
  return cell == recurrent_cell::rnn   ? kernels.rnn_back
         : cell == recurrent_cell::gru ? kernels.gru_back
                                       : kernels.lstm_back;
}

/// Gradients that arrive from outside; empty ones are zeros.
struct arriving {
  tensor states, last, last_cell;
};

/// The walk back through time.
class backward_pass {
 public:
  backward_pass(const detail::recurrent_memory& memory, const arriving& from, const recurrent_gradients& into)
      : m_(memory),
        from_(from),
        into_(into),
        units_(memory.units),
        gates_(gates_of(memory.cell)),
        plan_(memory.steps, units_, gates_),
        step_back_(kernel_of(memory.cell)),
        zeros_({units_}),
        dgates(tensor::uninitialized(memory.gates.shape())) {
    if (m_.cell == recurrent_cell::gru) dkept = tensor::uninitialized(m_.kept.shape());
  }

  void run() {
    const long sequences = m_.steps.count();
    const auto w = m_.weights.hidden.view<const float, 2>();
    if (m_.steps.longest() > 1 || !into_.dstate.empty())
      hidden_ = packed_columns(w.data, w.strides[0], w.strides[1], gates_ * units_, units_);
    const auto chunk = [&](long item, int = 0) {
      run_chunk(item * plan_.chunk, std::min(sequences, (item + 1) * plan_.chunk));
    };
    if (plan_.share_steps)
      for (long item = 0; item < plan_.chunks(sequences); ++item) chunk(item);
    else
      parallel_for(plan_.chunks(sequences), chunk);
  }

 private:
  void run_chunk(long from, long to) const {
    const long most = to - from, longest = m_.steps.length[std::size_t(from)];
    const bool lstm = m_.cell == recurrent_cell::lstm;
    const tensor carry = tensor::uninitialized({most, units_});
    const tensor cell_carry = lstm ? tensor::uninitialized({most, units_}) : tensor();
    tensor now = tensor::uninitialized({most, gates_ * units_}), after = tensor::uninitialized({most, gates_ * units_});
    long live_after = 0;
    for (long t = longest - 1; t >= 0; --t) {
      const long live = std::min(to, m_.steps.live(t)) - from;
      const float* step_after = after.data<float>();
      float* step = now.data<float>();
      for_blocks(plan_, units_, [&](long first, long count) {
        carry_block(step_after, carry, live_after, first, count);
        begin_carrying(carry, cell_carry, from, live_after, live, first, count);
        for (long i = 0; i < live; ++i)
          work_gates(t, from + i, first, count, carry.data<float>() + i * units_,
                     lstm ? cell_carry.data<float>() + i * units_ : nullptr, step + i * gates_ * units_);
      });
      live_after = live;
      std::swap(now, after);
    }
    if (into_.dstate.empty() && into_.dcell.empty()) return;
    for_blocks(plan_, units_, [&](long first, long count) {
      if (!into_.dstate.empty()) carry_block(after.data<float>(), carry, live_after, first, count);
      begin_carrying(carry, cell_carry, from, live_after, most, first, count);
      for (long i = 0; i < most; ++i) {
        const long to_row = m_.steps.sequence[std::size_t(from + i)] * units_ + first, from_row = i * units_ + first;
        if (!into_.dstate.empty()) copy(into_.dstate.data<float>() + to_row, carry.data<float>() + from_row, count);
        if (!into_.dcell.empty()) copy(into_.dcell.data<float>() + to_row, cell_carry.data<float>() + from_row, count);
      }
    });
  }

  /// The gradient of the state before a step, from that of its products; GRU's direct part waits there already.
  void carry_block(const float* step, const tensor& carry, long live, long first, long count) const {
    if (live == 0) return;
    hidden_.multiply(step, gates_ * units_, carry.data<float>() + first, units_, live, first, count,
                     m_.cell == recurrent_cell::gru);
  }

  /// Sequences that end at this step carry what arrived for their last state.
  void begin_carrying(const tensor& carry, const tensor& cell_carry, long from, long ended, long live, long first,
                      long count) const {
    const auto begin = [&](const tensor& all, const tensor& last, long i) {
      if (all.empty()) return;
      const long b = m_.steps.sequence[std::size_t(from + i)];
      copy(all.data<float>() + i * units_ + first,
           last.empty() ? zeros_.data<float>() : last.data<float>() + b * units_ + first, count);
    };
    for (long i = ended; i < live; ++i) begin(carry, from_.last, i), begin(cell_carry, from_.last_cell, i);
  }

  void work_gates(long t, long rank, long first, long count, float* carry, float* cell_carry, float* step) const {
    const long row = m_.steps.row(rank, t), before = t > 0 ? m_.steps.row(rank, t - 1) : -1;
    const auto here = [&](const tensor& all, long width) { return all.data<float>() + row * width + first; };
    const auto earlier = [&](const tensor& all, const tensor& start) -> const float* {
      if (before >= 0) return all.data<float>() + before * units_ + first;
      if (start.empty()) return zeros_.data<float>();
      return start.data<float>() + m_.steps.sequence[std::size_t(rank)] * units_ + first;
    };
    step_back_({.outside = from_.states.empty() ? zeros_.data<float>() : here(from_.states, units_),
                .carry = carry + first,
                .cell_carry = cell_carry ? cell_carry + first : nullptr,
                .gates = here(m_.gates, gates_ * units_),
                .kept = m_.kept.empty() ? nullptr : here(m_.kept, units_),
                .state = here(m_.states, units_),
                .before = earlier(m_.states, m_.start.state),
                .cell_before = m_.cell == recurrent_cell::lstm ? earlier(m_.kept, m_.start.cell) : nullptr,
                .dgates = here(dgates, gates_ * units_),
                .dkept = dkept.empty() ? nullptr : here(dkept, units_),
                .step = step + first,
                .pitch = units_,
                .units = count});
  }

  static void copy(float* to, const float* from, long count) {
    std::memcpy(to, from, std::size_t(count) * sizeof(float));
  }

  const detail::recurrent_memory& m_;
  const arriving& from_;
  const recurrent_gradients& into_;
  const long units_, gates_;
  const recurrent_plan plan_;
  const step_back_kernel step_back_;
  const tensor zeros_;
  packed_columns hidden_;

 public:
  const tensor dgates;  ///< [N, G U]
  tensor dkept;         ///< [N, U], of GRU
};

/// The state that every token's step began with, [N, U].
tensor states_before(const detail::recurrent_memory& m) {
  const tensor before = tensor::uninitialized(m.states.shape());
  const long units = m.units;
  parallel_for(m.steps.count(), [&](long rank, int) {
    const long b = m.steps.sequence[std::size_t(rank)];
    for (long t = 0; t < m.steps.length[std::size_t(rank)]; ++t) {
      float* to = before.data<float>() + m.steps.row(rank, t) * units;
      const auto bytes = std::size_t(units) * sizeof(float);
      if (t > 0)
        std::memcpy(to, m.states.data<float>() + m.steps.row(rank, t - 1) * units, bytes);
      else if (!m.start.state.empty())
        std::memcpy(to, m.start.state.data<float>() + b * units, bytes);
      else
        std::memset(to, 0, bytes);
    }
  });
  return before;
}

/// Calls give(from, to, gradient) for the rows from .. to of the state's weights and the gradient of their products.
template <class Give>
void for_hidden_gates(const detail::recurrent_memory& m, const backward_pass& pass, const Give& give) {
  const long all = gates_of(m.cell) * m.units;
  if (m.cell != recurrent_cell::gru) return give(0, all, pass.dgates);
  give(0, 2 * m.units, pass.dgates.slice(1, 0, 2 * m.units));
  give(2 * m.units, all, pass.dkept);
}

void check_gradients(const char* op, const detail::recurrent_memory& m, const recurrent_gradients& d) {
  const long gates = gates_of(m.cell) * m.units;
  const shape start{m.steps.count(), m.units};
  const auto check = [&](const tensor& t, const shape& expected, const char* name) {
    if (t.empty()) return;
    expect_shape(t, expected, op, name);
    for (const tensor& read : {m.x, m.weights.input, m.weights.hidden, m.states, m.gates})
      expect_apart(t, read, op, name, "the forward pass");
  };
  check(d.dx, m.x.shape(), "dx");
  check(d.dinput, m.weights.input.shape(), "dinput"), check(d.dhidden, m.weights.hidden.shape(), "dhidden");
  check(d.dinput_bias, {gates}, "dinput_bias"), check(d.dhidden_bias, {gates}, "dhidden_bias");
  check(d.dstate, start, "dstate"), check(d.dcell, start, "dcell");
  for (const tensor& t : {d.dstate, d.dcell})
    if (!t.empty() && !t.contiguous()) refuse(op, "dstate and dcell without gaps", "strides " + to_string(t.strides()));
  if (!d.dcell.empty() && m.cell != recurrent_cell::lstm) refuse(op, "no dcell", "one; only LSTM has cells");
}

tensor checked(const char* op, const tensor& t, const shape& expected, const char* name) {
  if (t.empty()) return t;
  expect_shape(t, expected, op, name);
  return t.to_contiguous();
}

}  // namespace

void recurrent_run::backward_into(const recurrent_gradients& into, const tensor& dstates, const tensor& dlast,
                                  const tensor& dlast_cell) const {
  if (!memory_) refuse("recurrent", "a forward pass", "none");
  const detail::recurrent_memory& m = *memory_;
  const char* op = name_of(m.cell);
  check_gradients(op, m, into);
  const shape ends{m.steps.count(), m.units};
  const arriving from{checked(op, dstates, m.states.shape(), "dstates"), checked(op, dlast, ends, "dlast"),
                      checked(op, dlast_cell, ends, "dlast_cell")};
  backward_pass pass(m, from, into);
  pass.run();
  if (!into.dx.empty()) linear_backward_input_into(into.dx, pass.dgates, m.weights.input, {.write = into.write_dx});
  if (!into.dinput.empty()) linear_backward_weight(into.dinput, pass.dgates, m.x);
  if (!into.dinput_bias.empty()) linear_backward_bias(into.dinput_bias, pass.dgates);
  if (!into.dhidden.empty()) {
    const tensor before = states_before(m);
    for_hidden_gates(m, pass, [&](long first, long end, const tensor& dproducts) {
      linear_backward_weight(into.dhidden.slice(0, first, end), dproducts, before);
    });
  }
  if (!into.dhidden_bias.empty())
    for_hidden_gates(m, pass, [&](long first, long end, const tensor& dproducts) {
      linear_backward_bias(into.dhidden_bias.slice(0, first, end), dproducts);
    });
}

}  // namespace qkv
