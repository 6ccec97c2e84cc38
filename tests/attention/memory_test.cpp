// Memory: nothing is allocated when a workspace is used again, and what is used grows with T + S, never with T x S.
// Every allocation of this program is counted.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "qkv/attention/attention.h"
#include "qkv/attention/second_order.h"
#include "qkv/base/memory.h"
#include "tests/attention/composed_formula.h"
#include "tests/attention/counted_memory.h"
#include "tests/attention/tensors.h"
#include "tests/base/with_threads.h"

namespace {
std::atomic<long> allocations{0};
std::atomic<std::size_t> allocated_bytes{0};
}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // sanitizers bring their own
static void* count_and_allocate(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  allocated_bytes += bytes;
  void* p = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (!p) throw std::bad_alloc();
  return p;
}
void* operator new(std::size_t bytes) { return count_and_allocate(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t a) { return count_and_allocate(bytes, std::size_t(a)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
#endif

namespace qkv {

long allocations_so_far() { return allocations; }
std::size_t bytes_allocated_so_far() { return allocated_bytes; }

namespace {

/// One problem with its results, all memory taken beforehand.
struct call {
  formula_ptr rule;
  tensor q, k, v, dout, out, lse, dq, dk, dv;
  std::vector<tensor> learned;
  std::vector<float*> learned_data;
  problem x;

  call(formula_ptr f, long B, long T, long H, long G, long D)
      : rule(std::move(f)),
        q(normal({B, T, H, D}, 1, dtype::float32)),
        k(normal({B, T, G, D}, 2, dtype::float32)),
        v(normal({B, T, G, D}, 3, dtype::float32)),
        dout(normal({B, T, H, D}, 4, dtype::float32)),
        out({B, T, H, D}),
        lse({B, T, H}),
        dq(q.shape()),
        dk(k.shape()),
        dv(v.shape()),
        x{q.view<const float, 4>(), k.view<const float, 4>(), v.view<const float, 4>()} {
    for (const parameter& p : rule->parameters()) {
      learned.emplace_back(p.values.shape());
      learned_data.push_back(learned.back().data<float>());
    }
  }
  void forward(workspace& w) const { attention_into(*rule, x, out.view<float, 4>(), lse.view<float, 3>(), w); }
  void backward(workspace& w) const {
    attention_backward_into(*rule, x, out.view<const float, 4>(), lse.view<const float, 3>(),
                            dout.view<const float, 4>(), dq.view<float, 4>(), dk.view<float, 4>(), dv.view<float, 4>(),
                            learned_data, w);
  }
  /// With q, k and v for cotangents.
  void second_order(workspace& w, const tensor& ddout) const {
    attention_second_order_into(*rule, x, out.view<const float, 4>(), lse.view<const float, 3>(),
                                dout.view<const float, 4>(), {x.q, x.k, x.v},
                                {dq.view<float, 4>(), dk.view<float, 4>(), dv.view<float, 4>(), ddout.view<float, 4>()},
                                w);
  }
};

struct Workspace : testing::TestWithParam<int> {
  formula_ptr rule() const {
    switch (GetParam()) {
      case 0:
        return make_formula();
      case 1:
        return make_formula(causal & sliding_window(100));
      case 2:
        return make_formula([](auto at) { return (at.query + at.key) % 3 != 0; }, softcap(20));
      case 3:
        return make_formula(causal, alibi(alibi_slopes(4)), softmax_with_sink(tensor({4})));
      case 4:
        return make_formula(causal, cosine, sparsemax, attention_dropout(0.1, 2));
      case 5:
        return make_formula(negative_squared_distance, top_k(9));
      case 6:
        return make_formula(sliding_window(100), [](auto s, auto) { return s / 2; },
                            similarity([](auto a, auto b) { return -abs(a - b); }), sigmoid_weights(-3));
      default:
        return make_formula(additive_bias(normal({1, 4, 1, 200}, 5, dtype::float32)));
    }
  }
};

TEST_P(Workspace, UsedAgainAllocatesNothing) {
  const call c(rule(), 2, 200, 4, 2, 40);
  workspace w;
  c.forward(w), c.backward(w);
  const long before = allocations, blocks = long(memory_in_use().allocations);
  c.forward(w);
  EXPECT_EQ(allocations - before, 0) << "forward";
  const long between = allocations;
  c.backward(w);
  EXPECT_EQ(allocations - between, 0) << "backward";
  EXPECT_EQ(long(memory_in_use().allocations), blocks);
}

TEST_P(Workspace, ServesOtherShapesInTurn) {
  const call big(rule(), 2, 200, 4, 2, 40), small(rule(), 2, 200, 4, 1, 7);
  workspace kept;
  big.forward(kept), big.backward(kept), small.forward(kept), small.backward(kept);
  const tensor out = small.out.clone(), dk = small.dk.clone();
  workspace fresh;
  small.forward(fresh), small.backward(fresh);
  EXPECT_EQ(difference(out, small.out), 0);
  EXPECT_EQ(difference(dk, small.dk), 0);
}

INSTANTIATE_TEST_SUITE_P(Rules, Workspace, testing::Range(0, 8));

TEST(SecondOrderWorkspace, UsedAgainAllocatesNothing) {
  const call c(make_formula(causal), 2, 200, 4, 2, 40);
  const tensor ddout(c.out.shape());
  workspace w;
  c.forward(w), c.second_order(w, ddout);
  const long before = allocations, blocks = long(memory_in_use().allocations);
  c.second_order(w, ddout);
  EXPECT_EQ(allocations - before, 0);
  EXPECT_EQ(long(memory_in_use().allocations), blocks);
}

/// Bytes taken beyond inputs and outputs, forward and backward.
struct bytes {
  double forward, backward;
};
bytes bytes_used(const formula_ptr& rule, long places, long width) {
  release_kept_memory();
  const call c(rule, 1, places, 1, 1, width);
  workspace w;
  const auto measure = [&](auto run) {
    reset_memory_peak();
    const std::size_t held = memory_in_use().in_use, hooked = allocated_bytes;
    run();
    return double(memory_in_use().peak - held) + double(allocated_bytes - hooked);
  };
  const double forward = measure([&] { c.forward(w); });
  return {forward, measure([&] { c.backward(w); })};
}

void expect_linear(const formula_ptr& rule, long width = 16) {
  const bytes half = bytes_used(rule, 8192, width), whole = bytes_used(rule, 16384, width);
  const double links = 16384.0 * 16384.0 * sizeof(float);
  EXPECT_LT(whole.forward, 2.2 * half.forward + 1e6);
  EXPECT_LT(whole.backward, 2.2 * half.backward + 1e6);
  EXPECT_LT(whole.forward, links / 100) << "of " << links << " that all links would take";
  EXPECT_LT(whole.backward, links / 20) << "of " << links << " that all links would take";
  testing::Test::RecordProperty("forward_bytes", std::to_string(long(whole.forward)));
  testing::Test::RecordProperty("backward_bytes", std::to_string(long(whole.backward)));
}

double bytes_of_second_order(const formula_ptr& rule, long places) {
  release_kept_memory();
  const call c(rule, 1, places, 1, 1, 16);
  const tensor ddout(c.out.shape());
  workspace w;
  c.forward(w);
  reset_memory_peak();
  const std::size_t held = memory_in_use().in_use, hooked = allocated_bytes;
  c.second_order(w, ddout);
  return double(memory_in_use().peak - held) + double(allocated_bytes - hooked);
}

TEST(Memory, OfSecondOrderGradientsGrowsWithTheLength) {
  for (const formula_ptr& rule : {make_formula(), make_formula(causal)}) {
    const double half = bytes_of_second_order(rule, 4096), whole = bytes_of_second_order(rule, 8192);
    const double links = 8192.0 * 8192.0 * sizeof(float);
    EXPECT_LT(whole, 2.2 * half + 1e6);
    EXPECT_LT(whole, links / 20) << "of " << links << " that all links would take";
    testing::Test::RecordProperty("second_order_bytes", std::to_string(long(whole)));
  }
}

TEST(Memory, GrowsWithTheLengthOfTheSequence) { expect_linear(make_formula()); }
TEST(Memory, GrowsWithTheLengthUnderACausalMask) { expect_linear(make_formula(causal)); }
TEST(Memory, GrowsWithTheLengthUnderAMaskThatIntervalsCannotDecide) {
  expect_linear(make_formula([](auto at) { return hash(1, at.query, at.key) % 64 == 0; }));
}
TEST(Memory, GrowsWithTheLengthWithScoresThatLearn) {
  expect_linear(make_formula(causal, alibi(alibi_slopes(1)), softcap(20)));
}
TEST(Memory, GrowsWithTheLengthWhereWholeRowsOfScoresAreKept) {
  const with_threads two(2);  // each keeps the scores of one block of queries
  expect_linear(make_formula(sparsemax));
}
TEST(Memory, GrowsWithTheLengthWithASimilarityOfPairs) {
  expect_linear(make_formula(additive(tensor::full({4}, 1))), 4);
}

}  // namespace
}  // namespace qkv
