// Runs a case on the fused engine and on the oracle, and says how they differ.
#pragma once
#include "qkv/attention/oracle.h"
#include "tests/attention/random_case.h"

namespace qkv {

/// A float32 tensor of this shape [B, T, H, D], lying in memory as asked; what stands between its elements is `around`.
inline tensor stored(const shape& s, storage how, double around) {
  const auto [B, T, H, D] = std::array{s[0], s[1], s[2], s[3]};
  switch (how) {
    case storage::heads_first:
      return tensor::full({B, H, T, D}, around).transpose(1, 2);
    case storage::time_first:
      return tensor::full({T, B, H, D}, around).transpose(0, 1);
    case storage::fused:
      return tensor::full({B, T, 3 * H, D}, around).slice(2, H, 2 * H);
    case storage::gaps:
      return tensor::full({B, T + 1, H, D + 3}, around).slice(1, 1, T + 1).slice(3, 0, D);
    default:
      return tensor::full(s, around);
  }
}

inline tensor stored(const tensor& values, storage how) {
  const tensor t = stored(values.shape(), how, NAN);
  t.copy_from(values);
  return t;
}

struct attention_inputs {
  tensor q, k, v, dout;
};

/// Puts the poison into one channel of every eleventh key or value.
inline void poison_some(const tensor& x, poison how, std::uint64_t seed) {
  const double what[] = {0, NAN, infinity, 1e30};
  dice d(seed);
  if (x.size() == 0) return;
  for (long b = 0; b < x.dim(0); ++b)
    for (long i = d.below(11); i < x.dim(1); i += 11)
      x.at<float>(b, i, d.below(x.dim(2)), d.below(x.dim(3))) = float(what[int(how)] * (d.chance(0.5) ? 1 : -1));
}

/// Makes every product of a query and a key, scaled, greater by about `shift`.
inline void shift_products(const tensor& q, const tensor& k, double shift, double scale) {
  q.slice(3, 0, 1).fill(1);
  k.slice(3, 0, 1).fill(shift / (scale == 0 ? 1 / std::sqrt(double(q.dim(3))) : scale));
}

inline attention_inputs inputs_of(const attention_case& c) {
  const long B = c.rows(), H = c.key_heads * c.group;
  const tensor q = normal({B, c.extent(c.query_side), H, c.channels}, c.seed + 1, dtype::float32, c.size);
  const tensor k = normal({B, c.extent(c.key_side), c.key_heads, c.channels}, c.seed + 2, dtype::float32);
  const tensor v = normal({B, c.extent(c.key_side), c.key_heads, c.values}, c.seed + 3, dtype::float32);
  const tensor dout = normal({B, c.extent(c.query_side), H, c.values}, c.seed + 4, dtype::float32);
  if (c.shift != 0 && c.shifted == shifting::by_channel) shift_products(q, k, c.shift, c.scale);
  if (c.poisoned != poison::nothing) {
    // An infinite score has no derivative in most scores, similarities and weightings.  Where weights sum to 1 a NaN takes
    // its row with it; elsewhere it meets a derivative of 0, and whether that makes NaN is nobody's business.
    const bool plain = c.scores.empty() && c.similar.kind == 0 && c.weighing.kind <= 1;
    if ((c.poisoned == poison::nan && c.weighing.kind <= 6) || (c.poisoned == poison::infinite && plain))
      poison_some(k, c.poisoned, c.seed + 5);
    poison_some(v, c.poisoned, c.seed + 6);
  }
  return {stored(q, c.stored[0]), stored(k, c.stored[1]), stored(v, c.stored[2]), stored(dout, c.stored[4])};
}

struct attention_results {
  tensor out, lse, dq, dk, dv;
  std::vector<tensor> learned;

  /// Calls f(name, tensor) for each.
  void each(const std::function<void(const std::string&, const tensor&)>& f) const {
    f("out", out), f("lse", lse), f("dq", dq), f("dk", dk), f("dv", dv);
    for (std::size_t n = 0; n < learned.size(); ++n) f("learned gradient " + std::to_string(n), learned[n]);
  }
};

inline problem problem_of_case(const attention_case& c, const attention_inputs& x) {
  return {x.q.view<const float, 4>(), x.k.view<const float, 4>(), x.v.view<const float, 4>(), c.align, c.ragged()};
}

/// Memory for results that holds NaN before, so that what is not written shows; gradients of what is learned are 0.
inline attention_results unwritten_results(const attention_case& c, const formula& f, const attention_inputs& x) {
  attention_results r{stored(x.dout.shape(), c.stored[3], NAN), tensor::full({x.q.dim(0), x.q.dim(1), x.q.dim(2)}, NAN),
                      stored(x.q.shape(), c.stored[5], NAN),    stored(x.k.shape(), c.stored[6], NAN),
                      stored(x.v.shape(), c.stored[7], NAN),    {}};
  for (const parameter& one : f.parameters()) r.learned.emplace_back(one.values.shape());
  return r;
}
inline std::vector<float*> data_of(const std::vector<tensor>& learned) {
  std::vector<float*> data;
  for (const tensor& t : learned) data.push_back(t.data<float>());
  return data;
}

inline attention_results run_engine(const attention_case& c, const formula& f, const attention_inputs& x,
                                    workspace& w) {
  const problem p = problem_of_case(c, x);
  const attention_results r = unwritten_results(c, f, x);
  attention_into(f, p, r.out.view<float, 4>(), r.lse.view<float, 3>(), w);
  attention_backward_into(f, p, r.out.view<const float, 4>(), r.lse.view<const float, 3>(),
                          x.dout.view<const float, 4>(), r.dq.view<float, 4>(), r.dk.view<float, 4>(),
                          r.dv.view<float, 4>(), data_of(r.learned), w);
  return r;
}

inline attention_results run_oracle(const attention_case& c, const formula_ptr& f, const attention_inputs& x) {
  const oracle::attention_run run(f, x.q, x.k, x.v, c.align, c.ragged());
  const auto g = run.backward(x.dout);
  attention_results r{run.out, run.lse, g.dq, g.dk, g.dv, {}};
  // Joined by tensor; every part of a random composition has its own, in the order of the parameters.
  for (const auto& [handle, gradient] : g.learned) r.learned.push_back(gradient);
  return r;
}

/// What counts as equal.
struct closeness {
  double size = 1;  ///< differences count relative to this, or to the greatest number expected if that is greater
  double tolerance = 0;
  bool nan_may_spread = false;  ///< NaN is accepted in place of any number
};

/// How a float32 result differs from the oracle's, in words; "" when it does not.  Where the oracle is not finite, any
/// number that is not finite will do, save that an empty row's log-sum-exp is -infinity.
inline std::string difference_in_words(const std::string& name, const tensor& found, const tensor& expected,
                                       closeness close) {
  if (found.shape() != expected.shape())
    return name + " has shape " + to_string(found.shape()) + ", not " + to_string(expected.shape());
  const auto x = values_of(found), y = values_of(expected);
  for (double e : y)
    if (std::isfinite(e)) close.size = std::max(close.size, std::abs(e));
  const auto apart = [&](double a, double b) {
    if (std::isfinite(a) && std::isfinite(b)) return std::abs(a - b) / close.size;
    if (std::isfinite(b)) return close.nan_may_spread ? 0 : infinity;
    return std::isfinite(a) || (name == "lse" && b == -infinity && a != b) ? infinity : 0;
  };
  double worst = 0;
  long where = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (apart(x[i], y[i]) > worst) worst = apart(x[i], y[i]), where = long(i);
  if (worst <= close.tolerance) return "";
  shape at;
  for (long d = found.rank() - 1, rest = where; d >= 0; rest /= found.dim(int(d--)))
    at.insert(at.begin(), rest % found.dim(int(d)));
  return name + " at " + to_string(at) + " is " + std::to_string(x[where]) + ", expected " + std::to_string(y[where]) +
         " (off by " + std::to_string(worst) + " of the greatest, tolerance " + std::to_string(close.tolerance) + ")";
}

/// How results of a case differ from the oracle's; "" when they do not.
inline std::string differences_in_words(const attention_case& c, const attention_results& found,
                                        const attention_results& expected) {
  std::vector<tensor> all;
  expected.each([&](const std::string&, const tensor& t) { all.push_back(t); });
  std::string words;
  std::size_t n = 0;
  closeness close{1, 3e-5 * c.size};
  // Scores are rounded as large as they are: a squared distance, or a sum of products that nothing scales, grows with D.
  if (c.similar.kind != 0) close.tolerance *= 1 + double(c.channels) / 20;
  close.tolerance *= 1 + std::abs(c.shift) / 20;  // and a shifted score is rounded where it lands
  // A row's dS sum to 0 but for lse's rounding; the channel that shifts multiplies what they miss it by.
  const double channel = c.shift != 0 && c.shifted == shifting::by_channel ? 1 + std::abs(c.shift) / 4 : 1;
  // Sums of gradients cancel: 1e30 in the values leaves its rounding in what should sum to 0.
  if (c.poisoned == poison::huge) close.size = 1e31;
  // A score of -infinity in a row that is NaN: for the oracle the link is masked, the engine sends its key NaN.
  const bool has_scores_of_minus_infinity = c.poisoned == poison::infinite || !c.scores.empty();
  found.each([&](const std::string& name, const tensor& t) {
    closeness here = close;
    // Gradients of keys and learned tensors sum over queries what may cancel; a slope's terms are as large as
    // distances.
    const double places = double(c.group * c.extent(c.query_side) + c.extent(c.key_side) + std::abs(c.align.offset));
    if (n >= 2) here.tolerance *= channel;
    if (n >= 3) here.tolerance *= 2 + places / 50;
    if (n >= 3) here.nan_may_spread = c.poisoned != poison::nothing && has_scores_of_minus_infinity;
    if (n >= 5) here.size = std::max({close.size, c.size, places});
    const std::string one = difference_in_words(name, t, all[n++], here);
    if (!one.empty()) words += (words.empty() ? "" : "\n  ") + one;
  });
  return words;
}

inline std::string first_complaint_about(const attention_case& c, workspace& w) {
  const formula_ptr f = formula_of(c);
  const attention_inputs x = inputs_of(c);
  attention_results found;
  try {
    found = run_engine(c, *f, x, w);
  } catch (const std::exception& e) { return std::string("the engine throws: ") + e.what(); }
  return differences_in_words(c, found, run_oracle(c, f, x));
}

/// What is wrong with the engine in this case; "" when nothing is.  Where a slope jumps, rounding decides for a score that
/// lies on the jump; so a kinked weighting is tried again with other scores, and has to be wrong every time.  The
/// last, as the similarity gives them, are for soft caps: where their tanh is 1 in float32 and not yet in double, or a
/// large shift takes their last digits, scores tie in one alone.
inline std::string complaint_about(const attention_case& c, const auto& complain) {
  std::string words = complain(c);
  for (const double other_size : {1.01, 0.1}) {
    if (words.empty() || !c.is_kinked()) break;
    attention_case other = c;
    other.size *= other_size;
    if (other_size < 1) other.shift = 0, other.scores.clear();
    words = complain(other);
  }
  return words;
}
inline std::string complaint_about(const attention_case& c, workspace& w) {
  return complaint_about(c, [&](const attention_case& one) { return first_complaint_about(one, w); });
}

}  // namespace qkv
