// Every lifted operation against numerical differences.
#include "qkv/autograd/attention.h"
#include "qkv/autograd/embedding.h"
#include "qkv/autograd/feed_forward.h"
#include "qkv/autograd/graph_attention.h"
#include "qkv/autograd/linear.h"
#include "qkv/autograd/linear_attention.h"
#include "qkv/autograd/mixing.h"
#include "qkv/autograd/norm.h"
#include "qkv/autograd/recurrent.h"
#include "qkv/autograd/rows.h"
#include "qkv/autograd/views.h"
#include "tests/autograd/gradient_check.h"

namespace qkv {
namespace {

using inputs = const std::vector<variable>&;

TEST(Gradients, OfLinear) {
  expect_gradients_match([](inputs v) { return linear(v[0], v[1]); },
                         {random_tensor({2, 3, 5}, 1), random_tensor({4, 5}, 2)});
}

TEST(Gradients, OfLinearWithBiasAndResidual) {
  expect_gradients_match(
      [](inputs v) { return linear(v[0], v[1], v[2], v[3]); },
      {random_tensor({3, 5}, 1), random_tensor({4, 5}, 2), random_tensor({4}, 3), random_tensor({3, 4}, 4)});
}

TEST(Gradients, OfMatmul) {
  expect_gradients_match([](inputs v) { return matmul(v[0], v[1]); },
                         {random_tensor({2, 3, 5}, 1), random_tensor({2, 5, 4}, 2)});
  expect_gradients_match([](inputs v) { return matmul(v[0], transpose(v[0], 0, 1)); }, {random_tensor({3, 5}, 1)});
}

TEST(Gradients, OfNorms) {
  const tensor x = random_tensor({3, 8}, 1), w = random_tensor({8}, 2), b = random_tensor({8}, 3);
  expect_gradients_match([](inputs v) { return layer_norm(v[0], v[1]); }, {x, w});
  expect_gradients_match([](inputs v) { return layer_norm(v[0], v[1], v[2]); }, {x, w, b});
  expect_gradients_match([](inputs v) { return rms_norm(v[0], v[1]); }, {x, w});
  // Where the gradient of a residual has arrived before.
  expect_gradients_match([](inputs v) { return add(v[0], layer_norm(v[0], v[1])); }, {x, w});
  expect_gradients_match([](inputs v) { return add(v[0], rms_norm(v[0], v[1])); }, {x, w});
}

TEST(Gradients, OfElementwiseFunctions) {
  const tensor a = random_tensor({2, 6}, 1), b = random_tensor({2, 6}, 2), row = random_tensor({6}, 3);
  expect_gradients_match([](inputs v) { return add(v[0], v[1]); }, {a, b});
  expect_gradients_match([](inputs v) { return add(v[0], v[1]); }, {a, row});
  expect_gradients_match([](inputs v) { return multiply(v[0], v[1]); }, {a, b});
  expect_gradients_match([](inputs v) { return multiply(v[0], -0.7f); }, {a});
  expect_gradients_match([](inputs v) { return gelu(v[0]); }, {a});
  expect_gradients_match([](inputs v) { return silu(v[0]); }, {a});
  expect_gradients_match([](inputs v) { return tanh(v[0]); }, {a});
  expect_gradients_match([](inputs v) { return sigmoid(v[0]); }, {a});
  expect_gradients_match([](inputs v) { return activate(v[0], activation::gelu_tanh); }, {a});
  expect_gradients_match([](inputs v) { return swiglu(v[0]); }, {a});
  expect_gradients_match([](inputs v) { return dropout(v[0], 0.3, {5, 6}); }, {a});
  // Where some of the gradient is there already.
  expect_gradients_match([](inputs v) { return add(v[0], gelu(v[0])); }, {a});
  expect_gradients_match([](inputs v) { return add(v[0], multiply(v[0], v[0])); }, {a});
}

TEST(Gradients, OfEmbedding) {
  const tensor ids({2, 3}, std::vector<std::int32_t>{4, 0, 4, 1, 1, 4});
  expect_gradients_match([&](inputs v) { return embedding(v[0], ids); }, {random_tensor({5, 3}, 1)});
}

TEST(Gradients, OfRowsAndTheirMeans) {
  const tensor rows({2, 2}, std::vector<std::int32_t>{4, 0, 4, 1});
  const std::vector<long> offsets{0, 2, 2, 5};
  const tensor x = random_tensor({5, 3}, 1);
  expect_gradients_match([&](inputs v) { return gather_rows(v[0], rows); }, {x});
  expect_gradients_match([&](inputs v) { return segment_mean(v[0], offsets); }, {x});
  // Where some of the gradient is there already.
  expect_gradients_match(
      [&](inputs v) {
        return add(gather_rows(v[0], rows), segment_mean(v[0], std::vector<long>{0, 1, 5}));
      },
      {x});
}

TEST(Gradients, OfRecurrentCells) {
  const std::vector<long> offsets{0, 3, 3, 4, 6};
  for (const auto cell : {recurrent_cell::rnn, recurrent_cell::gru, recurrent_cell::lstm})
    for (const bool reversed : {false, true}) {
      const long G = gates_of(cell), U = 3;
      std::vector<tensor> values = {random_tensor({6, 2}, 1),     random_tensor({G * U, 2}, 2),
                                    random_tensor({G * U, U}, 3), random_tensor({G * U}, 4),
                                    random_tensor({G * U}, 5),    random_tensor({4, U}, 6)};
      const bool lstm = cell == recurrent_cell::lstm;
      if (lstm) values.push_back(random_tensor({4, U}, 7));
      const auto run = [&](inputs v) {
        return recurrent(cell, v[0], offsets, {v[1], v[2], v[3], v[4]}, {v[5], lstm ? v[6] : variable()}, reversed);
      };
      expect_gradients_match([&](inputs v) { return run(v).states; }, values, 1e-3);
      expect_gradients_match([&](inputs v) { return run(v).last.state; }, values, 1e-3);
      expect_gradients_match(
          [&](inputs v) {
            const auto out = run(v);
            const variable ends[] = {out.states, out.last.state, lstm ? out.last.cell : out.last.state};
            return concatenate(ends, 0);
          },
          values, 1e-3);
      if (lstm) expect_gradients_match([&](inputs v) { return run(v).last.cell; }, values, 1e-3);
    }
}

TEST(Gradients, OfMixing) {
  const tensor x = random_tensor({2, 4, 3}, 1), w = random_tensor({3, 3}, 2), b = random_tensor({3}, 3);
  for (const auto reach : {convolution_reach::past, convolution_reach::centred}) {
    expect_gradients_match([&](inputs v) { return depthwise_convolution(v[0], v[1], v[2], reach); }, {x, w, b});
    expect_gradients_match([&](inputs v) { return add(v[0], depthwise_convolution(v[0], v[1], {}, reach)); }, {x, w});
  }
  expect_gradients_match([](inputs v) { return fourier_mixing(v[0]); }, {x});
  expect_gradients_match([](inputs v) { return add(v[0], fourier_mixing(v[0])); }, {x});
  const rotary_table table = make_rotary_table(9, 4);
  expect_gradients_match([&](inputs v) { return add(v[0], rotary(v[0], table, 2)); }, {random_tensor({1, 3, 2, 4}, 4)});
}

TEST(Gradients, OfLosses) {
  const tensor targets({4}, std::vector<std::int32_t>{2, 0, ignored_target, 1});
  const tensor x = random_tensor({4, 3}, 1), w = random_tensor({5, 3}, 2);
  expect_gradients_match([&](inputs v) { return cross_entropy(v[0], targets); }, {random_tensor({4, 5}, 3)});
  expect_gradients_match([&](inputs v) { return linear_cross_entropy(v[0], v[1], targets); }, {x, w});
  expect_gradients_match([](inputs v) { return mean(v[0]); }, {x});
  expect_gradients_match([](inputs v) { return sum(multiply(v[0], v[0])); }, {x});
}

TEST(Gradients, OfViews) {
  const tensor x = random_tensor({2, 3, 4}, 1);
  expect_gradients_match([](inputs v) { return multiply(reshape(v[0], {6, 4}), 2.0f); }, {x});
  expect_gradients_match([](inputs v) { return slice(v[0], 1, 1, 3); }, {x});
  expect_gradients_match([](inputs v) { return add(slice(v[0], 2, 0, 2), slice(v[0], 2, 1, 3)); }, {x});
  expect_gradients_match([](inputs v) { return transpose(v[0], 0, 2); }, {x});
  expect_gradients_match([](inputs v) { return contiguous(transpose(v[0], 0, 2)); }, {x});
  expect_gradients_match([](inputs v) { return concatenate(v, 1); }, {x, random_tensor({2, 2, 4}, 2)});
}

TEST(Gradients, OfFeedForward) {
  expect_gradients_match([](inputs v) { return feed_forward(v[0], v[1], {}, v[2], {}, v[0], activation::gelu); },
                         {random_tensor({3, 4}, 1), random_tensor({6, 4}, 2), random_tensor({4, 6}, 3)});
  expect_gradients_match([](inputs v) { return feed_forward(v[0], v[1], v[2], v[3], v[4], {}, activation::silu); },
                         {random_tensor({3, 4}, 1), random_tensor({6, 4}, 2), random_tensor({6}, 3),
                          random_tensor({4, 6}, 4), random_tensor({4}, 5)});
}

TEST(Gradients, OfAttention) {
  const tensor q = random_tensor({1, 5, 4, 3}, 1), k = random_tensor({1, 6, 2, 3}, 2),
               v = random_tensor({1, 6, 2, 5}, 3);
  expect_gradients_match([](inputs x) { return attention(x[0], x[1], x[2]); }, {q, k, v});
  expect_gradients_match([](inputs x) { return attention(x[0], x[1], x[2], causal & sliding_window(3)); }, {q, k, v});
}

TEST(Gradients, OfLearnedPartsOfAttention) {
  const tensor q = random_tensor({1, 5, 2, 4}, 1), k = random_tensor({1, 5, 2, 4}, 2),
               v = random_tensor({1, 5, 2, 4}, 3);
  const auto with_slopes = [](inputs x) {
    attention_parts parts = make_attention_parts(causal, alibi(x[3].value()));
    parts.learned = {x[3]};
    return attention(x[0], x[1], x[2], parts);
  };
  expect_gradients_match(with_slopes, {q, k, v, random_tensor({2}, 4)});
}

TEST(Gradients, OfGraphAttention) {
  const tensor q = random_tensor({1, 4, 2, 4}, 1), k = random_tensor({1, 5, 2, 4}, 2),
               v = random_tensor({1, 5, 2, 3}, 3);
  const graph links(4, 5, {{0, 1}, {0, 4}, {1, 0}, {1, 1}, {1, 2}, {3, 3}});  // query 2 and key 4 nearly alone
  expect_gradients_match([&](inputs x) { return graph_attention(x[0], x[1], x[2], links); }, {q, k, v});
  const auto with_slopes = [&](inputs x) {
    attention_parts parts = make_attention_parts(alibi(x[3].value()));
    parts.learned = {x[3]};
    return graph_attention(x[0], x[1], x[2], links, parts);
  };
  expect_gradients_match(with_slopes, {q, k, v, random_tensor({2}, 4)});
}

TEST(Gradients, OfLinearAttention) {
  const tensor q = random_tensor({1, 5, 4, 3}, 1), k = random_tensor({1, 5, 2, 3}, 2),
               v = random_tensor({1, 5, 2, 5}, 3);
  const tensor state = random_tensor({1, 2, 3, 5}, 6);
  tensor decay = random_tensor({1, 5, 2}, 4), beta = random_tensor({1, 5, 2}, 5);
  for (float& g : decay.values<float>()) g = -std::abs(g);
  for (float& b : beta.values<float>()) b *= 0.2f;
  expect_gradients_match([](inputs x) { return linear_attention(x[0], x[1], x[2]); }, {q, k, v});
  const auto gated_delta = [](inputs x) {
    return linear_attention(x[0], x[1], x[2], {.rule = update_rule::gated_delta},
                            {.decay = x[3], .beta = x[4], .state = x[5]});
  };
  expect_gradients_match(gated_delta, {q, k, v, decay, beta, state});
}

TEST(Gradients, OfSelfAttentionFromOneProduct) {
  const joint_heads heads{.heads = 4, .key_heads = 2, .width = 4};
  const auto plain = make_attention_parts(causal);
  const tensor joint = random_tensor({2, 5, heads.joint_width()}, 1);
  expect_gradients_match([&](inputs x) { return self_attention(x[0], heads, plain); }, {joint});
  const rotary_table turn = make_rotary_table(5, 4);
  expect_gradients_match([&](inputs x) { return self_attention(x[0], heads, plain, &turn); }, {joint});
}

}  // namespace
}  // namespace qkv
