// What a workspace holds survives what goes wrong.
#include "qkv/attention/workspace.h"

#include <gtest/gtest.h>

#include <new>

#include "qkv/attention/attention.h"
#include "tests/attention/tensors.h"

namespace qkv {
namespace {

TEST(GrowingMemory, IsThereAgainAfterAnAllocationThatFailed) {
  growing_memory memory;
  memory.get<float>(100)[99] = 1;
  EXPECT_THROW(memory.get<float>(std::size_t(1) << 61), std::bad_alloc);
  float* const again = memory.get<float>(50);
  ASSERT_NE(again, nullptr);
  again[49] = 2;
  EXPECT_EQ(memory.get<float>(50), again);
}

TEST(MovedFromWorkspace, ServesLikeANewOne) {
  const tensor x = normal({1, 5, 1, 8}, 1, dtype::float32), out(x.shape()), lse({1, 5, 1});
  const auto view = x.view<const float, 4>();
  workspace w;
  const workspace other = std::move(w);
  attention_into(*make_formula(causal), problem{view, view, view}, out.view<float, 4>(), lse.view<float, 3>(), w);
  EXPECT_EQ(difference(out, attention(x, x, x, causal)), 0);
}

}  // namespace
}  // namespace qkv
