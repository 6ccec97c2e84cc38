// program: a lambda written down as a list of instructions, each a value computed from earlier ones.
//
// A lambda of another language is called once with proxies in place of numbers; every operator of a proxy records an
// instruction.  The same value asked for twice is one instruction (value numbering); what does not depend on anything
// is worked out at once.  A program is then interpreted a tile at a time (block_machine.h) or on intervals.
//
// The three rules of qkv/numbers/lanes.h hold here too: truth values are joined, there is no `if`, and whole numbers
// divide downwards.
#pragma once
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "qkv/attention/position.h"

namespace qkv::traced {

enum class opcode : std::uint8_t {
  // What a lambda is given: a score (or the argument of a weighting); the channels of a similarity; a place.
  score,
  query_channel,
  key_channel,
  channel_weight,
  query,
  key,
  head,
  batch,
  row,
  queries,
  keys,
  number,
  // Whole and real numbers.
  add,
  subtract,
  multiply,
  divide,
  negative,
  minimum,
  maximum,
  absolute,
  select,
  // Whole numbers.
  remainder,
  hash,
  table_entry,
  // Truth.
  less,
  less_equal,
  equal,
  both,
  either,
  opposite,
  // Real numbers.
  exponential,
  logarithm,
  tangent,
  root,
  sigmoid,
  to_real,
  to_whole,
  array_entry,
  learned_entry,
};

enum class kind : std::uint8_t { real, whole, truth };

/// What an instruction's value varies along within a tile: nothing, its keys, its rows, or both.
enum extent : std::uint8_t { one = 0, along_keys = 1, along_rows = 2, everywhere = 3 };

struct instruction {
  opcode code;
  kind type;
  std::int32_t a = -1, b = -1, c = -1;  ///< earlier instructions; c is the condition of select
  double number = 0;                    ///< of `number`; else which table, array or learned tensor
  std::uint64_t seed = 0;               ///< of `hash`
};

/// A lookup of an array or a learned tensor, so that indices outside of it can be told.
struct real_lookup {
  int entry;                 ///< the instruction
  std::vector<int> indices;  ///< one an axis
  shape sizes;
};

/// Real numbers that are looked up and not learned.
struct named_array {
  tensor values;  ///< float32 or float64, contiguous
  std::string name;
};

class program {
 public:
  static constexpr std::size_t most_instructions = 4096;

  /// What the lambda is given.
  int given(opcode);
  int real(double);
  int whole(std::int64_t);  ///< throws shape_error when it needs more than 32 bits
  int truth(bool);

  /// Arithmetic, comparison, functions.  A whole number that meets a real one becomes real.  Throws shape_error where
  /// truth meets arithmetic, or real numbers an operation on whole ones.
  int apply(opcode, int a, int b = -1);
  int select(int condition, int a, int b);
  int hash(std::uint64_t seed, int a, int b);

  /// Looks up by whole numbers; outside is held back to the nearest entry.  As many indices as axes.  Tables and arrays
  /// are numbered by `keep`; learned tensors, which the program does not hold, by the caller.
  int table_entry(int table, int row, int column);
  int array_entry(int array, std::span<const int> indices);
  int learned_entry(int number, const shape& sizes, std::span<const int> indices);
  int keep(table);
  int keep(const tensor& array, std::string name = "array");  ///< real numbers that are not learned

  kind type_of(int value) const { return instructions_.at(std::size_t(value)).type; }
  /// The program's value.  The last thing to be said about it.
  void finish(int value) { result_ = value; }

  int result() const { return result_; }
  const std::vector<instruction>& instructions() const { return instructions_; }
  const std::vector<table>& tables() const { return tables_; }
  const std::vector<named_array>& arrays() const { return arrays_; }
  int learned_count() const { return learned_count_; }
  const std::vector<real_lookup>& lookups() const { return lookups_; }

 private:
  int record(instruction);
  int offset_of(const std::string& name, const shape&, std::span<const int> indices);
  int looked_up(opcode, int number, const std::string& name, const shape&, std::span<const int> indices);
  int to_real(int value);
  const instruction* constant(int value) const;
  int shortened(opcode, int a, int b);

  std::vector<instruction> instructions_;
  std::unordered_multimap<std::size_t, int> known_;
  std::vector<table> tables_;
  std::vector<named_array> arrays_;
  std::vector<real_lookup> lookups_;
  int result_ = -1, learned_count_ = 0;
};

/// "less_equal", for messages and people.
const char* name_of(opcode);

/// The opcode of a name; throws shape_error for a name that is none.
opcode opcode_of(const std::string& name);

/// One line an instruction: "3 = multiply 1 2".
std::string to_string(const program&);

}  // namespace qkv::traced
