// The same bits: again, with any number of threads, and in memory that lies otherwise.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/attention/against_oracle.h"
#include "tests/base/with_threads.h"
#include "tests/numbers/every_set.h"

namespace qkv {
namespace {

class Determinism : public EverySet {
  const with_threads as_before_;
};

void expect_same_bits(const attention_results& a, const attention_results& b, const std::string& what) {
  std::vector<tensor> others;
  b.each([&](const std::string&, const tensor& t) { others.push_back(t.to_contiguous()); });
  std::size_t n = 0;
  a.each([&](const std::string& name, const tensor& t) {
    const tensor one = t.to_contiguous(), other = others[n++];
    const auto x = one.values<float>(), y = other.values<float>();
    EXPECT_TRUE(x.empty() || std::memcmp(x.data(), y.data(), x.size_bytes()) == 0) << name << " differs: " << what;
  });
}

int number_of(std::string_view name, const auto& parts) {
  return int(std::ranges::find_if(parts, [&](const auto& part) { return part.name == name; }) - parts.begin());
}

/// Cases whose work is cut in every way there is: few heads and many, long and short, with learned tensors.
std::vector<attention_case> cases() {
  std::vector<attention_case> all;
  for (std::uint64_t seed = 500; seed < 515; ++seed) all.push_back(random_case(seed));
  const auto add = [&](long queries, long keys, long key_heads, long group, std::vector<part_choice> scores) {
    attention_case c{.seed = 7};
    c.lengths = {{queries, keys}};
    c.key_heads = key_heads, c.group = group, c.channels = c.values = 32;
    c.mask = {{mask_tree::all, {0, 0}}};  // causal
    c.scores = std::move(scores);
    all.push_back(c);
  };
  add(900, 900, 1, 1, {});
  add(700, 1500, 1, 1, {{1, 3}});         // alibi
  add(500, 500, 1, 4, {{5, 3}, {3, 8}});  // learned cap, dense bias
  add(300, 300, 6, 2, {{2, 3}});          // relative bias
  for (std::uint64_t seed = 1; seed < 9; ++seed) {
    add(400, 400, 2, 2, {{3, seed}});  // dense biases that share this or that axis
    all.back().lengths = {{400, 400}, {400, 400}};
  }
  for (const char* name : {"sparsemax", "entmax15", "top_k", "entmax15_with_dropout", "dropout"}) {
    add(500, 700, 1, 2, {{1, 3}});
    all.back().weighing = {number_of(name, ready_weightings()), 5};
  }
  for (const char* name : {"additive", "bilinear", "negative_squared_distance"}) {
    add(500, 700, 1, 2, {});
    all.back().similar = {number_of(name, ready_similarities()), 5};
  }
  return all;
}

TEST_P(Determinism, AnyNumberOfThreadsGivesTheSameBits) {
  for (const attention_case& c : cases()) {
    const formula_ptr f = formula_of(c);
    const attention_inputs x = inputs_of(c);
    std::optional<attention_results> first;
    for (int threads : {1, 2, 3}) {
      set_thread_count(threads);
      workspace w;
      const attention_results r = run_engine(c, *f, x, w);
      if (first)
        expect_same_bits(*first, r, std::to_string(threads) + " threads, " + to_string(c));
      else
        first = r;
    }
    if (HasFailure()) return;
  }
}

TEST_P(Determinism, AUsedWorkspaceGivesTheSameBits) {
  workspace used;
  for (const attention_case& c : cases()) {
    const formula_ptr f = formula_of(c);
    const attention_inputs x = inputs_of(c);
    workspace fresh;
    expect_same_bits(run_engine(c, *f, x, used), run_engine(c, *f, x, fresh), to_string(c));
    if (HasFailure()) return;
  }
}

TEST_P(Determinism, StridesDoNotChangeTheBits) {
  workspace w;
  for (attention_case c : cases()) {
    const formula_ptr f = formula_of(c);
    c.stored = {};
    const attention_results dense = run_engine(c, *f, inputs_of(c), w);
    c.stored = {storage::heads_first, storage::fused, storage::gaps,  storage::fused,
                storage::time_first,  storage::gaps,  storage::fused, storage::heads_first};
    expect_same_bits(dense, run_engine(c, *f, inputs_of(c), w), to_string(c));
    if (HasFailure()) return;
  }
}

QKV_ON_EVERY_SET(Determinism);

}  // namespace
}  // namespace qkv
