#include "qkv/traced/interval_machine.h"

namespace qkv::traced {
namespace {

struct registers {
  std::vector<interval> wholes;
  std::vector<coverage> truths;
};

interval whole_of(const schedule& s, const instruction& i, const position<interval>& at, const registers& r) {
  const auto x = [&](int n) { return r.wholes[std::size_t(n)]; };
  switch (i.code) {
    case opcode::query:
      return at.query;
    case opcode::key:
      return at.key;
    case opcode::head:
      return at.head;
    case opcode::batch:
      return at.batch;
    case opcode::row:
      return at.row;
    case opcode::queries:
      return at.queries;
    case opcode::keys:
      return at.keys;
    case opcode::number:
      return std::int64_t(i.number);
    case opcode::add:
      return x(i.a) + x(i.b);
    case opcode::subtract:
      return x(i.a) - x(i.b);
    case opcode::multiply:
      return x(i.a) * x(i.b);
    case opcode::divide:
      return x(i.a) / x(i.b);
    case opcode::remainder:
      return x(i.a) % x(i.b);
    case opcode::negative:
      return -x(i.a);
    case opcode::minimum:
      return min(x(i.a), x(i.b));
    case opcode::maximum:
      return max(x(i.a), x(i.b));
    case opcode::absolute:
      return abs(x(i.a));
    case opcode::select:
      return select(r.truths[std::size_t(i.c)], x(i.a), x(i.b));
    case opcode::hash:
      return hash(i.seed, x(i.a), x(i.b));
    default:
      return s.tables[std::size_t(i.number)][x(i.a), x(i.b)];
  }
}

coverage truth_of(const instruction& i, const registers& r) {
  const auto x = [&](int n) { return r.wholes[std::size_t(n)]; };
  const auto t = [&](int n) { return r.truths[std::size_t(n)]; };
  switch (i.code) {
    case opcode::number:
      return i.number != 0;
    case opcode::less:
      return x(i.a) < x(i.b);
    case opcode::less_equal:
      return x(i.a) <= x(i.b);
    case opcode::equal:
      return x(i.a) == x(i.b);
    case opcode::both:
      return t(i.a) && t(i.b);
    case opcode::either:
      return t(i.a) || t(i.b);
    default:
      return !t(i.a);
  }
}

}  // namespace

coverage classify(const schedule& s, const position<interval>& at) {
  static thread_local registers r;
  r.wholes.assign(s.steps.size(), interval(0));
  r.truths.assign(s.steps.size(), coverage(false));
  for (std::size_t n = 0; n < s.steps.size(); ++n) {
    const instruction& i = s.steps[n].what;
    if (i.type == kind::whole)
      r.wholes[n] = whole_of(s, i, at, r);
    else
      r.truths[n] = truth_of(i, r);
  }
  return r.truths[std::size_t(s.result)];
}

void check_mask(const program& p) {
  if (p.type_of(p.result()) != kind::truth)
    refuse("mask", "an answer of yes or no, as at.query >= at.key gives", "a number");
  for (const scheduled& step : make_schedule(p).steps)
    if (step.what.type == kind::real)
      refuse("mask", "whole numbers, so that whole tiles can be decided; write 2 * a < b for a < b * 0.5",
             "real numbers");
}

}  // namespace qkv::traced
