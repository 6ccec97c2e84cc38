// Masks cost what they leave: which tiles are visited, both ways; and what a mask says of a tile is never wrong.
#include <gtest/gtest.h>

#include "qkv/attention/plan.h"
#include "tests/attention/random_case.h"

namespace qkv {
namespace {

/// Tiles of one head of `places` queries and keys, after a forward and a backward pass.
struct visits {
  tile_counts forward, backward;
};
template <class... Parts>
visits visit(long places, const Parts&... parts) {
  const tensor x = normal({1, places, 1, 16}, 1, dtype::float32), out(x.shape()), lse({1, places, 1}), dq(x.shape()),
               dk(x.shape()), dv(x.shape());
  const auto view = x.view<const float, 4>();
  const problem p{view, view, view};
  const auto f = make_formula(parts...);
  workspace w;
  visits v;
  attention_into(*f, p, out.view<float, 4>(), lse.view<float, 3>(), w);
  v.forward = tiles_visited(w);
  attention_backward_into(*f, p, out.view<const float, 4>(), lse.view<const float, 3>(), view, dq.view<float, 4>(),
                          dk.view<float, 4>(), dv.view<float, 4>(), {}, w);
  v.backward = tiles_visited(w);
  return v;
}

long all(tile_counts t) { return t.empty + t.partial + t.full; }
double live_share(tile_counts t) { return double(t.partial + t.full) / double(all(t)); }

TEST(NoMask, MakesEveryTileFull) {
  const visits v = visit(1000);
  EXPECT_EQ(v.forward.empty + v.forward.partial + v.backward.empty + v.backward.partial, 0);
  EXPECT_GT(v.forward.full, 0);
}

TEST(Causal, SkipsEveryTileAboveTheDiagonal) {
  const long places = 3072;
  const visits v = visit(places, causal);
  // Blocks of the forward pass are 48 queries x 256 keys: block i sees keys up to 48 i + 47.
  long live = 0;
  for (long i = 0; i < places / 48; ++i) live += (48 * i + 47) / 256 + 1;
  EXPECT_EQ(v.forward.partial + v.forward.full, live);
  EXPECT_EQ(all(v.forward), places / 48 * (places / 256));
  // Blocks of the backward pass are square: the diagonal is partial, what is below it full.
  const double side = std::sqrt(double(all(v.backward)));
  EXPECT_EQ(v.backward.partial, std::lround(side));
  EXPECT_EQ(v.backward.full, v.backward.empty);
}

TEST(SlidingWindow, CostsItsWidthNotTheLength) {
  const visits narrow = visit(8192, causal & sliding_window(256));
  EXPECT_LT(live_share(narrow.forward), 0.08);
  EXPECT_LT(live_share(narrow.backward), 0.06);
  const visits twice = visit(16384, causal & sliding_window(256));
  EXPECT_LT(twice.forward.partial + twice.forward.full, 2.1 * double(narrow.forward.partial + narrow.forward.full));
  EXPECT_LT(twice.backward.partial + twice.backward.full, 2.1 * double(narrow.backward.partial + narrow.backward.full));
}

TEST(Prefix, AddsItsKeysToTheTriangle) {
  const visits v = visit(2048, causal | prefix(512)), triangle = visit(2048, causal);
  EXPECT_GT(live_share(v.forward), live_share(triangle.forward));
  EXPECT_LT(live_share(v.forward), 0.75);
}

TEST(Documents, VisitOnlyTheirBlocks) {
  std::vector<std::int64_t> ids;
  for (long i = 0; i < 4096; ++i) ids.push_back(i / 512);
  const visits v = visit(4096, same_document(ids));
  EXPECT_LT(live_share(v.forward), 0.2);  // 1/8, and the borders
  EXPECT_LT(live_share(v.backward), 0.2);
}

TEST(GlobalTokens, AddARowAndAColumn) {
  const visits v = visit(4096, sliding_window(64) | global_tokens(4));
  EXPECT_LT(live_share(v.forward), 0.2);
  EXPECT_LT(live_share(v.backward), 0.12);
}

TEST(RandomBlocks, VisitWhatTheyDraw) {
  const visits v = visit(4096, random_blocks(256, 2, 5));
  EXPECT_LT(live_share(v.forward), 0.3);  // 2 of 16, twice where a block of queries meets two of theirs
  EXPECT_LT(live_share(v.backward), 0.4);
}

TEST(DenseMask, SkipsWhereItsFlagsAreZero) {
  const tensor flags({1, 1, 1, 4096}, dtype::int32);
  flags.slice(3, 1024, 1536).fill(1);
  const visits v = visit(4096, dense_mask(flags));
  EXPECT_NEAR(live_share(v.forward), 0.125, 1e-9);
  EXPECT_LT(live_share(v.backward), 0.17);
}

TEST(Undecidable, MasksVisitEveryTileAndStillWork) {
  const visits v = visit(1024, [](auto at) { return hash(1, at.query, at.key) % 2 == 0; });
  EXPECT_EQ(v.forward.partial, all(v.forward));
  EXPECT_EQ(v.backward.partial, all(v.backward));
}

TEST(PaddedSequences, CostTheirLength) {
  const tensor x = normal({2, 1024, 1, 16}, 1, dtype::float32), out(x.shape()), lse({2, 1024, 1});
  const auto view = x.view<const float, 4>();
  const problem whole{view, view, view}, half{view, view, view, bottom_right, padded({1024, 0})};
  workspace w;
  attention_into(*make_formula(), whole, out.view<float, 4>(), lse.view<float, 3>(), w);
  const long both = all(tiles_visited(w));
  attention_into(*make_formula(), half, out.view<float, 4>(), lse.view<float, 3>(), w);
  EXPECT_EQ(2 * all(tiles_visited(w)), both);
}

/// For every ready-made mask and for random compositions: a full tile is full, an empty one empty, link by link; and
/// lanes and scalars keep the same links.
TEST(Coverage, OfATileIsNeverWrong) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    dice d(seed);
    const part_sizes sizes{2, 3, d.between(1, 90), d.between(1, 90)};
    const auto tree = tree_of(random_mask(d, seed < 60 ? 0 : 3), sizes);
    const composed_formula f(make_formula(), make_formula(), nullptr, tree, {});
    for (int n = 0; n < 30; ++n) {
      const long row = d.below(sizes.queries), rows = d.between(1, sizes.queries - row), key = d.below(sizes.keys),
                 keys = d.between(1, sizes.keys - key);
      const tile t{d.below(2), d.below(3), row, rows, key, keys, d.between(-30, 60), sizes.queries, sizes.keys};
      const sequence s{t.batch, 0, 0, sizes.queries, 0, sizes.keys, t.offset};
      const coverage verdict = f.classify(places(s, t.head, t.head, row, rows, key, keys));
      const auto kept = std::make_unique<bool[]>(rows * keys);
      f.keep(t, kept.get());
      const long count = std::count(kept.get(), kept.get() + rows * keys, true);
      ASSERT_TRUE(!verdict.full() || count == rows * keys) << "seed " << seed;
      ASSERT_TRUE(!verdict.empty() || count == 0) << "seed " << seed;
      const long pitch = (keys + 15) / 16 * 16;
      std::vector<std::int32_t> truth(rows * pitch);
      f.keep(t, truth.data(), pitch);
      for (long i = 0; i < rows; ++i)
        for (long j = 0; j < keys; ++j)
          ASSERT_EQ(truth[i * pitch + j], kept[i * keys + j] ? -1 : 0) << "seed " << seed << " link " << i << ", " << j;
    }
  }
}

TEST(Coverage, NamesThePlacesItRead) {
  const sequence s{0, 0, 0, 64, 0, 64, 0};
  const auto reads_of = [&](const auto& m) { return make_formula(m)->classify(places(s, 0, 3, 0, 64, 0, 64)).from; };
  EXPECT_EQ(reads_of(causal), reads_query | reads_key);
  EXPECT_EQ(reads_of(prefix(3)), reads_key);
  EXPECT_EQ(reads_of(key_lengths({3, 4})), reads_key | reads_batch);
  EXPECT_EQ(reads_of(mask([](auto at) { return at.key >= at.head; })), reads_key | reads_head);
  EXPECT_EQ(reads_of(causal & mask([](auto at) { return at.head != 1; })), reads_query | reads_key | reads_head);
  EXPECT_EQ(reads_of(everything), reads_nothing);
}

}  // namespace
}  // namespace qkv
