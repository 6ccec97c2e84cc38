// What is put together from parts: attention over disjoint sets of keys, and gradients of tensors that were used twice.
#include <algorithm>
#include <cmath>
#include <limits>

#include "qkv/attention/attention.h"
#include "qkv/base/threads.h"
#include "qkv/tensor/visit.h"

namespace qkv {
namespace {

// The weights of a row are exp(s - lse), over its own keys.  Joined, the row's lse is log(exp(x) + exp(y)), and each
// side gives its share of it: out = exp(x - lse) a + exp(y - lse) b.
template <class T>
void merge_row(T x, T y, const T* a, const T* b, long channels, T& lse, T* out) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  if (x == -infinity && y == -infinity) {  // no live key on either side
    lse = -infinity;
    std::fill_n(out, channels, T(0));
    return;
  }
  const double top = std::max(x, y);
  const double left = std::exp(x - top), right = std::exp(y - top), both = left + right;
  lse = T(top + std::log(both));
  for (long e = 0; e < channels; ++e) out[e] = T((left * a[e] + right * b[e]) / both);
}

template <class T>
attended merge_as(const attended& a, const attended& b) {
  attended joined{tensor::uninitialized(a.out.shape(), a.out.type()),
                  tensor::uninitialized(a.lse.shape(), a.lse.type())};
  const tensor a_out = a.out.to_contiguous(), b_out = b.out.to_contiguous();
  const tensor a_lse = a.lse.to_contiguous(), b_lse = b.lse.to_contiguous();
  const T *ao = a_out.data<T>(), *bo = b_out.data<T>(), *al = a_lse.data<T>(), *bl = b_lse.data<T>();
  T *out = joined.out.data<T>(), *lse = joined.lse.data<T>();
  const long heads = a.out.dim(2), channels = a.out.dim(3);
  parallel_for(a.out.dim(0) * a.out.dim(1), [&](long place, int) {
    for (long row = place * heads; row < (place + 1) * heads; ++row)
      merge_row(al[row], bl[row], ao + row * channels, bo + row * channels, channels, lse[row], out + row * channels);
  });
  return joined;
}

}  // namespace

attended merge(const attended& a, const attended& b) {
  if (a.out.empty() || b.out.empty() || a.out.rank() != 4 || a.out.shape() != b.out.shape() ||
      a.lse.shape() != b.lse.shape() || a.lse.shape() != shape(a.out.shape().begin(), a.out.shape().end() - 1))
    refuse("merge", "two runs of the same queries, out [B, T, H, E] and lse [B, T, H]",
           "out " + to_string(a.out.shape()) + " and " + to_string(b.out.shape()) + ", lse " +
               to_string(a.lse.shape()) + " and " + to_string(b.lse.shape()));
  const dtype type = a.out.type();
  if (b.out.type() != type || a.lse.type() != type || b.lse.type() != type ||
      (type != dtype::float32 && type != dtype::float64))
    refuse("merge", "out and lse all float32, or all float64",
           std::string(name_of(a.out.type())) + ", " + name_of(a.lse.type()) + ", " + name_of(b.out.type()) + ", " +
               name_of(b.lse.type()));
  if (!a.splits || !b.splits)
    throw unsupported_error(
        "merge: expected softmax over all links, without a sink, on both sides; found another weighting, whose rows "
        "cannot be put together from parts");
  return type == dtype::float64 ? merge_as<double>(a, b) : merge_as<float>(a, b);
}

attention_gradients join_gradients(tensor dq, tensor dk, tensor dv, const std::vector<parameter>& parameters,
                                   const std::vector<tensor>& gradients) {
  attention_gradients all{std::move(dq), std::move(dk), std::move(dv), {}};
  for (std::size_t n = 0; n < parameters.size(); ++n) {
    const auto known =
        std::ranges::find_if(all.learned, [&](const auto& entry) { return entry.first.same_as(parameters[n].values); });
    if (known == all.learned.end()) {
      all.learned.emplace_back(parameters[n].values, gradients[n]);
      continue;
    }
    visit_type(known->second.type(), [&]<class T>(T) {
      const auto to = known->second.template values<T>();
      const auto from = gradients[n].template values<T>();
      for (std::size_t i = 0; i < to.size(); ++i) to[i] = T(to[i] + from[i]);
    });
  }
  return all;
}

}  // namespace qkv
