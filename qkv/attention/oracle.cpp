// The definition of attention, in its own order.  For every sequence, every head and every query i:
//
//     r_j = scale * sum over channels c of term(q_ic, k_jc)      the similarity to key j
//     s_j = score(r_j, i, j)                                     for every key j that the mask keeps
//     w_j = activation(s_j - threshold)                          threshold: 0, or such that the weights sum to 1
//     o_i = sum over j of w_j v_j
//
// A row of links is found in full before the next begins.  The derivative stands in oracle_backward.cpp.
#include "qkv/attention/oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "qkv/attention/oracle_head.h"
#include "qkv/attention/threshold.h"

namespace qkv::oracle {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

prepared prepare(vectors how, view<const double, 4> x, auto at, long channels) {
  prepared p;
  for (long c = 0; c < channels; ++c) p.values.push_back(at(x, c));
  if (how != vectors::unit) return p;
  p.length = std::sqrt(std::inner_product(p.values.begin(), p.values.end(), p.values.begin(), 0.0));
  for (double& e : p.values) e = p.length == 0 ? 0 : e / p.length;  // a vector without direction is like no other
  return p;
}

// Only the `count` best; ties go to the earlier key.  NaN counts as best, so that it is seen.
void keep_best(links_of_query& links, std::size_t count) {
  if (links.key.size() <= count) return;
  std::vector<std::size_t> order(links.key.size());
  std::iota(order.begin(), order.end(), 0);
  const auto rank = [&](std::size_t n) { return std::isnan(links.score[n]) ? infinity : links.score[n]; };
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return rank(a) > rank(b); });
  order.resize(count);
  std::ranges::sort(order);
  links_of_query best;
  for (std::size_t n : order) best.key.push_back(links.key[n]), best.score.push_back(links.score[n]);
  links = best;
}

// Where total(t) falls through 1, for a total that does not rise with t.
double where_sum_is_one(auto total) {
  double low = -1, high = 1;
  for (double step = 1; total(low) < 1 && step < 1e12; step *= 2) low -= step;
  for (double step = 1; total(high) > 1 && step < 1e12; step *= 2) high += step;
  for (int halving = 0; halving < 100; ++halving) {
    const double middle = (low + high) / 2;
    (total(middle) > 1 ? low : high) = middle;
  }
  return (low + high) / 2;
}

// Weights divided by the sum of their magnitudes.
void divide(links_of_query& links, bool sink) {
  double sum = 0;
  for (double w : links.weight) sum += std::abs(w);
  for (double w : links.weight) links.direction.push_back(w < 0 ? -1 : 1);
  for (double& w : links.weight) w = sum == 0 ? 0 : w / sum;
  for (double& a : links.slope) a = sum == 0 ? 0 : a / sum;
  links.threshold = std::log(sum);
  if (sink) links.slope.back() *= links.direction.back();
}

// From scores to weights.
void weigh(const formula& f, long head, links_of_query& links, const double* given_threshold) {
  std::vector<double> scores = links.score;
  if (f.sink()) scores.push_back(f.sink()->item({head}));
  const bool sums_to_one = f.sum_to_one() == normalised::yes;
  // Thresholds are counted from the greatest score, so that 1e30 + log 2 does not lose its log 2.
  double top = sums_to_one ? -infinity : 0;
  for (double s : scores)
    if (sums_to_one && (s > top || std::isnan(s))) top = s;  // once NaN it stays so, and makes the whole row NaN
  std::vector<double> shifted(scores.size());
  links.weight.resize(scores.size()), links.slope.resize(scores.size());
  const auto total = [&](double threshold) {
    for (std::size_t n = 0; n < scores.size(); ++n) shifted[n] = scores[n] - top - threshold;
    f.activate(shifted, links.weight.data(), links.slope.data());
    return std::accumulate(links.weight.begin(), links.weight.end(), 0.0);
  };
  double threshold = 0;
  if (given_threshold)
    threshold = *given_threshold - top;
  else if (sums_to_one && f.closed_form() == closed::exponential)
    threshold = std::log(total(0));
  else if (sums_to_one)
    threshold = where_sum_is_one(total);
  total(threshold);
  links.threshold = top + (threshold + unit_reach(f));
  if (f.sum_to_one() == normalised::by_division) divide(links, f.sink() != nullptr);
  else links.direction.assign(scores.size(), 1);
  if (f.sink()) links.sink_slope = links.slope.back(), links.weight.pop_back(), links.slope.pop_back();
}

}  // namespace

head::head(const formula& f, const problem_of<double>& x, const sequence& s, long h)
    : number(h), key_head(h / (x.q.sizes[2] / x.k.sizes[2])), where(s), f_(f), scale_(f.scale(x.q.sizes[3])) {
  const long channels = x.q.sizes[3];
  for (long i = 0; i < where.queries; ++i) {
    q_.push_back(prepare(f.prepare(), x.q, [&](auto q, long c) { return at_query(q, i, c); }, channels));
    if (f.projection()) project(q_.back());
  }
  for (long j = 0; j < where.keys; ++j)
    k_.push_back(prepare(f.prepare(), x.k, [&](auto k, long c) { return at_key(k, j, c); }, channels));
}

double head::matrix(long d, long c) const {
  const tensor& w = *f_.projection();
  return w.rank() == 2 ? w.item({d, c}) : w.item({number, d, c});
}

// q' = q W.
void head::project(prepared& q) const {
  q.given = q.values;
  for (std::size_t c = 0; c < q.values.size(); ++c) {
    q.values[c] = 0;
    for (std::size_t d = 0; d < q.given.size(); ++d) q.values[c] += q.given[d] * matrix(long(d), long(c));
  }
}

// Which links the blend does without.
void head::drop(long i, links_of_query& links) const {
  const attention_dropout dropout = f_.dropout();
  for (long j : links.key)
    links.through.push_back(dropout.rate > 0 ? dropout.drops(where.number, number, i, j) ? 0 : dropout.factor() : 1);
}

tile head::row_tile(long i) const {
  return {where.number, number, i, 1, 0, where.keys, where.offset, where.queries, where.keys};
}

std::unique_ptr<bool[]> head::mask(long i) const {
  auto kept = std::make_unique<bool[]>(where.keys);
  f_.keep(row_tile(i), kept.get());
  return kept;
}

// r_j where the mask keeps the link, 0 elsewhere: what is masked is never looked at.
std::vector<double> head::similarities(long i, const bool* kept) const {
  std::vector<double> r(where.keys);
  for (long j = 0; j < where.keys; ++j)
    if (kept[j]) r[j] = scale_ * f_.term(q_[i].values, k_[j].values);
  return r;
}

links_of_query head::links(long i, const double* given_threshold) const {
  const auto kept = mask(i);
  std::vector<double> s = similarities(i, kept.get());
  f_.score(row_tile(i), s.data());
  links_of_query links;
  for (long j = 0; j < where.keys; ++j) {
    const double score = f_.row().blind ? 0 : s[j];
    if (kept[j] && score != -infinity) links.key.push_back(j), links.score.push_back(score);  // -inf is a mask too
  }
  if (f_.row().keep > 0) keep_best(links, f_.row().keep);
  if (!links.key.empty()) weigh(f_, number, links, given_threshold);
  drop(i, links);
  return links;
}

attended forward(const formula& f, const problem_of<double>& x) {
  check("oracle attention", f, x);
  const auto [B, T, H, D] = x.q.sizes;
  const long E = x.v.sizes[3];
  attended done{tensor({B, T, H, E}, dtype::float64), tensor::full({B, T, H}, -infinity, dtype::float64)};
  done.splits = splits_over_keys(f);
  const auto out = done.out.view<double, 4>();
  const auto lse = done.lse.view<double, 3>();
  each_head(f, x, [&](const head& h) {
    for (long i = 0; i < h.where.queries; ++i) {
      const links_of_query links = h.links(i);
      h.at_query(lse, i) = links.threshold;
      for (std::size_t n = 0; n < links.key.size(); ++n)
        if (const double weight = links.blended(n); weight != 0)  // without weight, without trace
          for (long e = 0; e < E; ++e) h.at_query(out, i, e) += weight * h.at_key(x.v, links.key[n], e);
    }
  });
  return done;
}

tensor weights(const formula& f, const problem_of<double>& x) {
  check("oracle weights", f, x);
  tensor all({x.q.sizes[0], x.q.sizes[2], x.q.sizes[1], x.k.sizes[1]}, dtype::float64);
  const auto w = all.view<double, 4>();
  each_head(f, x, [&](const head& h) {
    for (long i = 0; i < h.where.queries; ++i) {
      const links_of_query links = h.links(i);
      for (std::size_t n = 0; n < links.key.size(); ++n)
        w(h.where.row, h.number, h.where.q0 + i, h.where.k0 + links.key[n]) = links.blended(n);
    }
  });
  return all;
}

}  // namespace qkv::oracle
