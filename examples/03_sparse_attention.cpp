// Sparse attention costs what its links cost: anchors, window, random blocks, all, on one long sequence.
#include <chrono>
#include <cstdio>

#include "qkv/attention/attention.h"
#include "qkv/base/random.h"

using namespace qkv;

static void time_it(const char* name, const tensor& x, std::shared_ptr<const formula> parts) {
  workspace w;
  tensor out(x.shape()), lse({x.dim(0), x.dim(1), x.dim(2)});
  const problem p{x.view<const float, 4>(), x.view<const float, 4>(), x.view<const float, 4>()};
  const auto begin = std::chrono::steady_clock::now();
  attention_into(*parts, p, out.view<float, 4>(), lse.view<float, 3>(), w);
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  const tile_counts tiles = tiles_visited(w);
  const long live = tiles.partial + tiles.full, all = live + tiles.empty;
  std::printf("%-34s %7.1f ms   %6ld of %6ld tiles visited\n", name, ms, live, all);
}

int main() {
  const long tokens = 8192;
  tensor x({1, tokens, 2, 64});
  const random_stream random{7, 0};
  for (long i = 0; float& e : x.values<float>()) e = float(random.normal(i++));

  time_it("full", x, make_formula());
  time_it("causal", x, make_formula(causal));
  time_it("sliding window", x, make_formula(sliding_window(128)));
  time_it("anchors (global tokens)", x, make_formula(global_tokens(32)));
  time_it("random blocks", x, make_formula(random_blocks(64, 3)));
  time_it("window | anchors | random", x, make_formula(sliding_window(128) | global_tokens(32) | random_blocks(64, 3)));
}
