// A block of links on its way through a program: what the interpreter (block_interpreter.h) reads and writes.  Plain
// pointers, as kernels want them.
#pragma once
#include "qkv/base/instruction_set.h"
#include "qkv/traced/schedule.h"

namespace qkv::traced {

/// Where a value of a block stands; steps in numbers, 0 along what it does not vary along.
template <class Number>
struct operand {
  Number* at;
  long row_step, register_step;
};

/// A contiguous array of float32 or float64.
struct array_view {
  const void* data;
  bool is_double;
};

/// What a lambda is given, besides places.  Channels of a similarity: of rows q[0], q[1], ..., of keys k[0], k[1], ...
template <class Number>
struct given_numbers {
  const Number* score = nullptr;
  long score_pitch = 0;
  const Number* query_channel = nullptr;
  const Number* key_channel = nullptr;
  Number channel_weight = 0;
};

template <class Number>
struct block {
  const scheduled* steps;
  const table* tables;           ///< asked one number at a time, so that a recorder sees it
  const table_entries* entries;  ///< of the same tables
  const array_view *arrays, *learned;
  operand<Number>* at;         ///< one a step
  Number* adjoints = nullptr;  ///< reverse differentiation only
  Number* const* gradients = nullptr;

  long offset, head, batch, all_rows, all_keys;  // of the tile
  const std::int32_t* key_places = nullptr;      ///< where keys stand that are not consecutive (formula.h)
  given_numbers<Number> given{};
  long first_row = 0, rows = 0, first_key = 0, registers = 0;
};

template <class Number>
struct block_kernel_table {
  int width;                                                ///< numbers in a register
  void (*forward)(const block<Number>&, int from, int to);  ///< steps from .. to - 1
  void (*reverse)(const block<Number>&, int from, int to);  ///< the same, last to first
};

using float_block_kernels = block_kernel_table<float>;
QKV_KERNEL_TABLE(float_block_kernels, block_kernels)
extern const block_kernel_table<double> double_block_kernels;  ///< one number at a time: what the oracle asks for

template <class Number>
const block_kernel_table<Number>& kernels_for() {
  if constexpr (std::same_as<Number, double>)
    return double_block_kernels;
  else
    return block_kernels_now();
}

}  // namespace qkv::traced
