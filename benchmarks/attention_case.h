// One attention problem with everything it needs, ready to be timed forward and backward.
#pragma once
#include <memory>
#include <string>

#include "qkv/attention/attention.h"
#include "qkv/attention/plan.h"

namespace qkv::benchmarks {

/// Normal numbers, mean 0 and deviation 1.
tensor random_normal(shape s, std::uint64_t stream);

struct attention_shape {
  long batch = 1, heads = 8, key_heads = 8, queries = 4096, keys = 4096, width = 64;

  double pairs() const { return double(batch * heads) * double(queries) * double(keys); }
};

/// Links under a causal mask with as many queries as keys.
double causal_links(const attention_shape& s);

/// Numbers an attended link costs: two products forward, five backward.
inline double forward_flops(double links, long width) { return 4 * links * double(width); }
inline double backward_flops(double links, long width) { return 10 * links * double(width); }

class attention_case {
 public:
  /// Random normal inputs.  The formula decides what is computed; softmax over all links without one.
  explicit attention_case(const attention_shape& s, std::shared_ptr<const formula> f = make_formula());

  void forward();
  void backward();  ///< after forward() has run once
  /// Finds the live tiles of the forward pass, and does nothing with them.
  void find_tiles();
  /// Of the last call.
  tile_counts tiles() { return tiles_visited(workspace_); }

  /// Inputs, to be changed before the first call: [B, T or S, heads, D].
  tensor q, k, v;

 private:
  problem views() const { return {q.view<const float, 4>(), k.view<const float, 4>(), v.view<const float, 4>()}; }

  std::shared_ptr<const formula> formula_;
  tensor out_, lse_, dout_, dq_, dk_, dv_;
  std::vector<tensor> learned_;
  workspace workspace_;
  attention_plan plan_;
};

}  // namespace qkv::benchmarks
