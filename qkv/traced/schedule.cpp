#include "qkv/traced/schedule.h"

#include <algorithm>

namespace qkv::traced {
namespace {

extent extent_of_given(opcode c, pairing how) {
  switch (c) {
    case opcode::score:
      return everywhere;
    case opcode::query_channel:
      return how == pairing::links ? along_keys : along_rows;
    case opcode::query:
    case opcode::row:
      return along_rows;
    case opcode::key_channel:
    case opcode::key:
      return along_keys;
    default:
      return one;
  }
}

// Every value that the result needs.
std::vector<bool> needed(const program& p) {
  std::vector<bool> need(p.instructions().size());
  need[std::size_t(p.result())] = true;
  for (std::size_t n = need.size(); n-- > 0;) {
    const instruction& i = p.instructions()[n];
    for (int x : {i.a, i.b, i.c})
      if (need[n] && x >= 0) need[std::size_t(x)] = true;
  }
  return need;
}

bool has_derivative(const instruction& i, const std::vector<scheduled>& steps) {
  if (i.type != kind::real) return false;
  if (i.code == opcode::learned_entry || i.code <= opcode::channel_weight) return true;
  if (i.code == opcode::to_real) return false;
  return (i.a >= 0 && steps[std::size_t(i.a)].active) || (i.b >= 0 && steps[std::size_t(i.b)].active);
}

// Places of values; those of every link are handed on after their last use.
void place_values(schedule& s) {
  std::vector<int> last_use(s.steps.size(), -1);
  for (std::size_t n = 0; n < s.steps.size(); ++n)
    for (int x : {s.steps[n].what.a, s.steps[n].what.b, s.steps[n].what.c})
      if (x >= 0) last_use[std::size_t(x)] = int(n);
  last_use[std::size_t(s.result)] = int(s.steps.size());
  std::vector<long> free;
  for (std::size_t n = 0; n < s.steps.size(); ++n) {
    scheduled& step = s.steps[n];
    step.own_place = s.own_room;
    s.own_room += room_of(step.along);
    // An operand's place may become the result's: every instruction reads a register before it writes that register.
    for (int x : {step.what.a, step.what.b, step.what.c}) {
      if (x < 0 || last_use[std::size_t(x)] != int(n) || s.steps[std::size_t(x)].along != everywhere) continue;
      if (s.steps[std::size_t(x)].what.code == opcode::score) continue;  // read where it stands
      const long place = s.steps[std::size_t(x)].place;
      if (std::find(free.begin(), free.end(), place) == free.end()) free.push_back(place);
    }
    if (step.along == everywhere && !free.empty()) {
      step.place = free.back();
      free.pop_back();
    } else {
      step.place = s.room;
      s.room += room_of(step.along);
    }
  }
}

void place_adjoints(schedule& s) {
  for (std::size_t n = 0; n < s.steps.size(); ++n) {
    if (int(n) == s.first[along_rows]) s.adjoints_of_tile = s.adjoint_room;
    scheduled& step = s.steps[n];
    if (step.active) step.adjoint = s.adjoint_room, s.adjoint_room += room_of(step.along);
  }
  if (s.first[along_rows] == int(s.steps.size())) s.adjoints_of_tile = s.adjoint_room;
}

}  // namespace

schedule make_schedule(const program& p, pairing how) {
  if (p.result() < 0) refuse("traced program", "a result", "none");
  schedule s;
  s.tables = p.tables(), s.arrays = p.arrays();
  const std::vector<bool> need = needed(p);
  std::vector<extent> along(need.size());
  for (std::size_t n = 0; n < need.size(); ++n) {
    const instruction& i = p.instructions()[n];
    along[n] = extent_of_given(i.code, how);
    for (int x : {i.a, i.b, i.c})
      if (x >= 0) along[n] = extent(along[n] | along[std::size_t(x)]);
  }
  std::vector<int> place_of(need.size(), -1);
  for (int e = one; e <= everywhere; ++e) {
    s.first.push_back(int(s.steps.size()));
    for (std::size_t n = 0; n < need.size(); ++n) {
      if (!need[n] || along[n] != e) continue;
      instruction i = p.instructions()[n];
      for (std::int32_t* x : {&i.a, &i.b, &i.c})
        if (*x >= 0) *x = place_of[std::size_t(*x)];
      place_of[n] = int(s.steps.size());
      s.steps.push_back({.what = i, .along = extent(e), .active = has_derivative(i, s.steps)});
    }
  }
  s.first.push_back(int(s.steps.size()));
  s.result = place_of[std::size_t(p.result())];
  for (real_lookup one : p.lookups()) {
    one.entry = place_of[std::size_t(one.entry)];
    for (int& index : one.indices) index = place_of[std::size_t(index)];
    if (one.entry >= 0) s.lookups.push_back(std::move(one));
  }
  place_values(s);
  place_adjoints(s);
  return s;
}

}  // namespace qkv::traced
