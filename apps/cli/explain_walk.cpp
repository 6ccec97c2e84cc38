#include "apps/cli/explain_walk.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <sstream>

#include "qkv/attention/attention.h"
#include "qkv/attention/oracle.h"
#include "qkv/base/random.h"

namespace qkv::cli {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// Normal numbers with one decimal, so that they can be followed by hand.
matrix drawn(std::size_t rows, std::size_t columns, double deviation, std::uint64_t seed, std::uint64_t stream) {
  const random_stream random{seed, stream};
  matrix m(rows, std::vector<double>(columns));
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j)
      m[i][j] = std::round(10 * deviation * random.normal(i * columns + j)) / 10;
  return m;
}

matrix product(const matrix& a, const matrix& b) {
  matrix c(a.size(), std::vector<double>(b.front().size()));
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t k = 0; k < b.size(); ++k)
      for (std::size_t j = 0; j < b[k].size(); ++j) c[i][j] += a[i][k] * b[k][j];
  return c;
}

double dot_product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t c = 0; c < a.size(); ++c) sum += a[c] * b[c];
  return sum;
}

double similarity_of(const walk& w, const std::string& kind, const std::vector<double>& q,
                     const std::vector<double>& k) {
  if (kind == "additive") {
    double sum = 0;
    for (std::size_t c = 0; c < q.size(); ++c) sum += w.additive_weight[c] * std::tanh(q[c] + k[c]);
    return sum;
  }
  if (kind == "dot") return dot_product(q, k);
  const double lengths = std::sqrt(dot_product(q, q) * dot_product(k, k));
  return lengths > 0 ? dot_product(q, k) / lengths : 0;
}

// The threshold of sparsemax: the largest tau with sum of max(score - tau, 0) = 1 (Martins & Astudillo 2016, algorithm
// 1).
double sparsemax_threshold(std::vector<double> scores) {
  std::sort(scores.begin(), scores.end(), std::greater<>());
  double sum = 0, threshold = 0;
  for (std::size_t n = 0; n < scores.size() && scores[n] > -infinity; ++n) {
    sum += scores[n];
    if (1 + double(n + 1) * scores[n] > sum) threshold = (sum - 1) / double(n + 1);
  }
  return threshold;
}

std::vector<double> weights_of(const std::vector<double>& scores, const std::string& weighting) {
  const double top = *std::max_element(scores.begin(), scores.end());
  const double threshold = weighting == "sparsemax" ? sparsemax_threshold(scores) : 0;
  std::vector<double> weights;
  double sum = 0;
  for (const double s : scores) {
    if (weighting == "sparsemax")
      weights.push_back(std::max(s - threshold, 0.0));
    else if (weighting == "uniform")
      weights.push_back(s > -infinity ? 1 : 0);
    else
      weights.push_back(std::exp(s - top));
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

tensor as_tensor(const matrix& m, dtype type) {
  std::vector<double> all;
  for (const auto& row : m) all.insert(all.end(), row.begin(), row.end());
  return tensor({1, long(m.size()), 1, long(m.front().size())}, std::move(all)).to(type);
}

double largest_difference(const matrix& a, const tensor& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < a[i].size(); ++j)
      largest = std::max(
          largest, std::abs(a[i][j] - b.item({0, b.dim(1) == 1 ? 0 : long(i), b.dim(1) == 1 ? long(i) : 0, long(j)})));
  return largest;
}

// The same composition as the library takes it.  `reach`: how many places behind its own a query may see.
std::shared_ptr<const formula> formula_of(const explain_options& options, const walk& w, dtype type) {
  const long reach = options.mask == "causal" ? 0 : long(w.tokens.size());
  const mask seen{[reach](auto at) { return at.key <= at.query + reach; }};
  const auto weighted = [&](const auto& similarity) {
    if (options.weighting == "sparsemax") return make_formula(similarity, seen, sparsemax);
    if (options.weighting == "uniform") return make_formula(similarity, seen, uniform);
    return make_formula(similarity, seen, softmax);
  };
  if (options.similarity == "cosine") return weighted(cosine);
  if (options.similarity == "additive")
    return weighted(additive(tensor({long(w.additive_weight.size())}, w.additive_weight).to(type)));
  return weighted(dot);
}

void compare(const explain_options& options, walk& w) {
  const auto formula = formula_of(options, w, dtype::float64);
  const auto of = [&](dtype type) {
    return std::array{as_tensor(w.queries, type), as_tensor(w.keys, type), as_tensor(w.values, type)};
  };
  const auto [q, k, v] = of(dtype::float64);
  const problem_of<double> exact{q.view<const double, 4>(), k.view<const double, 4>(), v.view<const double, 4>()};
  w.oracle_difference = std::max(largest_difference(w.weight, oracle::weights(*formula, exact)),
                                 largest_difference(w.out, oracle::forward(*formula, exact).out));
  try {
    const auto [q32, k32, v32] = of(dtype::float32);
    w.engine_difference =
        largest_difference(w.out, attention_forward_with(formula_of(options, w, dtype::float32), q32, k32, v32).out);
  } catch (const unsupported_error& error) {
    w.fused = false;
    w.refusal = error.what();
  }
}

}  // namespace

double walk::diagonal() const {
  double sum = 0;
  for (std::size_t i = 0; i < weight.size(); ++i) sum += weight[i][i];
  return sum / double(weight.size());
}

walk take_walk(const explain_options& options) {
  walk w;
  w.tokens = words_of(options.text);
  if (w.tokens.empty()) refuse("explain", "at least one word", "a text of blanks");
  const std::size_t T = w.tokens.size(), D = std::size_t(options.width);
  const double deviation = 1.2 / std::sqrt(double(D));
  w.embedding = drawn(T, D, 1, options.seed, 0);
  w.query_weight = drawn(D, D, deviation, options.seed, 1);
  w.key_weight = drawn(D, D, deviation, options.seed, 2);
  w.value_weight = drawn(D, D, deviation, options.seed, 3);
  w.additive_weight = drawn(1, D, 1, options.seed, 4).front();
  w.queries = product(w.embedding, w.query_weight);
  w.keys = product(w.embedding, w.key_weight);
  w.values = product(w.embedding, w.value_weight);
  w.scale = options.similarity == "dot" ? 1 / std::sqrt(double(D)) : 1;
  for (std::size_t i = 0; i < T; ++i) {
    std::vector<double> similarities, scores;
    for (std::size_t j = 0; j < T; ++j) {
      similarities.push_back(similarity_of(w, options.similarity, w.queries[i], w.keys[j]));
      scores.push_back(options.mask == "causal" && j > i ? -infinity : w.scale * similarities.back());
    }
    w.similarity.push_back(similarities);
    w.score.push_back(scores);
    w.weight.push_back(weights_of(scores, options.weighting));
  }
  w.out = product(w.weight, w.values);
  compare(options, w);
  return w;
}

}  // namespace qkv::cli
