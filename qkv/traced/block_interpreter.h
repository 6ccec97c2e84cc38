// block_interpreter: runs a schedule over one block of links, forward and in reverse.
//
// Each instruction runs over a whole block, a register at a time, so that deciding what it is costs little; values that
// vary along rows or keys alone are computed for those alone.  Set is the lanes of an instruction set, or one double.
//
// In reverse each instruction hands its adjoint on to its operands.  What is one for many links has one adjoint:
// contributions add up in its register, lane by lane.  An adjoint of 0 hands on 0, whatever the derivative is, so that
// links which do not exist and branches not taken leave no trace, even of NaN.
#pragma once
#include <cstring>

#include "qkv/traced/block.h"

namespace qkv::traced {

template <class Set>
class block_interpreter {
  using real = typename Set::real;
  using index = typename Set::index;
  using truth = typename index::truth;
  using number = typename Set::number;
  static constexpr int width = Set::width;

 public:
  [[gnu::always_inline]] explicit block_interpreter(const block<number>& x) : b(x) {}

  [[gnu::always_inline]] void forward(int from, int to) const {
    for (int n = from; n < to; ++n) run(n);
  }
  [[gnu::always_inline]] void reverse(int from, int to) const {
    for (int n = to; n-- > from;)
      if (b.steps[n].active) hand_on(n);
  }

 private:
  template <class X>
  [[gnu::always_inline]] static X take(const number* from) {
    X x;
    __builtin_memcpy(&x.v, from, sizeof x.v);
    return x;
  }
  template <class X>
  [[gnu::always_inline]] static void put(number* to, X x) {
    __builtin_memcpy(to, &x.v, sizeof x.v);
  }
  template <class X>
  [[gnu::always_inline]] X value(int n, long r, long v) const {
    const operand<number>& from = b.at[n];
    return take<X>(from.at + r * from.row_step + v * from.register_step);
  }
  /// f(row, register) for all places that step n varies along.
  template <class F>
  [[gnu::always_inline]] void each_place(int n, F f) const {
    const extent along = b.steps[n].along;
    const long rows = along & along_rows ? b.rows : 1, registers = along & along_keys ? b.registers : 1;
    for (long r = 0; r < rows; ++r)
      for (long v = 0; v < registers; ++v) f(r, v);
  }
  template <class F>
  [[gnu::always_inline]] void fill(int n, F f) const {
    const operand<number> to = b.at[n];
    each_place(n, [&] [[gnu::always_inline]] (long r, long v) {
      put(to.at + r * to.row_step + v * to.register_step, f(r, v));
    });
  }
  template <class X, class F>
  [[gnu::always_inline]] void map(int n, F f) const {
    const operand<number> x = b.at[b.steps[n].what.a];
    fill(n, [&] [[gnu::always_inline]] (long r, long v) {
      return f(take<X>(x.at + r * x.row_step + v * x.register_step));
    });
  }
  template <class X, class F>
  [[gnu::always_inline]] void join(int n, F f) const {
    const operand<number> x = b.at[b.steps[n].what.a], y = b.at[b.steps[n].what.b];
    fill(n, [&] [[gnu::always_inline]] (long r, long v) {
      return f(take<X>(x.at + r * x.row_step + v * x.register_step),
               take<X>(y.at + r * y.row_step + v * y.register_step));
    });
  }

  template <class X>
  [[gnu::always_inline]] void arithmetic(int n, const instruction& i) const {
    switch (i.code) {
      case opcode::add:
        return join<X>(n, [](X x, X y) { return x + y; });
      case opcode::subtract:
        return join<X>(n, [](X x, X y) { return x - y; });
      case opcode::multiply:
        return join<X>(n, [](X x, X y) { return x * y; });
      case opcode::divide:
        return join<X>(n, [](X x, X y) { return x / y; });
      case opcode::minimum:
        return join<X>(n, [](X x, X y) { return min(x, y); });
      case opcode::maximum:
        return join<X>(n, [](X x, X y) { return max(x, y); });
      case opcode::negative:
        return map<X>(n, [](X x) { return -x; });
      case opcode::absolute:
        return map<X>(n, [](X x) { return abs(x); });
      default:
        return fill(n, [&](long r, long v) {
          return select(value<truth>(i.c, r, v), value<X>(i.a, r, v), value<X>(i.b, r, v));
        });
    }
  }
  template <class X>
  [[gnu::always_inline]] void compare(int n, const instruction& i) const {
    switch (i.code) {
      case opcode::less:
        return join<X>(n, [](X x, X y) { return x < y; });
      case opcode::less_equal:
        return join<X>(n, [](X x, X y) { return x <= y; });
      default:
        return join<X>(n, [](X x, X y) { return x == y; });
    }
  }

  [[gnu::always_inline]] void run(int n) const {
    const instruction& i = b.steps[n].what;
    switch (i.code) {
      case opcode::score:
        b.at[n] = {const_cast<number*>(b.given.score), b.given.score_pitch, width};
        return;
      case opcode::key_channel:
        b.at[n] = {const_cast<number*>(b.given.key_channel), 0, width};
        return;
      case opcode::query_channel:
        if (b.steps[n].along == along_rows)
          return fill(n, [&](long r, long) { return real(b.given.query_channel[r]); });
        b.at[n] = {const_cast<number*>(b.given.query_channel), 0, width};
        return;
      case opcode::channel_weight:
        return fill(n, [&](long, long) { return real(b.given.channel_weight); });
      case opcode::query:
        return fill(n, [&](long r, long) { return index(b.offset + b.first_row + r); });
      case opcode::key:
        return fill(n, [&](long, long v) { return key_of(b.first_key + v * width); });
      case opcode::head:
        return fill(n, [&](long, long) { return index(b.head); });
      case opcode::batch:
        return fill(n, [&](long, long) { return index(b.batch); });
      case opcode::row:
        return fill(n, [&](long r, long) { return index(b.first_row + r); });
      case opcode::queries:
        return fill(n, [&](long, long) { return index(b.all_rows); });
      case opcode::keys:
        return fill(n, [&](long, long) { return index(b.all_keys); });
      case opcode::number:
        if (i.type == kind::real) return fill(n, [&](long, long) { return real(i.number); });
        if (i.type == kind::whole) return fill(n, [&](long, long) { return index(std::int64_t(i.number)); });
        return fill(n, [&](long, long) { return truth(i.number != 0); });
      case opcode::remainder:
        return join<index>(n, [](index x, index y) { return x % y; });
      case opcode::hash:
        return join<index>(n, [seed = i.seed](index x, index y) { return hash(seed, x, y); });
      case opcode::table_entry:
        return join<index>(n, [this, t = long(i.number)](index x, index y) { return of_table(t, x, y); });
      case opcode::less:
      case opcode::less_equal:
      case opcode::equal:
        return b.steps[i.a].what.type == kind::whole ? compare<index>(n, i) : compare<real>(n, i);
      case opcode::both:
        return join<truth>(n, [](truth x, truth y) { return x && y; });
      case opcode::either:
        return join<truth>(n, [](truth x, truth y) { return x || y; });
      case opcode::opposite:
        return map<truth>(n, [](truth x) { return !x; });
      case opcode::exponential:
        return map<real>(n, [](real x) { return exp(x); });
      case opcode::logarithm:
        return map<real>(n, [](real x) { return log(x); });
      case opcode::tangent:
        return map<real>(n, [](real x) { return tanh(x); });
      case opcode::root:
        return map<real>(n, [](real x) { return sqrt(x); });
      case opcode::sigmoid:
        return map<real>(n, [](real x) { return sigmoid(x); });
      case opcode::to_real:
        return map<index>(n, [](index x) { return real(x); });
      case opcode::to_whole:
        return map<real>(n, [](real x) { return whole(x); });
      case opcode::array_entry:
        return map<index>(n, [a = b.arrays[long(i.number)]](index x) { return entries(a, x); });
      case opcode::learned_entry:
        return map<index>(n, [a = b.learned[long(i.number)]](index x) { return entries(a, x); });
      default:
        return i.type == kind::whole ? arithmetic<index>(n, i) : arithmetic<real>(n, i);
    }
  }

  [[gnu::always_inline]] static index counting(std::int64_t first) {
    if constexpr (width == 1)
      return first;
    else
      return index::counting_from(std::int32_t(first));
  }
  [[gnu::always_inline]] index key_of(std::int64_t first) const {
    if constexpr (width == 1) {
      return first;
    } else {
      if (!b.key_places) return counting(first);
      index x;
      __builtin_memcpy(&x.v, b.key_places + first, sizeof x.v);
      return x;
    }
  }
  // Whether all lanes look at the same entry; whether each looks one further than the lane before.
  [[gnu::always_inline]] static bool same_entry(index x) {
    if constexpr (width == 1)
      return true;
    else
      return all(x == index(x.v[0]));
  }
  [[gnu::always_inline]] static bool consecutive(index x) {
    if constexpr (width == 1)
      return false;
    else
      return all(x == index::counting_from(x.v[0]));
  }
  static real entries(const array_view& from, index offset) {
    const auto* const floats = static_cast<const float*>(from.data);
    const auto* const doubles = static_cast<const double*>(from.data);
    if constexpr (width == 1) {
      return from.is_double ? doubles[offset.v] : double(floats[offset.v]);
    } else {
      real x;
      if (from.is_double)
        for (int l = 0; l < width; ++l) x.v[l] = float(doubles[offset.v[l]]);
      else if (same_entry(offset))
        x = real(floats[offset.v[0]]);
      else if (consecutive(offset))
        __builtin_memcpy(&x.v, floats + offset.v[0], sizeof x.v);
      else
        for (int l = 0; l < width; ++l) x.v[l] = floats[offset.v[l]];
      return x;
    }
  }
  index of_table(long number_of_table, index row, index column) const {
    if constexpr (width == 1) {
      return b.tables[number_of_table][row, column];
    } else {
      const table_entries& t = b.entries[number_of_table];
      const index last_row(t.rows - 1), last_column(t.columns - 1);
      const index i = min(max(row, index(0)), last_row), j = min(max(column, index(0)), last_column);
      index x;
      if (same_entry(i) && consecutive(j)) {
        __builtin_memcpy(&x.v, t.values + i.v[0] * t.columns + j.v[0], sizeof x.v);
        return x;
      }
      for (int l = 0; l < width; ++l) x.v[l] = t.values[i.v[l] * t.columns + j.v[l]];
      return x;
    }
  }

  // Adjoints stand beside the values, with the same steps (what is read where it was given has steps of its own).
  [[gnu::always_inline]] number* place(int n, long r, long v) const {
    const scheduled& step = b.steps[n];
    const long row_step = step.along == everywhere ? b.registers * width : step.along == along_rows ? width : 0;
    return b.adjoints + step.adjoint + r * row_step + v * (step.along & along_keys ? width : 0);
  }
  [[gnu::always_inline]] real adjoint(int n, long r, long v) const { return take<real>(place(n, r, v)); }
  [[gnu::always_inline]] static real times(real g, real slope) { return select(g != real(0), g * slope, real(0)); }

  /// Gives operand x of step n the adjoint f(g, row, register).
  template <class F>
  [[gnu::always_inline]] void give(int n, int x, F f) const {
    if (!b.steps[x].active) return;
    each_place(n, [&] [[gnu::always_inline]] (long r, long v) {
      number* const to = place(x, r, v);
      put(to, take<real>(to) + f(adjoint(n, r, v), r, v));
    });
  }

  [[gnu::always_inline]] void hand_on(int n) const {
    const instruction& i = b.steps[n].what;
    const auto x = [&](int which, long r, long v) { return value<real>(which, r, v); };
    switch (i.code) {
      case opcode::add:
        give(n, i.a, [](real g, long, long) { return g; });
        return give(n, i.b, [](real g, long, long) { return g; });
      case opcode::subtract:
        give(n, i.a, [](real g, long, long) { return g; });
        return give(n, i.b, [](real g, long, long) { return -g; });
      case opcode::multiply:
        give(n, i.a, [&](real g, long r, long v) { return times(g, x(i.b, r, v)); });
        return give(n, i.b, [&](real g, long r, long v) { return times(g, x(i.a, r, v)); });
      case opcode::divide:
        give(n, i.a, [&](real g, long r, long v) { return times(g, real(1) / x(i.b, r, v)); });
        return give(n, i.b, [&](real g, long r, long v) { return times(g, -x(n, r, v) / x(i.b, r, v)); });
      case opcode::negative:
        return give(n, i.a, [](real g, long, long) { return -g; });
      case opcode::minimum:
        give(n, i.a, [&](real g, long r, long v) { return select(x(i.a, r, v) < x(i.b, r, v), g, real(0)); });
        return give(n, i.b, [&](real g, long r, long v) { return select(x(i.a, r, v) < x(i.b, r, v), real(0), g); });
      case opcode::maximum:
        give(n, i.a, [&](real g, long r, long v) { return select(x(i.a, r, v) > x(i.b, r, v), g, real(0)); });
        return give(n, i.b, [&](real g, long r, long v) { return select(x(i.a, r, v) > x(i.b, r, v), real(0), g); });
      case opcode::absolute:
        return give(n, i.a, [&](real g, long r, long v) { return select(x(i.a, r, v) < real(0), -g, g); });
      case opcode::select:
        give(n, i.a, [&](real g, long r, long v) { return select(value<truth>(i.c, r, v), g, real(0)); });
        return give(n, i.b, [&](real g, long r, long v) { return select(value<truth>(i.c, r, v), real(0), g); });
      case opcode::exponential:
        return give(n, i.a, [&](real g, long r, long v) { return times(g, x(n, r, v)); });
      case opcode::logarithm:
        return give(n, i.a, [&](real g, long r, long v) { return times(g, real(1) / x(i.a, r, v)); });
      case opcode::tangent:
        return give(n, i.a, [&](real g, long r, long v) {
          const real y = x(n, r, v);
          return times(g, real(1) - y * y);
        });
      case opcode::root:
        return give(n, i.a, [&](real g, long r, long v) { return times(g, real(1) / (real(2) * x(n, r, v))); });
      case opcode::sigmoid:
        return give(n, i.a, [&](real g, long r, long v) {
          const real y = x(n, r, v);
          return times(g, y * (real(1) - y));
        });
      case opcode::learned_entry:
        return learn(n, i.a, b.gradients[long(i.number)]);
      default:
        return;
    }
  }
  [[gnu::always_inline]] void learn(int n, int offsets, number* gradient) const {
    each_place(n, [&](long r, long v) {
      const real g = adjoint(n, r, v);
      const index offset = value<index>(offsets, r, v);
      if constexpr (width == 1) {
        gradient[offset.v] += g.v;
      } else {
        if (same_entry(offset))
          gradient[offset.v[0]] += sum(g);
        else
          for (int l = 0; l < width; ++l) gradient[offset.v[l]] += g.v[l];
      }
    });
  }

  const block<number>& b;
};

}  // namespace qkv::traced
