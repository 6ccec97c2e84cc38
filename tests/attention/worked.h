// Worked calls of the oracle: its result against a direct computation that shares no code with the library, its
// gradients against central differences.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "qkv/attention/oracle.h"
#include "tests/attention/tensors.h"

namespace qkv {

using numbers = std::vector<double>;

/// A link: sequence, head, place of the query on the key axis, key.
struct link {
  long b, h, i, j;
};

/// The definition, with plain functions of plain numbers.
struct direct {
  std::function<double(const numbers&, const numbers&)> similarity = [](const numbers& q, const numbers& k) {
    double s = 0;
    for (std::size_t c = 0; c < q.size(); ++c) s += q[c] * k[c];
    return s / std::sqrt(double(q.size()));
  };
  std::function<double(double, link)> score = [](double s, link) { return s; };
  std::function<bool(link)> mask = [](link) { return true; };
  std::function<numbers(numbers, long)> weigh = [](numbers s, long) {  // of scores and a head
    double sum = 0;
    for (double& e : s) sum += e = std::exp(e);
    for (double& e : s) e /= sum;
    return s;
  };
  std::function<long(long, long)> offset = [](long T, long S) { return S - T; };

  tensor operator()(const tensor& q, const tensor& k, const tensor& v) const {
    const long T = q.dim(1), H = q.dim(2), S = k.dim(1), group = k.dim(2) > 0 ? H / k.dim(2) : 1;
    const auto row = [](const tensor& x, long b, long i, long h) {
      return values_of(x.select(0, b).select(0, i).select(0, h));
    };
    tensor out({q.dim(0), T, H, v.dim(3)}, dtype::float64);
    for (long b = 0; b < q.dim(0); ++b)
      for (long h = 0; h < H; ++h)
        for (long i = 0; i < T; ++i) {
          numbers s;
          std::vector<long> keys;
          for (long j = 0; j < S; ++j) {
            const link at{b, h, i + offset(T, S), j};
            if (!mask(at)) continue;
            s.push_back(score(similarity(row(q, b, i, h), row(k, b, j, h / group)), at));
            keys.push_back(j);
          }
          if (keys.empty()) continue;
          s = weigh(s, h);
          for (std::size_t n = 0; n < keys.size(); ++n)
            for (long e = 0; e < v.dim(3); ++e)
              out.at<double>(b, i, h, e) += s[n] * v.at<double>(b, keys[n], h / group, e);
        }
    return out;
  }
};

/// Compares a gradient with central differences of sum(out() * dout) in about 40 elements of x.
inline void expect_gradient(const char* name, const tensor& x, const tensor& gradient, const tensor& dout,
                            const std::function<tensor()>& out) {
  ASSERT_EQ(x.shape(), gradient.shape()) << name;
  const auto values = x.values<double>();
  const auto found = values_of(gradient);
  for (std::size_t i = 0; i < values.size(); i += 1 + values.size() / 40) {
    const double was = values[i], step = 1e-5;
    values[i] = was + step;
    const double up = product_sum(out(), dout);
    values[i] = was - step;
    const double down = product_sum(out(), dout);
    values[i] = was;
    const double slope = (up - down) / (2 * step);
    EXPECT_NEAR(found[i], slope, 2e-6 * (1 + std::abs(slope))) << "gradient of " << name << " at " << i;
  }
}

/// The gradients of a call, for q, k, v and what was learned.
template <class... Parts>
void expect_gradients(const std::vector<tensor>& learned, const tensor& q, const tensor& k, const tensor& v,
                      const Parts&... parts) {
  const auto run = oracle::attention_forward(q, k, v, parts...);
  const tensor dout = normal(run.out.shape(), 99);
  const auto gradients = run.backward(dout);
  const auto out = [&] { return oracle::attention(q, k, v, parts...); };
  expect_gradient("q", q, gradients.dq, dout, out);
  expect_gradient("k", k, gradients.dk, dout, out);
  expect_gradient("v", v, gradients.dv, dout, out);
  for (const tensor& p : learned) expect_gradient("a learned tensor", p, gradients[p], dout, out);
}

/// A worked call: result and gradients.
template <class... Parts>
void expect_worked(const direct& definition, const std::vector<tensor>& learned, const tensor& q, const tensor& k,
                   const tensor& v, const Parts&... parts) {
  const auto run = oracle::attention_forward(q, k, v, parts...);
  EXPECT_LT(difference(run.out, definition(q, k, v)), 1e-9);
  expect_gradients(learned, q, k, v, parts...);
}

/// Two sequences of 9 queries and 13 keys, four query heads on two key heads, 8 channels, values of 5.
struct two_sequences : testing::Test {
  tensor q = normal({2, 9, 4, 8}, 1), k = normal({2, 13, 2, 8}, 2), v = normal({2, 13, 2, 5}, 3);
};

/// One head, as many queries as keys, self attention.
struct one_sequence : testing::Test {
  tensor x = normal({1, 40, 1, 6}, 4);
};

}  // namespace qkv
