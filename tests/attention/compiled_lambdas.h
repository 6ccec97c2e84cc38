// One compiled composition, fused and by the oracle, both ways.
#pragma once
#include <gtest/gtest.h>

#include "qkv/attention/attention.h"
#include "qkv/attention/oracle.h"
#include "tests/attention/tensors.h"

namespace qkv {

struct CompiledLambda : testing::Test {
  // Grouped heads, more keys than queries, other widths, several key blocks.
  tensor q = normal({2, 70, 4, 20}, 1, dtype::float32), k = normal({2, 290, 2, 20}, 2, dtype::float32),
         v = normal({2, 290, 2, 33}, 3, dtype::float32), dout = normal({2, 70, 4, 33}, 4, dtype::float32);
  tensor slopes = normal({4}, 5, dtype::float32, 0.1), bias = normal({4, 16}, 6, dtype::float32),
         pairs = normal({1, 4, 70, 290}, 7, dtype::float32);

  template <class... Parts>
  void expect_same(const Parts&... parts) const {
    const auto fused = attention_forward(q, k, v, parts...);
    const auto exact = oracle::attention_forward(q, k, v, parts...);
    EXPECT_LT(difference(fused.out, exact.out), 1e-5);
    EXPECT_LT(difference(fused.lse, exact.lse), 2e-5);
    const auto g = fused.backward(dout), e = exact.backward(dout);
    EXPECT_LT(difference(g.dq, e.dq), 5e-5);
    EXPECT_LT(difference(g.dk, e.dk), 5e-5);
    EXPECT_LT(difference(g.dv, e.dv), 5e-5);
    ASSERT_EQ(g.learned.size(), e.learned.size());
    for (std::size_t n = 0; n < g.learned.size(); ++n) {
      EXPECT_TRUE(g.learned[n].first.same_as(e.learned[n].first));
      double size = 1;
      for (double x : values_of(e.learned[n].second)) size = std::max(size, std::abs(x));
      EXPECT_LT(difference(g.learned[n].second, e.learned[n].second), 2e-4 * size);
    }
  }
};

}  // namespace qkv
