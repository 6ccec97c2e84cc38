// Forward passes of the recurrent cells.
#include "qkv/ops/recurrent.h"

#include <cstring>

#include "qkv/ops/linear.h"
#include "qkv/ops/recurrent_memory.h"

namespace qkv {
namespace {

long divide_up(long a, long b) { return (a + b - 1) / b; }
long round_up(long a, long b) { return divide_up(a, b) * b; }

void check_vector(const char* op, const tensor& t, long size, const char* name) {
  if (!t.empty()) expect_shape(t, {size}, op, name);
}

/// @returns U
long check_weights(const char* op, recurrent_cell cell, const tensor& x, const recurrent_weights& w) {
  const long gates = gates_of(cell);
  const std::string g = gates == 1 ? "" : std::to_string(gates) + " ";
  expect_rank(x, 2, op, "x [N, C]");
  expect_rank(w.hidden, 2, op, "hidden [" + g + "U, U]");
  const long units = w.hidden.dim(1);
  if (units < 1 || w.hidden.dim(0) != gates * units)
    refuse(op, "hidden [" + g + "U, U] with U " + std::to_string(units), to_string(w.hidden.shape()));
  expect_shape(w.input, {gates * units, x.dim(1)}, op, "input");
  check_vector(op, w.input_bias, gates * units, "input_bias");
  check_vector(op, w.hidden_bias, gates * units, "hidden_bias");
  return units;
}

tensor checked_start(const char* op, const tensor& t, long sequences, long units, const char* name) {
  if (t.empty()) return t;
  expect_shape(t, {sequences, units}, op, name);
  return t.to_contiguous();
}

/// The biases that are added to x W: all of them, but for the one that GRU's reset gate multiplies.
tensor bias_of_products(recurrent_cell cell, const recurrent_weights& w, long units) {
  if (w.hidden_bias.empty()) return w.input_bias;
  const tensor sum = w.input_bias.empty() ? tensor(w.hidden_bias.shape()) : w.input_bias.clone();
  const tensor more = w.hidden_bias.to_contiguous();
  const long together = cell == recurrent_cell::gru ? 2 * units : sum.size();
  for (long i = 0; i < together; ++i) sum.data<float>()[i] += more.data<float>()[i];
  return sum;
}

using step_kernel = void (*)(const cell_step&);
step_kernel kernel_of(recurrent_cell cell) {
  const auto& kernels = recurrent_now();
  return cell == recurrent_cell::rnn ? kernels.rnn : cell == recurrent_cell::gru ? kernels.gru : kernels.lstm;
}

/// A forward pass being computed.
class forward_pass {
 public:
  explicit forward_pass(const detail::recurrent_memory& memory)
      : m_(memory),
        units_(memory.units),
        gates_(gates_of(memory.cell)),
        plan_(memory.steps, units_, gates_),
        step_(kernel_of(memory.cell)),
        zeros_({units_}) {}

  void run() {
    const long sequences = m_.steps.count(), longest = m_.steps.longest();
    if (longest == 0) return;
    // A single step reads the weight in place; more of them are worth packing it.
    if (longest > 1) {
      const auto w = m_.weights.hidden.view<const float, 2>();
      for (long g = 0; g < gates_; ++g)
        hidden_.emplace_back(w.data + g * units_ * w.strides[0], w.strides[1], w.strides[0], units_, units_);
    }
    const auto chunk = [&](long item, int = 0) {
      run_chunk(item * plan_.chunk, std::min(sequences, (item + 1) * plan_.chunk));
    };
    if (plan_.share_steps || longest == 1)
      for (long item = 0; item < plan_.chunks(sequences); ++item) chunk(item);
    else
      parallel_for(plan_.chunks(sequences), chunk);
  }

 private:
  /// All steps of the sequences of ranks from .. to - 1.
  void run_chunk(long from, long to) const {
    const long most = to - from;
    tensor now = tensor::uninitialized({most, units_}), next = tensor::uninitialized({most, units_});
    const tensor sums = tensor::uninitialized({most, gates_ * units_});
    const bool starts = !m_.start.state.empty();
    if (starts)
      for (long i = 0; i < most; ++i) now.select(0, i).copy_from(start_of(m_.start.state, from + i));
    for (long t = 0; m_.steps.live(t) > from; ++t) {
      const long live = std::min(to, m_.steps.live(t)) - from;
      const bool multiply = t > 0 || starts;
      if (multiply && hidden_.empty()) linear_into(sums.slice(0, 0, live), now.slice(0, 0, live), m_.weights.hidden);
      const float* h = now.data<float>();
      float* to_next = next.data<float>();
      for_blocks(plan_, units_, [&](long first, long count) {
        for (long g = 0; multiply && g < long(hidden_.size()); ++g)
          hidden_[std::size_t(g)].multiply(h, units_, sums.data<float>() + g * units_ + first, gates_ * units_, live,
                                           first, count, false);
        for (long i = 0; i < live; ++i)
          work_gates(t, from + i, first, count, multiply ? sums.data<float>() + i * gates_ * units_ : nullptr,
                     to_next + i * units_);
      });
      std::swap(now, next);
    }
  }

  void work_gates(long t, long rank, long first, long count, const float* sums, float* next) const {
    const long row = m_.steps.row(rank, t), before = t > 0 ? m_.steps.row(rank, t - 1) : -1;
    const auto earlier = [&](const tensor& all, const tensor& start) {
      if (all.empty()) return zeros_.data<const float>();
      if (before >= 0) return all.data<const float>() + before * units_ + first;
      return start.empty() ? zeros_.data<const float>()
                           : start.data<const float>() + m_.steps.sequence[std::size_t(rank)] * units_ + first;
    };
    const tensor& bias = hidden_bias_;
    step_({.gates = m_.gates.data<float>() + row * gates_ * units_ + first,
           .pitch = units_,
           .sums = sums ? sums + first : zeros_.data<const float>(),
           .sums_pitch = sums ? units_ : 0,
           .hidden_bias = bias.empty() ? nullptr : bias.data<const float>() + 2 * units_ + first,
           .before = earlier(m_.states, m_.start.state),
           .cell_before = m_.cell == recurrent_cell::lstm ? earlier(m_.kept, m_.start.cell) : nullptr,
           .kept = m_.kept.empty() ? nullptr : m_.kept.data<float>() + row * units_ + first,
           .state = m_.states.data<float>() + row * units_ + first,
           .next = next + first,
           .units = count});
  }

  tensor start_of(const tensor& t, long rank) const { return t.select(0, m_.steps.sequence[std::size_t(rank)]); }

  const detail::recurrent_memory& m_;
  const long units_, gates_;
  const recurrent_plan plan_;
  const step_kernel step_;
  const tensor zeros_;
  const tensor hidden_bias_ = m_.cell == recurrent_cell::gru && !m_.weights.hidden_bias.empty()
                                  ? m_.weights.hidden_bias.to_contiguous()
                                  : tensor();
  std::vector<packed_columns> hidden_;  // one a gate
};

/// The rows after which sequences end; the start where a sequence is empty.
tensor last_of(const sequence_steps& steps, const tensor& all, const tensor& start, long units) {
  const tensor last({steps.count(), units});
  for (long rank = 0; rank < steps.count(); ++rank) {
    const long b = steps.sequence[std::size_t(rank)], length = steps.length[std::size_t(rank)];
    const float* from = length > 0       ? all.data<float>() + steps.row(rank, length - 1) * units
                        : !start.empty() ? start.data<float>() + b * units
                                         : nullptr;
    if (from) std::memcpy(last.data<float>() + b * units, from, std::size_t(units) * sizeof(float));
  }
  return last;
}

}  // namespace

const char* name_of(recurrent_cell cell) {
  return cell == recurrent_cell::rnn ? "rnn" : cell == recurrent_cell::gru ? "gru" : "lstm";
}

long gates_of(recurrent_cell cell) { return cell == recurrent_cell::rnn ? 1 : cell == recurrent_cell::gru ? 3 : 4; }

recurrent_plan::recurrent_plan(const sequence_steps& steps, long units, long gates) {
  const matmul_kernels& kernels = matmul_now();
  const long sequences = std::max(1l, steps.count());
  // From 25 sequences on, an even number of items of at most 48; a step then needs no hand-out of its own.
  const long chunks = sequences <= 24 ? 1 : 2 * divide_up(sequences, 96);
  chunk = round_up(divide_up(sequences, chunks), kernels.tile_rows);
  block = std::clamp(round_up(divide_up(units, 8), kernels.tile_columns), long(kernels.tile_columns), 128l);
  share_steps = sequences <= 24 && sequences * units * units * gates >= (1l << 17);
}

packed_columns::packed_columns(const float* b, long depth_stride, long column_stride, long depth, long columns)
    : depth_(depth) {
  const matmul_kernels& kernels = matmul_now();
  const long panels = divide_up(columns, kernels.tile_columns);
  panels_ = tensor::uninitialized({panels, depth, kernels.tile_columns});
  parallel_for(panels, [&](long panel, int) {
    const long column = panel * kernels.tile_columns;
    kernels.pack_columns(b + column * column_stride, depth_stride, column_stride, depth,
                         std::min<long>(kernels.tile_columns, columns - column),
                         panels_.data<float>() + column * depth);
  });
}

void packed_columns::multiply(const float* a, long a_stride, float* c, long c_stride, long rows, long column,
                              long count, bool add) const {
  const matmul_kernels& kernels = matmul_now();
  kernels.multiply({.a = a,
                    .a_row_stride = a_stride,
                    .a_depth_stride = 1,
                    .a_packed = false,
                    .b = panels_.data<float>() + column * depth_,
                    .c = c,
                    .c_stride = c_stride,
                    .rows = rows,
                    .columns = count,
                    .depth = depth_,
                    .depth_block = rows <= kernels.tile_rows ? std::max(1l, depth_) : 256,
                    .add = add,
                    .epilogue = {}});
}

recurrent_run recurrent_forward(recurrent_cell cell, const tensor& x, std::span<const long> offsets,
                                const recurrent_weights& weights, const recurrent_options& options) {
  const char* op = name_of(cell);
  const long units = check_weights(op, cell, x, weights), gates = gates_of(cell), tokens = x.dim(0);
  const long sequences = check_offsets(op, offsets, tokens);
  recurrent_state start{
      checked_start(op, options.start.state, sequences, units, "start.state"),
      cell == recurrent_cell::lstm ? checked_start(op, options.start.cell, sequences, units, "start.cell") : tensor()};
  auto memory = std::make_shared<detail::recurrent_memory>(
      detail::recurrent_memory{.cell = cell,
                               .steps = sequence_steps(offsets, options.reversed),
                               .x = x,
                               .weights = weights,
                               .start = std::move(start),
                               .units = units,
                               .gates = tensor::uninitialized({tokens, gates * units}),
                               .kept = cell == recurrent_cell::rnn ? tensor() : tensor::uninitialized({tokens, units}),
                               .states = tensor::uninitialized({tokens, units})});
  linear_into(memory->gates, x, weights.input, {.bias = bias_of_products(cell, weights, units)});
  forward_pass(*memory).run();
  recurrent_run run;
  run.states = memory->states;
  run.last = last_of(memory->steps, memory->states, memory->start.state, units);
  if (cell == recurrent_cell::lstm) run.last_cell = last_of(memory->steps, memory->kept, memory->start.cell, units);
  run.memory_ = std::move(memory);
  return run;
}

recurrent_state recurrent_step(recurrent_cell cell, const tensor& x, const recurrent_state& before,
                               const recurrent_weights& weights) {
  expect_rank(x, 2, name_of(cell), "x [B, C]");
  std::vector<long> offsets;
  for (long b = 0; b <= x.dim(0); ++b) offsets.push_back(b);
  const recurrent_run run = recurrent_forward(cell, x, offsets, weights, {.start = before});
  return {run.last, run.last_cell};
}

}  // namespace qkv
