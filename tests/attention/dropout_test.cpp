// Dropout of weights: how many links stay, that both passes leave out the same ones, and by whom the draw is decided.
#include "qkv/attention/dropout.h"

#include "qkv/attention/attention.h"
#include "qkv/base/threads.h"
#include "tests/attention/tensors.h"
#include "tests/base/with_threads.h"
#include "tests/numbers/every_set.h"

namespace qkv {
namespace {

class Dropout : public EverySet {
 protected:
  static tensor identity(long size) {
    tensor one({1, size, 1, size});
    for (long j = 0; j < size; ++j) one.at<float>(0, j, 0, j) = 1;
    return one;
  }
};

TEST_P(Dropout, KeepsItsShareOfLinks) {
  const tensor q({2, 200, 2, 4}), k({2, 500, 1, 4}), ones = tensor::full({2, 500, 1, 1}, 1);
  for (double rate : {0.0, 0.1, 0.5, 0.9}) {
    double sum = 0;
    const auto rows = values_of(attention(q, k, ones, attention_dropout(rate, 3)));
    for (double share : rows) sum += share * (1 - rate);  // of 500 links, all equal
    const double deviation = std::sqrt(rate * (1 - rate) / (500.0 * double(rows.size())));
    EXPECT_NEAR(sum / double(rows.size()), 1 - rate, 5 * deviation + 1e-6) << rate;
  }
}

TEST_P(Dropout, KeepsTheMeanOfTheOutput) {
  const tensor q = normal({1, 400, 1, 8}, 1, dtype::float32), k = normal({1, 400, 1, 8}, 2, dtype::float32),
               ones = tensor::full({1, 400, 1, 1}, 1);
  double sum = 0;
  for (double row : values_of(attention(q, k, ones, attention_dropout(0.3, 5)))) sum += row / 400;
  EXPECT_NEAR(sum, 1, 0.01);
}

TEST_P(Dropout, BothPassesLeaveOutTheSameLinks) {
  const long size = 300;
  const tensor q = normal({1, size, 1, 8}, 1, dtype::float32), k = normal({1, size, 1, 8}, 2, dtype::float32);
  const attention_dropout half(0.5, 9);
  const auto run = attention_forward(q, k, identity(size), causal, half);  // out[t, s] is a weight
  const tensor dv = run.backward(identity(size)).dv;                       // and so is dv[s, t]
  for (long t = 0; t < size; ++t)
    for (long s = 0; s <= t; ++s) {
      ASSERT_NEAR(run.out.item({0, t, 0, s}), dv.item({0, s, 0, t}), 4e-6) << t << ", " << s;
      ASSERT_EQ(run.out.item({0, t, 0, s}) == 0, half.drops(0, 0, t, s)) << t << ", " << s;
    }
}

TEST_P(Dropout, HasTheGradientOfWhatItComputes) {
  const tensor q = normal({1, 5, 2, 4}, 1, dtype::float32), k = normal({1, 7, 1, 4}, 2, dtype::float32),
               v = normal({1, 7, 1, 3}, 3, dtype::float32), dout = normal({1, 5, 2, 3}, 4, dtype::float32);
  const attention_dropout some(0.4, 21);
  const auto g = attention_forward(q, k, v, some).backward(dout);
  const auto expect_slopes = [&](const tensor& x, const tensor& gradient) {
    const auto values = x.values<float>();
    const auto found = values_of(gradient);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float was = values[i], step = 1e-2f;
      values[i] = was + step;
      const double up = product_sum(attention(q, k, v, some), dout);
      values[i] = was - step;
      const double down = product_sum(attention(q, k, v, some), dout);
      values[i] = was;
      EXPECT_NEAR(found[i], (up - down) / (2 * step), 1e-3) << i;
    }
  };
  expect_slopes(q, g.dq), expect_slopes(k, g.dk), expect_slopes(v, g.dv);
}

TEST_P(Dropout, IsDrawnAnewForSeedsSequencesHeadsAndRows) {
  const tensor q({2, 40, 2, 4}), k({2, 40, 2, 4}), v = tensor::full({2, 40, 2, 40}, 0);
  for (long b = 0; b < 2; ++b)
    for (long h = 0; h < 2; ++h)
      for (long j = 0; j < 40; ++j) v.at<float>(b, j, h, j) = 1;
  const tensor one = attention(q, k, v, attention_dropout(0.5, 1)),
               other = attention(q, k, v, attention_dropout(0.5, 2));
  EXPECT_GT(difference(one, other), 0);
  EXPECT_GT(difference(one.slice(0, 0, 1), one.slice(0, 1, 2)), 0);
  EXPECT_GT(difference(one.slice(2, 0, 1), one.slice(2, 1, 2)), 0);
  EXPECT_GT(difference(one.slice(1, 0, 20), one.slice(1, 20, 40)), 0);
  EXPECT_EQ(difference(one, attention(q, k, v, attention_dropout(0.5, 1))), 0);
}

TEST_P(Dropout, DoesNotDependOnThreads) {
  const tensor q = normal({1, 300, 2, 16}, 1, dtype::float32), k = normal({1, 500, 1, 16}, 2, dtype::float32),
               dout = normal({1, 300, 2, 16}, 4, dtype::float32);
  const with_threads single(1);
  const auto alone = attention_forward(q, k, k, attention_dropout(0.3, 4));
  const auto g = alone.backward(dout);
  for (int threads : {2, 3}) {
    set_thread_count(threads);
    const auto run = attention_forward(q, k, k, attention_dropout(0.3, 4));
    const auto other = run.backward(dout);
    EXPECT_EQ(difference(alone.out, run.out), 0) << threads;
    EXPECT_EQ(difference(g.dq, other.dq) + difference(g.dk, other.dk) + difference(g.dv, other.dv), 0) << threads;
  }
}

QKV_ON_EVERY_SET(Dropout);

TEST(DropoutRate, LiesBelowOne) {
  EXPECT_NE(message_of<std::invalid_argument>([] { attention_dropout(1, 0); }).find("a rate from 0 to below 1"),
            std::string::npos);
  EXPECT_THROW(attention_dropout(-0.1, 0), std::invalid_argument);
  EXPECT_THROW(attention_dropout(NAN, 0), std::invalid_argument);
}

}  // namespace
}  // namespace qkv
