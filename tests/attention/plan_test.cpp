// The plan: which blocks are live, and who shares a list.
#include "qkv/attention/plan.h"

#include <gtest/gtest.h>

#include "qkv/attention/attention.h"

namespace qkv {
namespace {

// Shapes without memory: a plan reads no numbers.
problem shapes(long B, long T, long S, long H) {
  static const float nothing = 0;
  return {{&nothing, {B, T, H, 64}, {0, 0, 0, 1}},
          {&nothing, {B, S, H, 64}, {0, 0, 0, 1}},
          {&nothing, {B, S, H, 64}, {0, 0, 0, 1}}};
}
attention_plan plan_of(const formula& f, const problem& x, cut_along cut = cut_along::queries) {
  attention_plan plan;
  make_plan(f, x, cut, {48, 256}, plan);
  return plan;
}

// Live blocks by asking every link.
std::vector<bool> live_blocks(const formula& f, long T, long S) {
  const long rows = (T + 47) / 48, columns = (S + 255) / 256;
  std::vector<bool> live(rows * columns);
  const auto keep = std::make_unique<bool[]>(T * S);
  f.keep({0, 0, 0, T, 0, S, S - T, T, S}, keep.get());
  for (long i = 0; i < T; ++i)
    for (long j = 0; j < S; ++j)
      if (keep[i * S + j]) live[i / 48 * columns + j / 256] = true;
  return live;
}

TEST(Plan, CausalVisitsOnlyBlocksThatTouchTheTriangle) {
  const auto plan = plan_of(*make_formula(causal), shapes(1, 1024, 1024, 1));
  const auto live = live_blocks(*make_formula(causal), 1024, 1024);
  const tile_counts counts = count_tiles(plan);
  EXPECT_EQ(counts.full + counts.partial, std::count(live.begin(), live.end(), true));
  EXPECT_EQ(counts.full + counts.partial + counts.empty, 22 * 4);
}

TEST(Plan, NeverDropsALiveBlockAndFindsTheEmptyOnesOfEveryReadyMade) {
  const auto check = [](const char* name, const auto& m) {
    const auto f = make_formula(m);
    const auto plan = plan_of(*f, shapes(1, 500, 1100, 1));
    const auto live = live_blocks(*f, 500, 1100);
    for (long i = 0; i < plan.lists[0].fixed_blocks(); ++i)
      for (long j = 0; j < 5; ++j) {
        bool listed = false;
        for (auto r = plan.lists[0].first[i]; r < plan.lists[0].first[i + 1]; ++r)
          listed |= plan.lists[0].runs[r].from <= j && j < plan.lists[0].runs[r].to;
        EXPECT_EQ(listed, bool(live[i * 5 + j])) << name << " block " << i << ", " << j;
      }
  };
  check("causal", causal);
  check("window", causal & sliding_window(100));
  check("anchors", global_tokens(3));
  check("random blocks", random_blocks(64, 2, 5));
  check("prefix", causal | prefix(300));
}

TEST(Plan, HeadsAndSequencesThatAgreeShareOneList) {
  const problem x = shapes(3, 300, 300, 4);
  EXPECT_EQ(plan_of(*make_formula(causal), x).lists_used, 1u);
  EXPECT_EQ(plan_of(*make_formula([](auto at) { return at.key >= at.head * 64; }), x).lists_used, 4u);
  EXPECT_EQ(plan_of(*make_formula(key_lengths({100, 200, 300})), x).lists_used, 3u);
  EXPECT_EQ(
      plan_of(*make_formula(causal & key_lengths({100, 200, 300}) & mask([](auto at) { return at.head != 1; })), x)
          .lists_used,
      12u);
}

TEST(Plan, CutAlongKeysListsTheSameBlocksTheOtherWay) {
  const problem x = shapes(1, 480, 480, 1);
  attention_plan queries, keys;
  make_plan(*make_formula(causal), x, cut_along::queries, {96, 96}, queries);
  make_plan(*make_formula(causal), x, cut_along::keys, {96, 96}, keys);
  EXPECT_EQ(count_tiles(queries).full, count_tiles(keys).full);
  EXPECT_EQ(count_tiles(queries).partial, count_tiles(keys).partial);
}

TEST(Plan, PrintsItsLists) {
  EXPECT_EQ(to_string(plan_of(*make_formula(causal), shapes(1, 96, 512, 2))),
            "1 sequences, 2 heads, blocks of 48 queries x 256 keys, 1 lists\n"
            "list 0: 2 full, 2 partial, 0 empty\n"
            "  block 0: 0..0 full 1..1 partial\n"
            "  block 1: 0..0 full 1..1 partial\n");
}

TEST(Plan, AnEmptyProblemHasNoBlocks) {
  EXPECT_EQ(count_tiles(plan_of(*make_formula(causal), shapes(1, 0, 7, 2))).empty, 0);
  EXPECT_EQ(count_tiles(plan_of(*make_formula(causal), shapes(1, 7, 0, 2))).full, 0);
  EXPECT_EQ(count_tiles(plan_of(*make_formula(), shapes(0, 7, 7, 2))).full, 0);
}

}  // namespace
}  // namespace qkv
