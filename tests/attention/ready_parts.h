// Ready-made masks and scores with random numbers in them: what random compositions are built from.
#pragma once
#include "qkv/attention/attention.h"
#include "tests/attention/composed_formula.h"
#include "tests/attention/tensors.h"

namespace qkv {

/// Random numbers one after the other.
class dice {
 public:
  explicit dice(std::uint64_t seed) : stream_{seed, 1} {}
  long below(long n) { return n <= 1 ? 0 : long(stream_.below(next_++, std::uint64_t(n))); }
  long between(long low, long high) { return low + below(high - low + 1); }
  bool chance(double p) { return stream_.uniform(next_++) < p; }
  double uniform(double low, double high) { return low + (high - low) * stream_.uniform(next_++); }

 private:
  random_stream stream_;
  std::uint64_t next_ = 0;
};

/// What a part has to fit: sequences, heads, the longest sequence's queries and keys, channels.
struct part_sizes {
  long sequences = 1, heads = 1, queries = 0, keys = 0, channels = 1;
};

struct ready_part {
  const char* name;
  formula_ptr (*make)(std::uint64_t seed, const part_sizes&);
};

inline table random_table(dice& d, long rows, long columns, long below) {
  std::vector<std::int64_t> values;
  for (long n = 0; n < rows * columns; ++n) values.push_back(d.below(below));
  return table({rows, columns}, values);
}

/// Document numbers that ascend along the sequence.
inline table random_documents(dice& d, const part_sizes& s) {
  const long places = std::max(1l, std::max(s.queries, s.keys));
  std::vector<std::int64_t> ids;
  for (long b = 0; b < s.sequences; ++b)
    for (long i = 0, id = 0; i < places; ++i) ids.push_back(id += d.chance(0.05));
  return table({s.sequences, places}, ids);
}

inline tensor random_flags(dice& d, const part_sizes& s) {
  const shape sizes{d.chance(0.5) ? 1 : s.sequences, d.chance(0.5) ? 1 : s.heads,
                    d.chance(0.3) ? 1 : std::max(1l, s.queries), std::max(1l, s.keys)};
  tensor flags(sizes, dtype::int32);
  const double share = d.uniform(0.05, 0.95);
  for (auto& x : flags.values<std::int32_t>()) x = d.chance(share);
  return flags;
}

inline const std::vector<ready_part>& ready_masks() {
  static const std::vector<ready_part> all{
      {"causal", [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(causal); }},
      {"sliding_window",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         return make_formula(sliding_window(dice(seed).below(s.keys + 2)));
       }},
      {"two_sided_window",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         dice d(seed);
         return make_formula(sliding_window({.left = d.below(s.keys + 1), .right = d.below(20)}));
       }},
      {"dilated",
       [](std::uint64_t seed, const part_sizes&) -> formula_ptr {
         return make_formula(dilated(dice(seed).between(1, 9)));
       }},
      {"global_tokens",
       [](std::uint64_t seed, const part_sizes&) -> formula_ptr {
         return make_formula(global_tokens(dice(seed).below(9)));
       }},
      {"global_flags",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         dice d(seed);
         return make_formula(global_tokens(random_table(d, s.sequences, std::max({1l, s.queries, s.keys}), 2)));
       }},
      {"random_blocks",
       [](std::uint64_t seed, const part_sizes&) -> formula_ptr {
         dice d(seed);
         return make_formula(random_blocks(d.between(1, 40), int(d.between(1, 3)), seed));
       }},
      {"prefix",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         return make_formula(prefix(dice(seed).below(s.keys + 1)));
       }},
      {"prefixes",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         dice d(seed);
         return make_formula(prefix(random_table(d, 1, s.sequences, s.keys + 1)));
       }},
      {"same_document",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         dice d(seed);
         return make_formula(same_document(random_documents(d, s)));
       }},
      {"key_lengths",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         dice d(seed);
         return make_formula(key_lengths(random_table(d, 1, s.sequences, s.keys + 1)));
       }},
      {"dense_mask",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         dice d(seed);
         return make_formula(dense_mask(random_flags(d, s)));
       }},
      {"stripes_by_head",
       [](std::uint64_t seed, const part_sizes&) -> formula_ptr {
         const long n = dice(seed).between(2, 5);
         return make_formula([=](auto at) { return (at.query + at.key + at.head) % n != 0; });
       }},
      {"hyperbola",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         const long n = dice(seed).below(s.keys * s.keys / 2 + 2);
         return make_formula([=](auto at) { return at.query * at.key < n || at.batch % 2 == 1; });
       }},
      {"scattered",
       [](std::uint64_t seed, const part_sizes&) -> formula_ptr {
         return make_formula([=](auto at) { return hash(seed, at.row + 1000 * at.head, at.key) % 3 == 0; });
       }},
      {"far_half",
       [](std::uint64_t, const part_sizes&) -> formula_ptr {
         return make_formula([](auto at) { return 2 * at.key >= at.keys; });
       }},
      {"everything", [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(everything); }},
      {"nothing",
       [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula([](auto) { return false; }); }}};
  return all;
}

inline const std::vector<ready_part>& ready_scores() {
  static const auto numbers = [](shape s, std::uint64_t seed, double size = 1) {
    return normal(std::move(s), seed, dtype::float32, size);
  };
  static const std::vector<ready_part> all{
      {"softcap",
       [](std::uint64_t seed, const part_sizes&) -> formula_ptr {
         return make_formula(softcap(dice(seed).uniform(1, 30)));
       }},
      {"alibi",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         return make_formula(alibi(numbers({s.heads}, seed, 0.1)));
       }},
      {"relative_bias",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         dice d(seed);
         return make_formula(relative_bias(numbers({s.heads, 2 * d.between(2, 8)}, seed),
                                           {.bidirectional = d.chance(0.5), .max_distance = 97}));
       }},
      {"local_bias",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         dice d(seed);
         const bool both = d.chance(0.5);
         const long range = d.between(1, 20);
         return make_formula(
             local_bias(numbers({s.heads, both ? 2 * range + 1 : range}, seed), both ? sides::both : sides::before));
       }},
      {"additive_bias",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         dice d(seed);
         const shape sizes{d.chance(0.5) ? 1 : s.sequences, d.chance(0.5) ? 1 : s.heads, d.chance(0.3) ? 1 : s.queries,
                           s.keys};
         return make_formula(additive_bias(numbers(sizes, seed)));
       }},
      {"temperature_of_head",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         return make_formula(
             score([](auto x, auto at, auto t) { return x * exp(t[at.head] * 0.3); }, numbers({s.heads}, seed)));
       }},
      {"learned_cap",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         return make_formula(score(
             [](auto x, auto at, auto cap, auto shift) {
               auto c = 5 + abs(cap[at.head]);
               return c * tanh(x / c) + shift[at.batch, at.head];
             },
             numbers({s.heads}, seed), numbers({s.sequences, s.heads}, seed + 1)));
       }},
      {"fading",
       [](std::uint64_t seed, const part_sizes&) -> formula_ptr {
         const double rate = dice(seed).uniform(0.001, 0.1);
         return make_formula([=](auto x, auto at) { return x * exp(-rate * abs(at.query - at.key)); });
       }},
      {"smooth_functions",
       [](std::uint64_t, const part_sizes&) -> formula_ptr {
         return make_formula(
             [](auto x, auto) { return log(1 + x * x) + sqrt(1 + x * x) + sigmoid(x) + x / (2 + abs(x)); });
       }},
      {"kinks",
       [](std::uint64_t, const part_sizes&) -> formula_ptr {
         return make_formula(
             [](auto x, auto at) { return max(x, -0.3) + min(0.5 * x, 1) + select(at.key % 2 == 0, x, 0.5 * x); });
       }},
      {"masking_score", [](std::uint64_t seed, const part_sizes&) -> formula_ptr {
         const long n = dice(seed).between(2, 4);
         return make_formula([=](auto x, auto at) {
           return select((at.key + at.row) % n == 0, -std::numeric_limits<float>::infinity(), x);
         });
       }}};
  return all;
}

inline const std::vector<ready_part>& ready_similarities() {
  static const auto numbers = [](shape s, std::uint64_t seed, double size = 1) {
    return normal(std::move(s), seed, dtype::float32, size);
  };
  static const std::vector<ready_part> all{
      {"dot", [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(dot); }},
      {"cosine", [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(cosine); }},
      {"negative_squared_distance",
       [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(negative_squared_distance); }},
      {"bilinear",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         const double size = 1 / std::sqrt(double(s.channels));
         if (dice(seed).chance(0.5)) return make_formula(bilinear(numbers({s.channels, s.channels}, seed, size)));
         return make_formula(bilinear(numbers({s.heads, s.channels, s.channels}, seed, size)));
       }},
      {"additive",
       [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         return make_formula(additive(numbers({s.channels}, seed)));
       }},
      {"manhattan",
       [](std::uint64_t, const part_sizes&) -> formula_ptr {
         return make_formula(similarity([](auto q, auto k) { return -0.2 * abs(q - k); }));
       }},
      {"weighted_product", [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
         return make_formula(similarity([](auto q, auto k, auto w) { return w * q * k; }, numbers({s.channels}, seed, 0.3)));
       }}};
  return all;
}

/// A weighting; `kinked`: a slope that jumps, so that rounding decides near a jump.
struct ready_weighting : ready_part {
  bool kinked = false;
};

inline const std::vector<ready_weighting>& ready_weightings() {
  static const std::vector<ready_weighting> all{
      {{"softmax", [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(softmax); }}},
      {{"softmax_with_sink",
        [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
          return make_formula(softmax_with_sink(normal({s.heads}, seed, dtype::float32)));
        }}},
      {{"dropout",
        [](std::uint64_t seed, const part_sizes&) -> formula_ptr {
          return make_formula(attention_dropout(dice(seed).uniform(0, 0.9), seed));
        }}},
      {{"uniform", [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(uniform); }}},
      {{"entmax15", [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(entmax15); }}},
      {{"entmax15_with_dropout",
        [](std::uint64_t seed, const part_sizes&) -> formula_ptr {
          return make_formula(entmax15, attention_dropout(0.4, seed));
        }}},
      {{"softplus_to_one",
        [](std::uint64_t, const part_sizes&) -> formula_ptr {
          return make_formula(weighting{[](auto x) { return log(1 + exp(x)); }, normalised::yes});
        }}},
      {{"sigmoid_weights",
        [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(sigmoid_weights(-2)); }}},
      {{"squared_relu_weights",
        [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(squared_relu_weights(0.1)); }}},
      {{"signed_weights", [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(signed_weights()); }}},
      {{"signed_by_division",  // away from 0, where dividing by the sum magnifies rounding
        [](std::uint64_t, const part_sizes&) -> formula_ptr {
          return make_formula(weighting{[](auto x) { return select(x < 0, x - 0.5, x + 0.5); }, normalised::by_division});
        }},
       true},
      {{"relu_weights", [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(relu_weights(0.1)); }},
       true},
      {{"sparsemax", [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(sparsemax); }}, true},
      {{"top_k",
        [](std::uint64_t seed, const part_sizes& s) -> formula_ptr {
          return make_formula(top_k(dice(seed).between(1, s.keys + 2)));
        }},
       true},
      {{"hardmax", [](std::uint64_t, const part_sizes&) -> formula_ptr { return make_formula(hardmax); }}, true}};
  return all;
}

}  // namespace qkv
