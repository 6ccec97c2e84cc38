#include <functional>

#include "qkv/ops/gru.h"
#include "qkv/ops/lstm.h"
#include "tests/ops/oracle.h"

namespace qkv {
namespace {

using namespace oracle;

const auto cells = {recurrent_cell::rnn, recurrent_cell::gru, recurrent_cell::lstm};

/// Everything a cell reads, as doubles: x, input, hidden, input_bias, hidden_bias, start, start of the cell.
enum operand { in_x, in_input, in_hidden, in_input_bias, in_hidden_bias, in_state, in_cell, operands };

struct cell_case {
  recurrent_cell cell;
  std::vector<long> offsets;
  long width, units;
  bool reversed = false, biases = true, starts = true;

  long tokens() const { return offsets.back(); }
  long sequences() const { return long(offsets.size()) - 1; }
  long gates() const { return gates_of(cell); }
  shape shape_of(int operand) const {
    const shape all[] = {{tokens(), width}, {gates() * units, width}, {gates() * units, units}, {gates() * units},
                         {gates() * units}, {sequences(), units},     {sequences(), units}};
    return all[operand];
  }
  bool has(int operand) const {
    if (operand == in_input_bias || operand == in_hidden_bias) return biases;
    if (operand == in_state) return starts;
    return operand == in_cell ? starts && cell == recurrent_cell::lstm : true;
  }
  tensor random(int operand) const {
    // Larger weights would make a chaotic system, in which rounding grows from step to step.
    const double deviation = operand == in_x        ? 1
                             : operand == in_input  ? 1 / std::sqrt(double(width))
                             : operand == in_hidden ? 0.9 / std::sqrt(double(units))
                                                    : 0.5;
    return has(operand) ? random_tensor(shape_of(operand), 10 + std::uint64_t(operand), deviation) : tensor();
  }
};

struct outcome {
  numbers states, last, last_cell;
};

/// The definition, token by token.
outcome by_definition(const cell_case& c, const std::vector<numbers>& in) {
  const long U = c.units, G = c.gates();
  outcome out{numbers(std::size_t(c.tokens() * U)), numbers(std::size_t(c.sequences() * U)),
              numbers(std::size_t(c.sequences() * U))};
  const auto at = [](const numbers& v, long i) { return v.empty() ? 0.0 : v[std::size_t(i)]; };
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  for (long b = 0; b < c.sequences(); ++b) {
    numbers h(static_cast<std::size_t>(U)), cell(h);
    for (long u = 0; u < U; ++u)
      h[std::size_t(u)] = at(in[in_state], b * U + u), cell[std::size_t(u)] = at(in[in_cell], b * U + u);
    const long first = c.offsets[std::size_t(b)], length = c.offsets[std::size_t(b) + 1] - first;
    for (long t = 0; t < length; ++t) {
      const long row = first + (c.reversed ? length - 1 - t : t);
      numbers a(std::size_t(G * U)), r(a);
      for (long g = 0; g < G * U; ++g) {
        a[std::size_t(g)] = at(in[in_input_bias], g), r[std::size_t(g)] = at(in[in_hidden_bias], g);
        for (long i = 0; i < c.width; ++i)
          a[std::size_t(g)] += in[in_input][std::size_t(g * c.width + i)] * in[in_x][std::size_t(row * c.width + i)];
        for (long i = 0; i < U; ++i) r[std::size_t(g)] += in[in_hidden][std::size_t(g * U + i)] * h[std::size_t(i)];
      }
      for (long u = 0; u < U; ++u) {
        const auto from_x = [&](long gate) { return a[std::size_t(gate * U + u)]; };
        const auto from_h = [&](long gate) { return r[std::size_t(gate * U + u)]; };
        const auto both = [&](long gate) { return from_x(gate) + from_h(gate); };
        double& state = h[std::size_t(u)];
        if (c.cell == recurrent_cell::rnn) state = std::tanh(both(0));
        if (c.cell == recurrent_cell::gru) {
          const double z = sigmoid(both(1)), n = std::tanh(from_x(2) + sigmoid(both(0)) * from_h(2));
          state = (1 - z) * n + z * state;
        }
        if (c.cell == recurrent_cell::lstm) {
          double& kept = cell[std::size_t(u)];
          kept = sigmoid(both(1)) * kept + sigmoid(both(0)) * std::tanh(both(2));
          state = sigmoid(both(3)) * std::tanh(kept);
        }
        out.states[std::size_t(row * U + u)] = state;
      }
    }
    std::copy(h.begin(), h.end(), out.last.begin() + b * U);
    std::copy(cell.begin(), cell.end(), out.last_cell.begin() + b * U);
  }
  return out;
}

struct operands_of_case {
  std::vector<tensor> all;
  explicit operands_of_case(const cell_case& c) {
    for (int o = 0; o < operands; ++o) all.push_back(c.random(o));
  }
  recurrent_weights weights() const { return {all[in_input], all[in_hidden], all[in_input_bias], all[in_hidden_bias]}; }
  recurrent_run run(const cell_case& c) const {
    return recurrent_forward(c.cell, all[in_x], c.offsets, weights(), {c.reversed, {all[in_state], all[in_cell]}});
  }
  std::vector<numbers> doubled() const {
    std::vector<numbers> values;
    for (const tensor& t : all) values.push_back(t.empty() ? numbers() : doubles(t));
    return values;
  }
};

std::string title(const cell_case& c) {
  return std::string(name_of(c.cell)) + ", " + std::to_string(c.sequences()) + " sequences, " +
         std::to_string(c.tokens()) + " tokens, C " + std::to_string(c.width) + ", U " + std::to_string(c.units) +
         (c.reversed ? ", reversed" : "") + (c.biases ? ", biases" : "") + (c.starts ? ", start" : "");
}

std::vector<long> offsets_of(const std::vector<long>& lengths) {
  std::vector<long> offsets{0};
  for (const long length : lengths) offsets.push_back(offsets.back() + length);
  return offsets;
}

std::vector<long> many_lengths(long count) {
  std::vector<long> lengths;
  for (long b = 0; b < count; ++b) lengths.push_back(b * 5 % 8);
  return lengths;
}

/// Lengths of 0 and 1, equal and unequal ones; few and many sequences; odd sizes and whole tiles.
std::vector<cell_case> cases() {
  std::vector<cell_case> all;
  for (const auto cell : cells)
    for (const bool reversed : {false, true})
      for (const bool rest : {false, true}) {
        for (const auto& lengths :
             std::vector<std::vector<long>>{{}, {0}, {1}, {5}, {3, 0, 7, 1, 3, 0}, {1, 1, 1}, many_lengths(30)})
          all.push_back({cell, offsets_of(lengths), 5, 7, reversed, rest, rest});
        all.push_back({cell, offsets_of({4, 2, 9}), 3, 64, reversed, rest, rest});
        all.push_back({cell, offsets_of({2, 3}), 1, 1, reversed, rest, !rest});
      }
  return all;
}

TEST(Recurrent, FollowsItsDefinition) {
  on_every_instruction_set([] {
    for (const cell_case& c : cases()) {
      const operands_of_case in(c);
      const recurrent_run run = in.run(c);
      const outcome expected = by_definition(c, in.doubled());
      expect_close(run.states, expected.states, 2e-6, title(c));
      expect_close(run.last, expected.last, 2e-6, title(c));
      if (c.cell == recurrent_cell::lstm) expect_close(run.last_cell, expected.last_cell, 2e-6, title(c));
    }
  });
}

TEST(Recurrent, FollowsItsDefinitionAtWidthsOfPractice) {
  for (const auto cell : cells)
    for (const long sequences : {1, 20, 70}) {
      const cell_case c{cell, offsets_of(many_lengths(sequences + 2)), 40, 200};
      const operands_of_case in(c);
      expect_close(in.run(c).states, by_definition(c, in.doubled()).states, 1e-5, title(c));
    }
}

TEST(RecurrentBackward, MatchesCentralDifferences) {
  on_every_instruction_set([] {
    for (const cell_case& c : cases()) {
      if (c.units > 8 || c.sequences() > 8) continue;
      const operands_of_case in(c);
      const recurrent_run run = in.run(c);
      const tensor dstates = random_tensor(run.states.shape(), 1), dlast = random_tensor(run.last.shape(), 2);
      const bool cell = c.cell == recurrent_cell::lstm;
      const tensor dlast_cell = cell ? random_tensor(run.last.shape(), 3) : tensor();
      std::vector<tensor> d;
      for (int o = 0; o < operands; ++o) d.push_back(c.has(o) ? tensor(c.shape_of(o)) : tensor());
      run.backward_into(
          {d[in_x], d[in_input], d[in_hidden], d[in_input_bias], d[in_hidden_bias], d[in_state], d[in_cell]}, dstates,
          dlast, dlast_cell);
      std::vector<numbers> values = in.doubled();
      for (int o = 0; o < operands; ++o) {
        if (!c.has(o)) continue;
        const numbers at = values[std::size_t(o)];
        const auto value = [&](const numbers& v) {
          values[std::size_t(o)] = v;
          const outcome out = by_definition(c, values);
          return dot(out.states, doubles(dstates)) + dot(out.last, doubles(dlast)) +
                 (cell ? dot(out.last_cell, doubles(dlast_cell)) : 0);
        };
        expect_close(d[std::size_t(o)], numerical_gradient(value, at), 2e-5,
                     title(c) + ", operand " + std::to_string(o));
        values[std::size_t(o)] = at;
      }
    }
  });
}

/// Wide and many: against the definition of a smaller case it would take too long; two ways of the same op agree.
TEST(RecurrentBackward, OfManySequencesIsThatOfEachByItself) {
  for (const auto cell : cells) {
    const cell_case all{cell, offsets_of(many_lengths(60)), 9, 50};
    const operands_of_case in(all);
    const tensor dstates = random_tensor({all.tokens(), 50}, 1);
    const tensor dx({all.tokens(), 9}), dhidden(all.shape_of(in_hidden)), dinput(all.shape_of(in_input));
    const tensor dstate({60, 50});
    in.run(all).backward_into({.dx = dx, .dinput = dinput, .dhidden = dhidden, .dstate = dstate}, dstates);
    const tensor sum_hidden(dhidden.shape()), sum_input(dinput.shape());
    for (long b = 0; b < 60; ++b) {
      const long first = all.offsets[std::size_t(b)], end = all.offsets[std::size_t(b) + 1];
      const std::vector<long> offsets{0, end - first};
      const recurrent_state start{in.all[in_state].slice(0, b, b + 1),
                                  cell == recurrent_cell::lstm ? in.all[in_cell].slice(0, b, b + 1) : tensor()};
      const auto run =
          recurrent_forward(cell, in.all[in_x].slice(0, first, end), offsets, in.weights(), {.start = start});
      const tensor dx_here({end - first, 9}), dstate_here({1, 50});
      run.backward_into({.dx = dx_here, .dinput = sum_input, .dhidden = sum_hidden, .dstate = dstate_here},
                        dstates.slice(0, first, end));
      expect_close(dx.slice(0, first, end), doubles(dx_here), 1e-5);
      expect_close(dstate.slice(0, b, b + 1), doubles(dstate_here), 1e-5);
    }
    expect_close(dhidden, doubles(sum_hidden), 1e-4);
    expect_close(dinput, doubles(sum_input), 1e-4);
  }
}

TEST(RecurrentBackward, AddsForWeightsAndReplacesOrAddsForX) {
  const cell_case c{recurrent_cell::gru, offsets_of({3, 2}), 4, 6};
  const operands_of_case in(c);
  const recurrent_run run = in.run(c);
  const tensor dstates = random_tensor(run.states.shape(), 1);
  const tensor dx(c.shape_of(in_x)), dw(c.shape_of(in_hidden));
  run.backward_into({.dx = dx, .dhidden = dw}, dstates);
  const tensor dx_more = tensor::full(dx.shape(), 2), dw_more = tensor::full(dw.shape(), 3);
  run.backward_into({.dx = dx_more, .dhidden = dw_more, .write_dx = writing::add}, dstates);
  numbers x = doubles(dx), w = doubles(dw);
  for (double& v : x) v += 2;
  for (double& v : w) v += 3;
  expect_close(dx_more, x, 1e-6);
  expect_close(dw_more, w, 1e-6);
}

TEST(Recurrent, StepByStepIsTheWhole) {
  for (const auto cell : cells)
    for (const long sequences : {1, 5, 30}) {
      const long T = 4, C = 6, U = 33;
      const cell_case c{cell, offsets_of(std::vector<long>(std::size_t(sequences), T)), C, U};
      const operands_of_case in(c);
      const recurrent_run whole = in.run(c);
      recurrent_state now{in.all[in_state], in.all[in_cell]};
      for (long t = 0; t < T; ++t) {
        now = recurrent_step(cell, in.all[in_x].reshape({sequences, T, C}).select(1, t), now, in.weights());
        expect_close(now.state, doubles(whole.states.reshape({sequences, T, U}).select(1, t)), 1e-6);
      }
      if (cell == recurrent_cell::lstm) expect_close(now.cell, doubles(whole.last_cell), 1e-6);
    }
}

TEST(Recurrent, TakesAnyStrides) {
  const cell_case c{recurrent_cell::lstm, offsets_of({3, 4}), 5, 8};
  const operands_of_case in(c);
  const numbers expected = doubles(in.run(c).states);
  const auto x = with_gaps(in.all[in_x]);
  const recurrent_weights w{turned(in.all[in_input]), turned(in.all[in_hidden]), in.all[in_input_bias],
                            in.all[in_hidden_bias]};
  const auto run = lstm_forward(x, c.offsets, w, {.start = {with_gaps(in.all[in_state]), turned(in.all[in_cell])}});
  expect_close(run.states, expected, 1e-6);
  const tensor dx({7, 5}), dx_turned({7, 5}), d = random_tensor({7, 8}, 3);
  in.run(c).backward_into({.dx = dx}, d);
  run.backward_into({.dx = dx_turned}, turned(d));
  expect_close(dx_turned, doubles(dx), 1e-6);
}

TEST(Recurrent, ASequenceDoesNotReachAnother) {
  const cell_case c{recurrent_cell::gru, offsets_of({3, 4, 2}), 5, 8};
  const operands_of_case in(c);
  const tensor before = in.run(c).states.clone();
  in.all[in_x].at<float>(4, 1) = NAN;
  const tensor after = in.run(c).states;
  EXPECT_TRUE(same_bits(before.slice(0, 0, 4), after.slice(0, 0, 4)));
  EXPECT_TRUE(std::isnan(after.at<float>(4, 0)) && std::isnan(after.at<float>(6, 7)));
  EXPECT_TRUE(same_bits(before.slice(0, 7, 9), after.slice(0, 7, 9)));
}

TEST(Recurrent, HasTheSameBitsForAnyNumberOfThreads) {
  for (const auto cell : cells)
    for (const long sequences : {3, 50}) {
      const cell_case c{cell, offsets_of(many_lengths(sequences)), 30, 160};
      const operands_of_case in(c);
      expect_same_bits_for_any_threads([&] {
        const recurrent_run run = in.run(c);
        const tensor dx(c.shape_of(in_x)), dinput(c.shape_of(in_input)), dhidden(c.shape_of(in_hidden));
        const tensor dstate(c.shape_of(in_state));
        run.backward_into({.dx = dx, .dinput = dinput, .dhidden = dhidden, .dstate = dstate}, run.states);
        return std::vector{run.states, run.last, dx, dinput, dhidden, dstate};
      });
    }
}

TEST(Recurrent, RefusesWhatDoesNotFit) {
  const recurrent_weights w{tensor({24, 5}), tensor({24, 8})};
  const tensor x({6, 5});
  const std::vector<long> offsets{0, 2, 6};
  const auto refusal_of = [&](const recurrent_weights& weights, const std::vector<long>& o,
                              const recurrent_options& options = {}) {
    return refusal([&] { gru_forward(x, o, weights, options); });
  };
  EXPECT_EQ(refusal_of({w.input, tensor({24, 9})}, offsets), "gru: expected hidden [3 U, U] with U 9; found [24, 9]");
  EXPECT_EQ(refusal_of({tensor({24, 4}), w.hidden}, offsets), "gru: expected input [24, 5]; found [24, 4]");
  EXPECT_EQ(refusal_of({w.input, w.hidden, tensor({8})}, offsets), "gru: expected input_bias [24]; found [8]");
  EXPECT_EQ(refusal_of(w, {0, 2, 5}), "gru: expected offsets that end at the 6 rows; found 5");
  EXPECT_EQ(refusal_of(w, {0, 4, 3, 6}), "gru: expected offsets that begin at 0 and never fall; found 3 as number 2");
  EXPECT_EQ(refusal_of(w, {1, 6}), "gru: expected offsets that begin at 0 and never fall; found 1 as number 0");
  EXPECT_EQ(refusal_of(w, {}), "gru: expected offsets [B+1], at least a 0; found none");
  EXPECT_EQ(refusal_of(w, offsets, {.start = {tensor({3, 8})}}), "gru: expected start.state [2, 8]; found [3, 8]");
  const auto run = gru_forward(x, offsets, w);
  EXPECT_EQ(refusal([&] {
              run.backward_into({.dx = tensor({6, 4})}, run.states);
            }),
            "gru: expected dx [6, 5]; found [6, 4]");
  EXPECT_EQ(refusal([&] {
              run.backward_into({.dcell = tensor({2, 8})}, run.states);
            }),
            "gru: expected no dcell; found one; only LSTM has cells");
  EXPECT_EQ(refusal([&] { run.backward_into({}, tensor({6, 7})); }), "gru: expected dstates [6, 8]; found [6, 7]");
}

}  // namespace
}  // namespace qkv
