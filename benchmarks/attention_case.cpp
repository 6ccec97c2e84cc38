#include "benchmarks/attention_case.h"

#include <algorithm>

#include "qkv/attention/forward_kernel.h"
#include "qkv/base/random.h"
#include "qkv/base/threads.h"

namespace qkv::benchmarks {

tensor random_normal(shape s, std::uint64_t stream) {
  const tensor t = tensor::uninitialized(std::move(s));
  const auto values = t.values<float>();
  const random_stream random{1, stream};
  constexpr long piece = 1 << 14;
  const long count = long(values.size());
  parallel_for((count + piece - 1) / piece, [&](long n, int) {
    for (long i = n * piece; i < std::min(count, (n + 1) * piece); ++i)
      values[std::size_t(i)] = float(random.normal(std::uint64_t(i)));
  });
  return t;
}

double causal_links(const attention_shape& s) {
  return double(s.batch * s.heads) * double(s.queries) * double(s.queries + 1) / 2;
}

attention_case::attention_case(const attention_shape& s, std::shared_ptr<const formula> f)
    : q(random_normal({s.batch, s.queries, s.heads, s.width}, 1)),
      k(random_normal({s.batch, s.keys, s.key_heads, s.width}, 2)),
      v(random_normal({s.batch, s.keys, s.key_heads, s.width}, 3)),
      formula_(std::move(f)),
      out_(q.shape()),
      lse_({s.batch, s.queries, s.heads}),
      dout_(random_normal(q.shape(), 4)),
      dq_(q.shape()),
      dk_(k.shape()),
      dv_(v.shape()) {
  for (const parameter& p : formula_->parameters()) learned_.emplace_back(p.values.shape());
}

void attention_case::forward() {
  attention_into(*formula_, views(), out_.view<float, 4>(), lse_.view<float, 3>(), workspace_);
}

void attention_case::find_tiles() {
  make_plan(*formula_, views(), cut_along::queries, forward_sides(views()), plan_);
}

void attention_case::backward() {
  std::vector<float*> gradients;
  for (const tensor& t : learned_) gradients.push_back(t.data<float>());
  attention_backward_into(*formula_, views(), out_.view<const float, 4>(), lse_.view<const float, 3>(),
                          dout_.view<const float, 4>(), dq_.view<float, 4>(), dk_.view<float, 4>(),
                          dv_.view<float, 4>(), gradients, workspace_);
}

}  // namespace qkv::benchmarks
