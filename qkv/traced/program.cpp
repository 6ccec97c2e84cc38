// Recording: value numbering, constants worked out, kinds checked.
#include "qkv/traced/program.h"

#include <fmt/format.h>

#include <array>
#include <bit>

namespace qkv::traced {
namespace {

constexpr std::array names = {
    "score",     "query_channel", "key_channel", "channel_weight", "query",      "key",      "head",
    "batch",     "row",           "queries",     "keys",           "number",     "add",      "subtract",
    "multiply",  "divide",        "negative",    "minimum",        "maximum",    "absolute", "select",
    "remainder", "hash",          "table_entry", "less",           "less_equal", "equal",    "both",
    "either",    "opposite",      "exponential", "logarithm",      "tangent",    "root",     "sigmoid",
    "to_real",   "to_whole",      "array_entry", "learned_entry"};

bool is_arithmetic(opcode c) { return c >= opcode::add && c <= opcode::absolute; }
bool is_comparison(opcode c) { return c >= opcode::less && c <= opcode::equal; }
bool is_junction(opcode c) { return c >= opcode::both && c <= opcode::opposite; }
bool is_function(opcode c) { return c >= opcode::exponential && c <= opcode::sigmoid; }
bool is_unary(opcode c) {
  return c == opcode::negative || c == opcode::absolute || c == opcode::opposite || c >= opcode::exponential;
}

const char* name_of(kind k) {
  return k == kind::real ? "a real number" : k == kind::whole ? "a whole number" : "a truth value";
}

[[noreturn]] void refuse_kind(opcode code, const std::string& wanted, kind found) {
  refuse(std::string("traced ") + name_of(code), wanted, name_of(found));
}

// Numbers by their bits: 0 and -0 are two, and a NaN is itself.
auto everything_of(const instruction& i) {
  return std::array{std::uint64_t(i.code),
                    std::uint64_t(i.type),
                    std::uint64_t(i.a),
                    std::uint64_t(i.b),
                    std::uint64_t(i.c),
                    std::bit_cast<std::uint64_t>(i.number),
                    i.seed};
}
std::size_t hash_value(const instruction& i) {
  std::size_t h = 0;
  for (std::uint64_t x : everything_of(i)) h = h * 0x9E3779B97F4A7C15u + x + (h >> 29);
  return h;
}

template <class S>
S worked_out(opcode code, S a, S b) {
  switch (code) {
    case opcode::add:
      return a + b;
    case opcode::subtract:
      return a - b;
    case opcode::multiply:
      return a * b;
    case opcode::divide:
      return a / b;
    case opcode::minimum:
      return min(a, b);
    case opcode::maximum:
      return max(a, b);
    case opcode::negative:
      return -a;
    default:
      return abs(a);
  }
}

}  // namespace

const char* name_of(opcode code) { return names[std::size_t(code)]; }

opcode opcode_of(const std::string& name) {
  for (std::size_t n = 0; n < names.size(); ++n)
    if (name == names[n]) return opcode(n);
  refuse("traced program", "the name of an instruction", name);
}

int program::record(instruction i) {
  const std::size_t h = hash_value(i);
  for (auto [at, end] = known_.equal_range(h); at != end; ++at)
    if (everything_of(instructions_[std::size_t(at->second)]) == everything_of(i)) return at->second;
  if (instructions_.size() >= most_instructions)
    refuse("traced program",
           "at most " + std::to_string(most_instructions) +
               " instructions (a loop over many tokens "
               "belongs into a table or a learned parameter)",
           "more");
  instructions_.push_back(i);
  known_.emplace(h, int(instructions_.size()) - 1);
  return int(instructions_.size()) - 1;
}

int program::given(opcode code) { return record({code, code <= opcode::channel_weight ? kind::real : kind::whole}); }
int program::real(double x) { return record({.code = opcode::number, .type = kind::real, .number = x}); }
int program::whole(std::int64_t x) {
  if (x != std::int32_t(x)) refuse("traced program", "whole numbers of 32 bits", std::to_string(x));
  return record({.code = opcode::number, .type = kind::whole, .number = double(x)});
}
int program::truth(bool x) { return record({.code = opcode::number, .type = kind::truth, .number = double(x)}); }

const instruction* program::constant(int value) const {
  const instruction& i = instructions_.at(std::size_t(value));
  return i.code == opcode::number ? &i : nullptr;
}

int program::to_real(int value) {
  const instruction& i = instructions_.at(std::size_t(value));
  if (i.type == kind::real) return value;
  if (i.type == kind::truth)
    refuse_kind(opcode::to_real, "a number (select(condition, 1, 0) makes one of a truth value)", i.type);
  return i.code == opcode::number ? real(i.number) : record({opcode::to_real, kind::real, value});
}

// Constants worked out, and what leaves a whole number as it is; -1 for none of that.
int program::shortened(opcode code, int a, int b) {
  const instruction *x = constant(a), *y = b < 0 ? x : constant(b);
  if (x && y && is_arithmetic(code)) {
    if (x->type == kind::real) return real(worked_out<real_scalar>(code, x->number, y->number).v);
    return whole(worked_out<whole_scalar>(code, std::int64_t(x->number), std::int64_t(y->number)).v);
  }
  if (type_of(a) != kind::whole || b < 0) return -1;
  const auto is = [](const instruction* i, double n) { return i && i->number == n; };
  switch (code) {
    case opcode::add:
      return is(x, 0) ? b : is(y, 0) ? a : -1;
    case opcode::multiply:
      return is(x, 0) || is(y, 1) ? a : is(y, 0) || is(x, 1) ? b : -1;
    default:
      return -1;
  }
}

int program::apply(opcode code, int a, int b) {
  if (is_unary(code) != (b < 0))
    refuse(std::string("traced ") + name_of(code), is_unary(code) ? "one operand" : "two operands",
           is_unary(code) ? "two" : "one");
  if (code == opcode::to_real) return to_real(a);
  if (code == opcode::to_whole) return type_of(a) == kind::whole ? a : record({code, kind::whole, to_real(a)});
  if (is_function(code)) return record({code, kind::real, to_real(a)});
  const kind left = type_of(a), right = b < 0 ? left : type_of(b);
  if (is_junction(code)) {
    if (left != kind::truth || right != kind::truth)
      refuse_kind(code, "truth values, such as at.query >= at.key", left != kind::truth ? left : right);
    return record({code, kind::truth, a, b});
  }
  if (left == kind::truth || right == kind::truth)
    refuse_kind(code, "numbers (select(condition, 1, 0) makes one of a truth value)", kind::truth);
  if (code == opcode::remainder) {
    if (left != kind::whole || right != kind::whole) refuse_kind(code, "whole numbers", kind::real);
    return record({code, kind::whole, a, b});
  }
  if (!is_arithmetic(code) && !is_comparison(code)) refuse("traced program", "an operation on values", name_of(code));
  const bool reals = left == kind::real || right == kind::real;
  if (reals) {
    a = to_real(a);
    if (b >= 0) b = to_real(b);
  }
  if (is_comparison(code)) return record({code, kind::truth, a, b});
  if (const int shorter = shortened(code, a, b); shorter >= 0) return shorter;
  return record({code, reals ? kind::real : kind::whole, a, b});
}

int program::select(int condition, int a, int b) {
  if (type_of(condition) != kind::truth)
    refuse_kind(opcode::select, "a condition, such as at.query >= at.key", type_of(condition));
  if ((type_of(a) == kind::truth) != (type_of(b) == kind::truth))
    refuse_kind(opcode::select, "two numbers or two truth values to choose from", kind::truth);
  if (type_of(a) == kind::truth)  // c ? a : b
    return apply(opcode::either, apply(opcode::both, condition, a),
                 apply(opcode::both, apply(opcode::opposite, condition), b));
  const bool reals = type_of(a) == kind::real || type_of(b) == kind::real;
  if (reals) a = to_real(a), b = to_real(b);
  if (a == b) return a;
  return record({opcode::select, reals ? kind::real : kind::whole, a, b, condition});
}

int program::hash(std::uint64_t seed, int a, int b) {
  for (int x : {a, b})
    if (type_of(x) != kind::whole) refuse_kind(opcode::hash, "whole numbers", type_of(x));
  return record({.code = opcode::hash, .type = kind::whole, .a = a, .b = b, .seed = seed});
}

int program::table_entry(int table, int row, int column) {
  for (int x : {row, column})
    if (type_of(x) != kind::whole) refuse_kind(opcode::table_entry, "whole numbers to look up by", type_of(x));
  return record({.code = opcode::table_entry, .type = kind::whole, .a = row, .b = column, .number = double(table)});
}

int program::keep(table t) {
  tables_.push_back(std::move(t));
  return int(tables_.size()) - 1;
}
int program::keep(const tensor& array, std::string name) {
  arrays_.push_back({array.to_contiguous(), std::move(name)});
  return int(arrays_.size()) - 1;
}

int program::offset_of(const std::string& name, const shape& sizes, std::span<const int> indices) {
  if (indices.size() != sizes.size())
    refuse("attention", name + " of as many axes as it is looked up by, " + std::to_string(indices.size()),
           qkv::to_string(sizes));
  int offset = whole(0);
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (type_of(indices[d]) != kind::whole)
      refuse_kind(opcode::learned_entry, "whole numbers to look up by", type_of(indices[d]));
    offset = apply(opcode::multiply, offset, whole(sizes[d]));
    const int held = apply(opcode::minimum, apply(opcode::maximum, indices[d], whole(0)), whole(sizes[d] - 1));
    offset = apply(opcode::add, offset, held);
  }
  return offset;
}

int program::looked_up(opcode code, int number, const std::string& name, const shape& sizes,
                       std::span<const int> indices) {
  const int entry =
      record({.code = code, .type = kind::real, .a = offset_of(name, sizes, indices), .number = double(number)});
  lookups_.push_back({entry, {indices.begin(), indices.end()}, sizes});
  return entry;
}

int program::array_entry(int array, std::span<const int> indices) {
  const named_array& a = arrays_.at(std::size_t(array));
  return looked_up(opcode::array_entry, array, a.name, a.values.shape(), indices);
}

int program::learned_entry(int number, const shape& sizes, std::span<const int> indices) {
  learned_count_ = std::max(learned_count_, number + 1);
  return looked_up(opcode::learned_entry, number, "parameter", sizes, indices);
}

std::string to_string(const program& p) {
  std::string all;
  for (std::size_t n = 0; n < p.instructions().size(); ++n) {
    const instruction& i = p.instructions()[n];
    all += fmt::format("{} = {}", n, name_of(i.code));
    for (int x : {i.a, i.b, i.c})
      if (x >= 0) all += fmt::format(" {}", x);
    if (i.code == opcode::number) all += fmt::format(" {}", i.number);
    all += int(n) == p.result() ? "  <- result\n" : "\n";
  }
  return all;
}

}  // namespace qkv::traced
