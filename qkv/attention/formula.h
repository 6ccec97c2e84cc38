// formula: one composition of similarity, scores, mask and weighting behind one type; the engine's only door.
//
// An engine (the oracle, the fused kernels) owns the loops, the memory and the matrix products; a formula answers for
// one composition, a tile at a time, through plain pointers.  Anything that answers is a formula: C++ lambdas
// (variant.h), compositions drawn at run time in tests, programs traced from another language.
//
// Every question is asked in two precisions: double on scalars for the oracle, float on lanes for the fused engine.
#pragma once
#include <span>

#include "qkv/attention/dropout.h"
#include "qkv/attention/similarity.h"
#include "qkv/attention/weighting.h"

namespace qkv {

/// A rectangle of links of one head of one sequence.
struct tile {
  long batch, head;
  long row, rows;  ///< queries row .. row + rows
  long key, keys;  ///< keys key .. key + keys
  long offset;     ///< place of query 0 on the key axis
  long all_rows, all_keys;
  /// Where the keys of the columns stand when they are not consecutive (then `key` is 0), readable in whole registers.
  /// The float questions alone, those asked in lanes, heed them.
  const std::int32_t* places = nullptr;
};

/// Queries and keys of a tile, one channel after the other: q[c * q_pitch + i], k[c * k_pitch + j].  Rows are taken in
/// pairs and keys in whole registers: the memory must allow both.
struct channel_tile {
  const float* q;
  long q_pitch;
  const float* k;
  long k_pitch;
  long rows, keys, channels;
};

/// Links of which each has its own query and key, one channel after the other: q[c * pitch + n], k[c * pitch + n].
/// They are taken in whole registers: the memory must allow it.
struct channel_links {
  const float* q;
  const float* k;
  long pitch, links, channels;
};

/// Sums over a row.
struct row_totals {
  double weight, slope;
};

/// A part's name, for messages.
struct part_names {
  const char* similarity;
  const char* weighting;
};

class formula {
 public:
  virtual ~formula() = default;

  virtual part_names names() const = 0;
  /// Every learned tensor: the similarity's, then the scores', then the sink.
  virtual const std::vector<parameter>& parameters() const = 0;

  // The mask.
  virtual bool masks() const = 0;  ///< false: every link exists
  virtual coverage classify(const position<interval>&) const = 0;
  virtual void keep(const tile&, bool* keep) const = 0;  ///< [rows, keys]
  /// Shows the tables that the mask and the scores look up for the first link of a tile, and where.
  virtual void tables(const tile&, function_ref<void(const table_use&)> /*see*/) const {}
  /// The same on lanes: -1 or 0 for each link, rows `pitch` apart.  Whole registers are written: pitch and the memory
  /// behind a row must allow keys rounded up to the register's width.
  virtual void keep(const tile&, std::int32_t* truth, long pitch) const = 0;

  // The similarity.
  virtual vectors prepare() const = 0;
  virtual form similarity_form() const = 0;
  virtual double scale(long channels) const = 0;
  virtual double term(std::span<const double> q, std::span<const double> k) const = 0;
  virtual void term_backward(std::span<const double> q, std::span<const double> k, double ds, double* dq, double* dk,
                             std::span<double* const> gradients) const = 0;
  /// The matrix that queries are multiplied by, [D, D] or [H, D, D]; null unless prepare() says projected.
  virtual const tensor* projection() const = 0;
  /// s[i, j] = factor * the sum of terms over channels; rows of s `pitch` apart.
  virtual void similarities(const channel_tile&, float factor, float* s, long pitch) const = 0;
  /// Adds to dq and dk, laid out as q and k.  Links whose ds is 0 contribute nothing.
  virtual void similarities_backward(const channel_tile&, float factor, const float* ds, long pitch, float* dq,
                                     float* dk, std::span<float* const> gradients) const = 0;
  /// The same link by link: s[n], ds[n].
  virtual void similarities(const channel_links&, float factor, float* s) const = 0;
  virtual void similarities_backward(const channel_links&, float factor, const float* ds, float* dq, float* dk,
                                     std::span<float* const> gradients) const = 0;

  // The scores, in place.  `gradients`: one array per parameter, added to.
  virtual bool scores() const = 0;  ///< false: the score is the scaled similarity
  /// Shows the entries of learned tensors and arrays that the score of the first link of a tile depends on and that they
  /// lack.
  virtual void misses(const tile&, function_ref<void(const learned_miss&)> /*see*/) const {}
  virtual void score(const tile&, double* s) const = 0;
  virtual void score_backward(const tile&, const double* s, double* ds, std::span<double* const> gradients) const = 0;
  virtual void score(const tile&, float* s, long pitch) const = 0;
  /// ds *= derivative at s.  Links whose ds is 0 contribute nothing, whatever stands in s.
  virtual void score_backward(const tile&, const float* s, float* ds, long pitch,
                              std::span<float* const> gradients) const = 0;

  // The weighting.
  virtual void activate(std::span<const double> x, double* weight, double* slope) const = 0;
  /// weight = activation((s - level) + reach) of n scores, and its slope there unless `slope` is null.  A score of
  /// -infinity is no link: 0 and 0.  Whole registers are read and written; weight may be s.
  virtual void activate(const float* s, long n, float level, float reach, float* weight, float* slope) const = 0;
  virtual row_totals activation_totals(const float* s, long n, float level, float reach) const = 0;
  virtual normalised sum_to_one() const = 0;
  virtual closed closed_form() const = 0;
  virtual const row_rule& row() const = 0;
  virtual const tensor* sink() const = 0;  ///< [H], or null
  virtual attention_dropout dropout() const = 0;
};

/// Weights without a derivative along scores: uniform, and hardmax, which steps.
inline bool is_flat(const formula& f) {
  return f.row().blind || (f.row().keep == 1 && f.sum_to_one() == normalised::yes);
}

}  // namespace qkv
