// Memory given for results, and what it may not be: too small, far apart, or the memory of something else.
#include <cmath>

#include "qkv/attention/problem.h"

namespace qkv {
namespace {

using std::string;

template <std::size_t Rank>
string text(const std::array<long, Rank>& sizes) {
  return to_string(shape(sizes.begin(), sizes.end()));
}

template <int Rank>
void check_sizes(const char* operation, const char* name, const view<const float, Rank>& v,
                 const std::array<long, std::size_t(Rank)>& wanted) {
  if (v.sizes != wanted) refuse(operation, string(name) + " " + text(wanted), text(v.sizes));
  if (v.size() > 0 && !v.data) refuse(operation, string(name) + " in memory", "a null pointer");
  double reach = 0;
  for (int axis = 0; axis < Rank; ++axis) reach += double(v.sizes[axis]) * std::abs(double(v.strides[axis]));
  if (v.size() > 0 && reach >= 0x1p60)
    refuse(operation, string(name) + " within 2^60 elements", "strides " + text(v.strides));
}

}  // namespace

void check_given(const char* operation, const char* name, const view<const float, 4>& v, std::array<long, 4> wanted) {
  check_sizes<4>(operation, name, v, wanted);
  if (v.size() > 0 && v.sizes[3] > 1 && v.strides[3] != 1)
    refuse(operation, string(name) + " with unit stride in its last axis",
           "a stride of " + std::to_string(v.strides[3]));
}
void check_given(const char* operation, const char* name, const view<const float, 3>& v, std::array<long, 3> wanted) {
  check_sizes<3>(operation, name, v, wanted);
}

void check_apart(const char* operation, std::initializer_list<named_memory> results,
                 std::initializer_list<named_memory> read) {
  const auto apart = [&](const named_memory& result, const named_memory& other) {
    if (overlap(result.memory, other.memory))
      refuse(operation, string(result.name) + " in memory of its own", string("memory of ") + other.name);
  };
  for (auto result = results.begin(); result != results.end(); ++result) {
    if (overlaps_itself(result->memory))
      refuse(operation, string(result->name) + " with a place of its own for every number",
             "strides " + to_string(shape(result->memory.strides.begin(), result->memory.strides.end())));
    for (auto other = results.begin(); other != result; ++other) apart(*result, *other);
    for (const named_memory& other : read) apart(*result, other);
  }
}

void check_gradients(const char* operation, const formula& f, const problem& x, view<const float, 4> out,
                     view<const float, 3> lse, view<const float, 4> dout, view<float, 4> dq, view<float, 4> dk,
                     view<float, 4> dv, std::span<float* const> learned) {
  check_apart(operation, {{"dq", dq}, {"dk", dk}, {"dv", dv}},
              {{"q", x.q}, {"k", x.k}, {"v", x.v}, {"out", out}, {"lse", lse}, {"dout", dout}});
  for (std::size_t n = 0; n < learned.size(); ++n) {
    const parameter& p = f.parameters()[n];
    if (!learned[n] && p.values.size() > 0)
      refuse(operation, std::string("memory for the gradient of ") + p.name, "a null pointer");
    const auto gradient = view<float, 1>::dense(learned[n], {p.values.size()});
    check_apart(operation, {{"a learned gradient", gradient}},
                {{"q", x.q},
                 {"k", x.k},
                 {"v", x.v},
                 {"out", out},
                 {"lse", lse},
                 {"dout", dout},
                 {"dq", dq},
                 {"dk", dk},
                 {"dv", dv},
                 {p.name, p.values}});
  }
}

}  // namespace qkv
