// Masks: which links exist.  A mask is one short generic lambda; each ready-made one below is its own
// definition.  Masks compose with & (and), | (or) and ! (not).  The engine asks a mask about whole
// tiles first, so a sparse mask costs what its links cost; nobody builds a block mask.
#pragma once
#include <cstdint>

#include "qkv/attention/position.h"

namespace qkv {

/// A rule `[](auto at) { return at.query >= at.key; }`: the link exists where it holds.
/// Places are 32-bit numbers in the engine: keep products of places below 2^31.
template <class F>
struct mask {
  F rule;
  constexpr auto operator()(auto at) const { return rule(at); }
};
template <class F> mask(F) -> mask<F>;

template <class T> constexpr bool is_mask = false;
template <class F> constexpr bool is_mask<mask<F>> = true;
template <class A, class B> concept masks = is_mask<A> || is_mask<B>;

namespace detail {
/// A mask's answer, to be joined: a plain bool becomes the truth value of the place's number type.
template <class Index, class Answer>
constexpr auto joinable(const position<Index>&, Answer answer) {
  if constexpr (std::same_as<Answer, bool>) return typename Index::truth(answer);
  else return answer;
}
/// Counts of places beyond this one mean the same: no axis has as many.
inline constexpr long most_places = 1L << 30;
constexpr std::int32_t count_of_places(long n) { return std::int32_t(std::min(n, most_places)); }

/// Flags [B, H, T, S] as rows of S numbers 0 and 1, one row for each (b, h, t).
table table_of_flags(const tensor& flags);
}  // namespace detail

template <class A, class B> requires masks<A, B>
constexpr auto operator&(A a, B b) {
  return mask{[a, b](auto at) { return detail::joinable(at, a(at)) && detail::joinable(at, b(at)); }};
}
template <class A, class B> requires masks<A, B>
constexpr auto operator|(A a, B b) {
  return mask{[a, b](auto at) { return detail::joinable(at, a(at)) || detail::joinable(at, b(at)); }};
}
template <class A, class B> requires masks<A, B>
void operator&&(A, B) { static_assert(sizeof(A) == 0, "qkv: masks are joined with & and |; && and || belong inside a lambda"); }
template <class A, class B> requires masks<A, B>
void operator||(A, B) { static_assert(sizeof(A) == 0, "qkv: masks are joined with & and |; && and || belong inside a lambda"); }
template <class F>
constexpr auto operator!(mask<F> m) { return mask{[m](auto at) { return !m(at); }}; }

/// Every link exists (the default).
inline constexpr mask everything{[](auto) { return true; }};

/// A query attends to its own place and everything before it.
/// Where queries and keys differ in number, see `bottom_right` (default) and `top_left`.
inline constexpr mask causal{[](auto at) { return at.query >= at.key; }};

/// Keys closer than `width` places: |query - key| < width.  With `causal &` each query sees its
/// `width` latest keys, itself included (Mistral 7B, arXiv:2310.06825).
inline auto sliding_window(long width) {
  if (width < 0) refuse("sliding_window", "a width of at least 0", std::to_string(width));
  return mask{[width = detail::count_of_places(width)](auto at) { return abs(at.query - at.key) < width; }};
}

struct window_sides { long left = 0, right = 0; };
/// `sliding_window({.left = 128, .right = 0})`: both ends included, as window_size in flash-attn.
inline auto sliding_window(window_sides w) {
  if (w.left < 0 || w.right < 0)
    refuse("sliding_window", "sides of at least 0", std::to_string(w.left) + " and " + std::to_string(w.right));
  return mask{[left = detail::count_of_places(w.left), right = detail::count_of_places(w.right)](auto at) {
    return at.query - at.key <= left && at.key - at.query <= right;
  }};
}

/// Every `stride`-th key, counted from the query.  `sliding_window(512) & dilated(4)` is Longformer's
/// dilated sliding window (arXiv:2004.05150).
inline auto dilated(long stride) {
  if (stride < 1) refuse("dilated", "a stride of at least 1", std::to_string(stride));
  return mask{[stride = detail::count_of_places(stride)](auto at) { return (at.query - at.key) % stride == 0; }};
}

/// The first `count` tokens see everyone and are seen by everyone (Longformer, BigBird ITC).
/// `&`-ed with causal they are the "attention sinks" of StreamingLLM (arXiv:2309.17453).
inline auto global_tokens(long count) {
  if (count < 0) refuse("global_tokens", "a count of at least 0", std::to_string(count));
  return mask{[count = detail::count_of_places(count)](auto at) { return at.query < count || at.key < count; }};
}
/// Anchors anywhere: `flags` [S] or [B, S], nonzero at the tokens that see and are seen by everyone.
inline auto global_tokens(table flags) {
  return mask{[=](auto at) { return flags[at.batch, at.query] != 0 || flags[at.batch, at.key] != 0; }};
}

/// Every block of `block` queries sees `count` blocks of keys drawn at random (BigBird, arXiv:2007.14062).
/// The same seed gives the same blocks on every machine and thread.
inline auto random_blocks(long block, int count, std::uint64_t seed = 0) {
  if (block < 1 || count < 1)
    refuse("random_blocks", "a block and a count of at least 1", std::to_string(block) + " and " + std::to_string(count));
  return mask{[block = detail::count_of_places(block), count, seed](auto at) {
    auto row = at.query / block, column = at.key / block, columns = (at.keys + block - 1) / block;
    auto drawn = [&](int n) { return hash(seed + n, row, 0) % columns == column; };
    auto any = drawn(0);
    for (int n = 1; n < count; ++n) any = any || drawn(n);
    return any;
  }};
}

/// The first `length` keys.  `causal | prefix(n)` is the prefix language model (T5, arXiv:1910.10683).
inline auto prefix(long length) {
  if (length < 0) refuse("prefix", "a length of at least 0", std::to_string(length));
  return mask{[length = detail::count_of_places(length)](auto at) { return at.key < length; }};
}
/// One prefix length per sequence: lengths [B].
inline auto prefix(table lengths) {
  return mask{[=](auto at) { return at.key < lengths[at.batch]; }};
}

/// Links only inside one document: `ids` [S] or [B, S] names each token's document.
inline auto same_document(table ids) {
  return mask{[=](auto at) { return ids[at.batch, at.query] == ids[at.batch, at.key]; }};
}

/// Only the first lengths[b] keys of sequence b are real; the rest is padding.  lengths [B].
inline auto key_lengths(table lengths) {
  return mask{[=](auto at) { return at.key < lengths[at.batch]; }};
}

/// A dense array of flags, nonzero where a link exists: [B or 1, H or 1, T or 1, S], of any type.
/// Tiles are decided from the least and greatest flag of every 64 keys.  Throws shape_error where a flag is NaN.
inline auto dense_mask(const tensor& flags) {
  if (flags.rank() != 4) refuse("dense_mask", "flags [B or 1, H or 1, T or 1, S]", to_string(flags.shape()));
  const long B = flags.dim(0), H = flags.dim(1), T = flags.dim(2), b = B > 1, h = H > 1, t = T > 1;
  const table rows = detail::table_of_flags(flags);
  return mask{[=](auto at) { return rows[(at.batch * b * H + at.head * h) * T + at.row * t, at.key] != 0; }};
}

}  // namespace qkv
