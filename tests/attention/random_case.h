// A random attention: sizes, layout and composition, drawn from one seed; drawn as data, so that a case that fails can
// be told in words and made smaller.
#pragma once
#include <fmt/format.h>

#include <optional>
#include <string>

#include "qkv/attention/layout.h"
#include "tests/attention/ready_parts.h"

namespace qkv {

/// A part of a composition: its number in the list of ready parts, and the seed of its numbers.
struct part_choice {
  int kind = 0;
  std::uint64_t seed = 0;
};

/// A mask as drawn: a ready one, or joined ones.
struct mask_choice {
  mask_tree::join how = mask_tree::all;
  part_choice leaf;
  std::vector<mask_choice> branches{};  ///< none: the leaf
};

/// How a tensor [B, T, H, D] lies in memory.
enum class storage { dense, heads_first, fused, gaps, time_first, kinds };

/// What stands in a few of the keys and values.
enum class poison { nothing, nan, infinite, huge };

/// What shifts all scores: the last score, without or with a gradient (a bias over the keys), or a channel of q and k.
enum class shifting { by_lambda, by_bias, by_channel };

struct attention_case {
  std::uint64_t seed = 0;
  sequences::kind how = sequences::whole;
  std::vector<std::pair<long, long>> lengths{{1, 1}};  ///< queries and keys of every sequence; all alike when whole
  long extra = 0;                                      ///< padded: places behind the longest sequence
  long key_heads = 1, group = 1, channels = 1, values = 1;
  alignment align = bottom_right;
  std::vector<mask_choice> mask{};  ///< one or none
  std::vector<part_choice> scores{};
  part_choice similar{}, weighing{};
  double scale = 0;  ///< 0: the similarity's own
  double size = 1;   ///< of the numbers in q
  double shift = 0;  ///< added to all scores: low ones and high ones are a weighting's hard cases
  shifting shifted = shifting::by_lambda;
  poison poisoned = poison::nothing;
  std::array<storage, 8> stored{};  ///< q, k, v, out, dout, dq, dk, dv

  using side = long std::pair<long, long>::*;
  static constexpr side query_side = &std::pair<long, long>::first, key_side = &std::pair<long, long>::second;
  bool packs() const { return how == sequences::packed_; }
  /// Places that a part such as a dense bias has to cover: each packed sequence has its own.
  long places(side which) const {
    long most = 0;
    for (const auto& one : lengths) most = std::max(most, one.*which);
    return most + (how == sequences::padded_ ? extra : 0);
  }
  /// T or S of the tensors.
  long extent(side which) const {
    long sum = 0;
    for (const auto& one : lengths) sum += one.*which;
    return packs() ? sum : places(which);
  }
  long rows() const { return packs() ? 1 : long(lengths.size()); }
  part_sizes sizes() const {
    return {long(lengths.size()), key_heads * group, places(query_side), places(key_side), channels};
  }
  bool is_kinked() const { return ready_weightings()[weighing.kind].kinked; }

  sequences ragged() const {
    sequences s{how};
    if (how == sequences::whole) return s;
    if (packs()) s.queries = s.keys = {0};
    for (auto [queries, keys] : lengths) {
      s.queries.push_back(packs() ? s.queries.back() + queries : queries);
      s.keys.push_back(packs() ? s.keys.back() + keys : keys);
    }
    return s;
  }
  /// Multiplications of channels, about: what the oracle's time goes by.
  double work() const {
    double links = 0;
    for (auto [queries, keys] : lengths) links += double(queries) * double(keys);
    return links * double(key_heads * group) * double(channels + values);
  }
};

inline mask_choice random_mask(dice& d, int depth) {
  if (depth == 0 || d.chance(0.4))
    return {mask_tree::all, {int(d.below(long(ready_masks().size()))), std::uint64_t(d.below(1 << 30))}};
  mask_choice m{mask_tree::join(d.below(3)), {}};
  for (long n = m.how == mask_tree::none ? 1 : 2; n > 0; --n) m.branches.push_back(random_mask(d, depth - 1));
  return m;
}

/// The case of a seed.
inline attention_case random_case(std::uint64_t seed) {
  dice d(seed);
  attention_case c{.seed = seed};
  // Most lengths are short; some cross several blocks of the engine.
  const auto length = [&] {
    return d.chance(0.08) ? d.below(2) : d.chance(0.1) ? d.between(200, 700) : d.between(1, 70);
  };
  const auto width = [&] {
    return d.chance(0.5) ? 16 * d.between(1, 5) : d.chance(0.5) ? d.between(1, 16) : d.between(1, 160);
  };
  c.how = d.chance(0.5) ? sequences::whole : d.chance(0.5) ? sequences::packed_ : sequences::padded_;
  c.lengths.assign(c.how == sequences::whole ? d.between(1, 3) : d.between(1, 5), {length(), length()});
  const bool same = d.chance(0.4);
  for (auto& one : c.lengths) {
    if (c.how != sequences::whole) one = {length(), length()};
    if (same) one.second = one.first;
  }
  c.extra = d.below(4);
  c.key_heads = d.between(1, 3), c.group = d.chance(0.5) ? 1 : d.between(2, 4);
  c.channels = width(), c.values = d.chance(0.6) ? c.channels : width();
  c.align = d.chance(0.6) ? bottom_right : d.chance(0.5) ? top_left : queries_start_at(d.between(-20, 60));
  if (d.chance(0.8)) c.mask = {random_mask(d, 3)};
  if (d.chance(0.5))
    for (long n = d.between(1, 3); n > 0; --n)
      c.scores.push_back({int(d.below(long(ready_scores().size()))), std::uint64_t(d.below(1 << 30))});
  // A score of -infinity comes last: what follows it would have to have a derivative there.
  std::ranges::stable_partition(
      c.scores, [](part_choice s) { return std::string(ready_scores()[s.kind].name) != "masking_score"; });
  // Half of them dot and softmax, with a sink at times; the rest anything.
  const auto part = [&](long kinds) { return part_choice{int(d.below(kinds)), std::uint64_t(d.below(1 << 30))}; };
  if (d.chance(0.4)) c.similar = part(long(ready_similarities().size()));
  if (d.chance(0.5)) c.weighing = part(long(ready_weightings().size()));
  else c.weighing.kind = d.chance(0.2);
  c.scale = d.chance(0.2) ? d.uniform(0.05, 0.5) : 0;
  c.size = d.chance(0.8) ? 1 : d.chance(0.5) ? 10 : 50;
  // Not with large scores: a weight may underflow to 0 in fp32 and not in double, and 0 times NaN is another question.
  if (d.chance(0.1)) c.poisoned = poison(d.between(1, 3)), c.size = 1;
  if (c.poisoned != poison::nothing)
    std::erase_if(c.scores, [](part_choice s) { return std::string(ready_scores()[s.kind].name) == "alibi"; });
  if (c.similar.kind != 0 || c.weighing.kind > 1) c.size = 1;  // their scores are large by themselves
  if (c.poisoned == poison::nothing && c.size == 1 && d.chance(0.15)) {
    c.shift = d.chance(0.7) ? d.uniform(-110, -90) : d.uniform(50, 70);
    c.shifted = shifting(d.below(c.similar.kind == 0 ? 3 : 2));
    if (d.chance(0.5)) c.mask = {{mask_tree::all, {1 + int(d.below(2)), std::uint64_t(d.below(1 << 30))}}};  // windows
  }
  for (auto& s : c.stored) s = d.chance(0.5) ? storage::dense : storage(d.below(long(storage::kinds)));
  // Long sequences are tried with few heads and channels: the oracle is to take milliseconds.
  while (c.work() > 1.5e6) {
    if (c.lengths.size() > 1)
      c.lengths.pop_back();
    else if (c.key_heads > 1)
      c.key_heads = 1;
    else if (c.group > 1)
      --c.group;
    else if (c.channels + c.values > 16)
      c.channels = (c.channels + 1) / 2, c.values = (c.values + 1) / 2;
    else
      for (auto& [queries, keys] : c.lengths) queries = (queries + 1) / 2;
  }
  return c;
}

inline std::shared_ptr<const mask_tree> tree_of(const mask_choice& m, const part_sizes& sizes) {
  auto tree = std::make_shared<mask_tree>();
  tree->how = m.how;
  if (m.branches.empty()) tree->leaf = ready_masks()[m.leaf.kind].make(m.leaf.seed, sizes);
  for (const auto& branch : m.branches) tree->branches.push_back(*tree_of(branch, sizes));
  return tree;
}

/// The formula that a case describes, with this mask.
inline formula_ptr formula_of(const attention_case& c, std::shared_ptr<const mask_tree> mask) {
  const part_sizes sizes = c.sizes();
  std::vector<formula_ptr> scores;
  for (auto [kind, seed] : c.scores) scores.push_back(ready_scores()[kind].make(seed, sizes));
  if (c.shift != 0 && c.shifted == shifting::by_bias)
    scores.push_back(make_formula(additive_bias(tensor::full({1, 1, 1, sizes.keys}, c.shift))));
  if (c.shift != 0 && c.shifted == shifting::by_lambda)
    scores.push_back(make_formula([shift = c.shift](auto x, auto) { return x + shift; }));
  return std::make_shared<composed_formula>(ready_similarities()[c.similar.kind].make(c.similar.seed, sizes),
                                            ready_weightings()[c.weighing.kind].make(c.weighing.seed, sizes),
                                            c.scale == 0 ? nullptr : &c.scale, std::move(mask), scores);
}
/// The formula that a case describes.
inline formula_ptr formula_of(const attention_case& c) {
  return formula_of(c, c.mask.empty() ? nullptr : tree_of(c.mask[0], c.sizes()));
}

inline std::string to_string(const mask_choice& m) {
  if (m.branches.empty()) return fmt::format("{}#{}", ready_masks()[m.leaf.kind].name, m.leaf.seed);
  if (m.how == mask_tree::none) return fmt::format("!{}", to_string(m.branches[0]));
  return fmt::format("({} {} {})", to_string(m.branches[0]), m.how == mask_tree::all ? '&' : '|',
                     to_string(m.branches[1]));
}

/// All sizes and parts, in one line.
inline std::string to_string(const attention_case& c) {
  const char* layouts[] = {"whole", "packed", "padded"};
  const char* poisons[] = {"", ", with NaN", ", with infinities", ", with 1e30"};
  std::string s = fmt::format("{} sequences (queries x keys)", layouts[int(c.how)]);
  for (auto [queries, keys] : c.lengths) s += fmt::format(" {}x{}", queries, keys);
  if (c.how == sequences::padded_) s += fmt::format(" + {}", c.extra);
  s += fmt::format(", {} heads on {}, D {}, E {}", c.key_heads * c.group, c.key_heads, c.channels, c.values);
  s += c.align.from_end ? ", bottom_right" : fmt::format(", queries_start_at({})", c.align.offset);
  s += fmt::format(", mask {}, scores", c.mask.empty() ? "none" : to_string(c.mask[0]));
  for (auto [kind, seed] : c.scores) s += fmt::format(" {}#{}", ready_scores()[kind].name, seed);
  s += fmt::format("{}, {}#{}, {}#{}, scale {}, q times {}, ", c.scores.empty() ? " none" : "",
                   ready_similarities()[c.similar.kind].name, c.similar.seed, ready_weightings()[c.weighing.kind].name,
                   c.weighing.seed, c.scale, c.size);
  const char* shifters[] = {"a lambda", "a bias", "a channel"};
  if (c.shift != 0) s += fmt::format("shifted by {} by {}, ", c.shift, shifters[int(c.shifted)]);
  s += "storage ";
  for (storage one : c.stored) s += fmt::format("{}", int(one));
  return s + poisons[int(c.poisoned)];
}

/// Smaller cases to try in place of one that fails, the most promising first.
inline std::vector<attention_case> smaller(const attention_case& c) {
  std::vector<attention_case> all;
  const auto with = [&](auto change) {
    attention_case other = c;
    change(other);
    all.push_back(other);
  };
  const auto less = [&](auto size) {  // halve it, or one less
    if (size(c) > 3)
      with([&](auto& x) {
        auto& n = size(x);
        n = (n + 1) / 2;
      });
    if (size(c) > 1) with([&](auto& x) { --size(x); });
  };
  for (std::size_t n = 0; n < c.scores.size(); ++n) with([&](auto& x) { x.scores.erase(x.scores.begin() + long(n)); });
  if (!c.mask.empty()) {
    with([](auto& x) { x.mask.clear(); });
    for (const auto& branch : c.mask[0].branches) with([&](auto& x) { x.mask = {branch}; });
  }
  if (c.similar.kind != 0) with([](auto& x) { x.similar = {}; });
  if (c.weighing.kind != 0) with([](auto& x) { x.weighing = {}; });
  if (c.scale != 0) with([](auto& x) { x.scale = 0; });
  if (c.size != 1) with([](auto& x) { x.size = 1; });
  if (c.shift != 0) with([](auto& x) { x.shift = 0; });
  if (c.shifted != shifting::by_lambda) with([](auto& x) { x.shifted = shifting::by_lambda; });
  if (c.poisoned != poison::nothing) with([](auto& x) { x.poisoned = poison::nothing; });
  if (c.stored != std::array<storage, 8>{}) with([](auto& x) { x.stored = {}; });
  if (c.lengths.size() > 1) {
    with([](auto& x) { x.lengths.pop_back(); });
    with([](auto& x) { x.lengths.erase(x.lengths.begin()); });
  }
  if (c.how != sequences::whole && c.lengths.size() == 1) with([](auto& x) { x.how = sequences::whole, x.extra = 0; });
  if (!c.align.from_end) with([](auto& x) { x.align = bottom_right; });
  less([](auto& x) -> auto& { return x.key_heads; });
  less([](auto& x) -> auto& { return x.group; });
  less([](auto& x) -> auto& { return x.channels; });
  less([](auto& x) -> auto& { return x.values; });
  const bool alike = c.how == sequences::whole;  // then all lengths change together
  for (std::size_t n = 0; n < (alike ? 1 : c.lengths.size()); ++n)
    for (auto side : {c.query_side, c.key_side})
      for (const bool halve : {true, false})
        if (c.lengths[n].*side > (halve ? 3 : 1))
          with([&](auto& x) {
            for (std::size_t m = alike ? 0 : n; m <= (alike ? x.lengths.size() - 1 : n); ++m)
              x.lengths[m].*side = halve ? x.lengths[m].*side / 2 : x.lengths[m].*side - 1;
          });
  return all;
}

}  // namespace qkv
