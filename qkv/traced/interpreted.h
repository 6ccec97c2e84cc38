// interpreted: one program, its schedule and what it looks up, run over tiles of any size.
//
//     run<float> r(program, tile, learned);
//     r.each_block([&](const block_place& at) { ...give it scores...; r.forward(); ...read r.result()...; });
//
// A run borrows its thread's memory: one at a time for each thread.
#pragma once
#include <algorithm>
#include <cstring>

#include "qkv/attention/formula.h"
#include "qkv/attention/workspace.h"
#include "qkv/traced/block.h"

namespace qkv::traced {

class interpreted {
 public:
  /// learned: contiguous, by the numbers of learned_entry.
  explicit interpreted(const program&, std::vector<tensor> learned = {}, pairing = pairing::tile);

  const schedule& plan() const { return plan_; }
  const table_entries* entries() const { return entries_.data(); }
  const array_view* arrays() const { return arrays_.data(); }
  const array_view* learned() const { return learned_.data(); }

 private:
  schedule plan_;
  std::vector<table_entries> entries_;
  std::vector<array_view> arrays_, learned_;
  std::vector<tensor> owner_;
};

/// Memory of one thread, kept from call to call.
struct interpreter_memory {
  growing_memory places, values, adjoints;
  static interpreter_memory& mine();
};

/// A part of a tile that is interpreted at once.
struct block_place {
  long row, rows, key, keys;
};

template <class Number>
class run {
 public:
  run(const interpreted& p, const tile& t) : plan_(p.plan()), tile_(t), kernels_(kernels_for<Number>()) {
    interpreter_memory& m = interpreter_memory::mine();
    b_ = {.steps = plan_.steps.data(),
          .tables = plan_.tables.data(),
          .entries = p.entries(),
          .arrays = p.arrays(),
          .learned = p.learned(),
          .at = m.places.get<operand<Number>>(plan_.steps.size()),
          .offset = t.offset,
          .head = t.head,
          .batch = t.batch,
          .all_rows = t.all_rows,
          .all_keys = t.all_keys,
          .key_places = t.places};
    values_ = m.values.get<Number>(std::size_t(plan_.room));
  }
  /// With every step's values to be read afterwards.
  struct keep_values {};
  run(keep_values, const interpreted& p, const tile& t) : run(p, t) {
    own_places_ = true;
    values_ = interpreter_memory::mine().values.get<Number>(std::size_t(plan_.own_room));
  }
  /// With what reverse differentiation needs; learned ones' gradients are added to.
  run(const interpreted& p, const tile& t, std::span<Number* const> gradients) : run(keep_values{}, p, t) {
    b_.adjoints = interpreter_memory::mine().adjoints.get<Number>(std::size_t(plan_.adjoint_room));
    b_.gradients = gradients.data();
  }

  given_numbers<Number>& given() { return b_.given; }

  /// f(place) for every block of the tile; `before_keys(key, keys)` and `after_keys(key, keys)` around each run of
  /// keys.
  template <class Before, class F, class After>
  void each_block(Before before_keys, F f, After after_keys) {
    for (long key = 0; key < tile_.keys; key += block_keys) {
      const long keys = std::min(block_keys, tile_.keys - key);
      before_keys(key, keys);
      begin_keys(key, keys);
      const long most = std::min(block_rows, block_links / padded_keys());
      for (long row = 0; row < tile_.rows; row += most) {
        b_.first_row = tile_.row + row, b_.rows = std::min(most, tile_.rows - row);
        f(block_place{row, b_.rows, key, keys});
      }
      if (b_.adjoints) kernels_.reverse(b_, 0, plan_.first[along_rows]);
      after_keys(key, keys);
    }
  }
  template <class F>
  void each_block(F f) {
    const auto nothing = [](long, long) {};
    each_block(nothing, f, nothing);
  }

  /// The values of the block at hand.
  void forward() { kernels_.forward(b_, plan_.first[along_rows], int(plan_.steps.size())); }

  /// After forward: adjoints of the block, from those of its result: seed(row, key) for all its padded keys.
  template <class F>
  void reverse(F seed) {
    std::fill(b_.adjoints + plan_.adjoints_of_tile, b_.adjoints + plan_.adjoint_room, Number(0));
    const scheduled& last = plan_.steps[std::size_t(plan_.result)];
    if (!last.active) return;
    Number* const to = b_.adjoints + last.adjoint;
    const auto [row_step, key_step] = steps_of(last.along);
    for (long r = 0; r < b_.rows; ++r)
      for (long j = 0; j < padded_keys(); ++j) to[r * row_step + (key_step ? j : j % kernels_.width)] += seed(r, j);
    kernels_.reverse(b_, plan_.first[along_rows], int(plan_.steps.size()));
  }

  long padded_keys() const { return b_.registers * kernels_.width; }

  /// Row r of the result as words; key_step is 0 where it is one for all keys.
  struct row_of_values {
    const Number* at;
    long key_step;
  };
  row_of_values result(long r) const {
    const operand<Number>& x = b_.at[plan_.result];
    return {x.at + r * x.row_step, x.register_step ? 1 : 0};
  }
  /// The adjoint of what the lambda was given; null where its result does not depend on it.
  const Number* adjoint_of(opcode given_one, long r) const {
    for (const scheduled& step : plan_.steps)
      if (step.what.code == given_one) return b_.adjoints + step.adjoint + r * steps_of(step.along).first;
    return nullptr;
  }
  /// The first number of a step's value, as a whole number, as truth.
  std::int64_t first_whole(int step) const {
    std::conditional_t<std::same_as<Number, double>, std::int64_t, std::int32_t> x;
    std::memcpy(&x, b_.at[step].at, sizeof x);
    return x;
  }
  bool first_truth(int step) const {
    unsigned char x;
    std::memcpy(&x, b_.at[step].at, sizeof x);
    return x != 0;
  }

  /// The sum of a register that stands for one value of many links.
  Number total(const Number* x) const {
    Number all = 0;
    for (int l = 0; x && l < kernels_.width; ++l) all += x[l];
    return all;
  }

 private:
  std::pair<long, long> steps_of(extent along) const {
    return {along == everywhere ? padded_keys() : along == along_rows ? kernels_.width : 0, along & along_keys ? 1 : 0};
  }
  void begin_keys(long key, long keys) {
    b_.first_key = tile_.key + key, b_.registers = (keys + kernels_.width - 1) / kernels_.width;
    for (std::size_t n = 0; n < plan_.steps.size(); ++n) {
      const scheduled& step = plan_.steps[n];
      b_.at[n] = {values_ + (own_places_ ? step.own_place : step.place), steps_of(step.along).first,
                  step.along & along_keys ? kernels_.width : 0};
    }
    if (b_.adjoints) std::fill(b_.adjoints, b_.adjoints + plan_.adjoints_of_tile, Number(0));
    kernels_.forward(b_, 0, plan_.first[along_rows]);
  }

  const schedule& plan_;
  const tile& tile_;
  const block_kernel_table<Number>& kernels_;
  block<Number> b_;
  Number* values_;
  bool own_places_ = false;
};

}  // namespace qkv::traced
