// Masks as users write them, compiled: the fused engine against the oracle.
#include "tests/attention/compiled_lambdas.h"

namespace qkv {
namespace {

using CompiledMask = CompiledLambda;

TEST_F(CompiledMask, Causal) { expect_same(causal); }
TEST_F(CompiledMask, CausalFromTheTopLeft) { expect_same(causal, top_left); }
TEST_F(CompiledMask, CausalFromAPlace) { expect_same(causal, queries_start_at(100)); }
TEST_F(CompiledMask, NotCausal) { expect_same(!causal); }
TEST_F(CompiledMask, Window) { expect_same(sliding_window(40)); }
TEST_F(CompiledMask, WindowWithSides) { expect_same(sliding_window({.left = 60, .right = 9})); }
TEST_F(CompiledMask, CausalWindow) { expect_same(causal & sliding_window(33)); }
TEST_F(CompiledMask, DilatedWindow) { expect_same(sliding_window(64) & dilated(4)); }
TEST_F(CompiledMask, WindowAndAnchors) { expect_same(causal & (sliding_window(20) | global_tokens(4))); }
TEST_F(CompiledMask, BigBird) { expect_same(sliding_window(16) | global_tokens(2) | random_blocks(16, 2, 3)); }
TEST_F(CompiledMask, PrefixLanguageModel) { expect_same(causal | prefix(250)); }
TEST_F(CompiledMask, PrefixOfEachSequence) { expect_same(causal | prefix({230, 3})); }
TEST_F(CompiledMask, KeyLengths) { expect_same(key_lengths({290, 101})); }
TEST_F(CompiledMask, Documents) {
  std::vector<std::int64_t> ids;
  for (long i = 0; i < 290; ++i) ids.push_back(i / 60);
  expect_same(causal & same_document(ids));
  expect_same(!same_document(ids));
}
TEST_F(CompiledMask, DenseArray) {
  const tensor flags({2, 1, 70, 290}, dtype::int32);
  for (long i = 0; i < 70; ++i)
    for (long j = 0; j < 290; ++j) flags.at<int>(i % 2, 0, i, j) = (i * j) % 5 != 0;
  expect_same(dense_mask(flags));
}
TEST_F(CompiledMask, EverySecondHeadLooksBack) {
  expect_same(
      [](auto at) { return (at.head % 2 == 0 && at.query >= at.key) || (at.head % 2 == 1 && at.query <= at.key); });
}
TEST_F(CompiledMask, WindowThatGrowsWithTheHead) {
  expect_same([](auto at) { return abs(at.query - at.key) < 8 * (at.head + 1); });
}
TEST_F(CompiledMask, Blocks) {
  expect_same([](auto at) { return at.query / 32 == at.key / 32; });
}
TEST_F(CompiledMask, StripesAndBlocks) {
  expect_same([](auto at) { return at.query / 16 >= at.key / 16 && at.key % 3 != 1; });
}
TEST_F(CompiledMask, Checkerboard) {
  expect_same([](auto at) { return (at.query + at.key) % 2 == 0; });
}
TEST_F(CompiledMask, Scattered) {
  expect_same([](auto at) { return hash(11, at.query, at.key) % 4 == 0; });
}
TEST_F(CompiledMask, LargestOfThree) {
  expect_same([](auto at) { return max(at.query, at.key) - min(at.query, at.key) <= max(at.head, 1) * 20; });
}
TEST_F(CompiledMask, Selected) {
  expect_same([](auto at) { return at.key < select(at.batch == 0, at.query, at.keys / 2); });
}
TEST_F(CompiledMask, OwnNumberAndLengths) {
  expect_same([](auto at) { return at.row * at.keys >= at.key * at.queries; });
}
TEST_F(CompiledMask, OneLink) {
  expect_same([](auto at) { return at.key == at.query; });
}
TEST_F(CompiledMask, APlainTruth) {
  expect_same([](auto) { return true; });
}
TEST_F(CompiledMask, Nothing) {
  expect_same([](auto) { return false; });
}
TEST_F(CompiledMask, Hyperbola) {
  expect_same([](auto at) { return at.query * at.key < 9000; });
}

}  // namespace
}  // namespace qkv
