// Attention that a picture of all pairs steers, as in AlphaFold 2 (Jumper et al. 2021, algorithms 7 and 11).
//
// Tokens are members of a family; a pair (i, j) is told whether j is i's parent or child.  In each of eight rows every
// member holds another letter, and is asked for its grandparent's.  The triangle update looks over all k whether i's
// parent is k and k's parent is j, and writes it down with the pair; from there a bias on the scores, the same for
// all rows, points the attention of each row at the grandparent.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "qkv/autograd/autograd.h"
#include "qkv/nn/linear.h"
#include "qkv/nn/norm.h"
#include "qkv/train/optimiser.h"

using namespace qkv;

constexpr long members = 12, rows = 8, letters = 6, width = 32, heads = 2, pair_width = 16;

static nn::linear layer(long from, long to, nn::initialisation& init) {
  return nn::linear(from, to, true, init, std::sqrt(2.0 / double(from + to)));
}
static nn::norm layer_norm_of(long channels) { return nn::norm(nn::norm_kind::layer_norm, channels, true); }

// Algorithm 11, outgoing edges: z_ij + gate * out(norm(sum over k of a_ik * b_jk)), channel by channel.
struct triangle_update {
  nn::norm before = layer_norm_of(pair_width), after = layer_norm_of(pair_width);
  nn::linear a, b, a_gate, b_gate, gate, out;

  explicit triangle_update(nn::initialisation& init) {
    for (nn::linear* one : {&a, &b, &a_gate, &b_gate, &gate, &out}) *one = layer(pair_width, pair_width, init);
  }
  variable operator()(const variable& z) const {  // [N, N, P]
    const variable x = before(z);
    const variable from_i = multiply(sigmoid(a_gate(x)), a(x)), from_j = multiply(sigmoid(b_gate(x)), b(x));
    const variable over_k = matmul(transpose(transpose(from_i, 0, 2), 1, 2), transpose(from_j, 0, 2));  // [P, i, j]
    const variable met = transpose(transpose(over_k, 0, 2), 0, 1);
    return add(z, multiply(sigmoid(gate(x)), out(after(met))));
  }
  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    before.visit(prefix + "before.", see), after.visit(prefix + "after.", see);
    a.visit(prefix + "a.", see), b.visit(prefix + "b.", see), gate.visit(prefix + "gate.", see);
    a_gate.visit(prefix + "a_gate.", see), b_gate.visit(prefix + "b_gate.", see), out.visit(prefix + "out.", see);
  }
};

// Algorithm 7: gated attention along each row; the pairs' bias is one for all rows.
struct row_attention {
  nn::norm norm = layer_norm_of(width), pair_norm = layer_norm_of(pair_width);
  nn::linear query, key, value, gate, out, bias;

  explicit row_attention(nn::initialisation& init) : bias(layer(pair_width, heads, init)) {
    for (nn::linear* one : {&query, &key, &value, &gate, &out}) *one = layer(width, width, init);
  }
  variable operator()(const variable& m, const variable& z) const {  // [R, N, C], [N, N, P]
    const variable x = norm(m);
    const auto by_head = [](const variable& y) { return reshape(y, {rows, members, heads, width / heads}); };
    const variable pairs = transpose(transpose(bias(pair_norm(z)), 0, 2), 1, 2);  // [H, i, j]
    const variable b = reshape(contiguous(pairs), {1, heads, members, members});
    attention_parts parts = make_attention_parts(additive_bias(b.value()));
    parts.learned = {b};
    const variable found = attention(by_head(query(x)), by_head(key(x)), by_head(value(x)), parts);
    return add(m, out(multiply(sigmoid(gate(x)), reshape(found, {rows, members, width}))));
  }
  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    norm.visit(prefix + "norm.", see), pair_norm.visit(prefix + "pair_norm.", see);
    query.visit(prefix + "query.", see), key.visit(prefix + "key.", see), value.visit(prefix + "value.", see);
    gate.visit(prefix + "gate.", see), out.visit(prefix + "out.", see), bias.visit(prefix + "bias.", see);
  }
};

struct family {
  tensor held{{rows, members, letters}};   // one-hot
  tensor pairs{{members, members, 2}};     // j is i's parent; j is i's child
  tensor asked{{rows, members}, dtype::int32};

  explicit family(std::uint64_t number) {
    const random_stream random{3, number};
    long parent[members], letter[rows][members];
    for (long i = 0; i < members; ++i) parent[i] = long(random.below(std::uint64_t(i), members));
    for (long r = 0; r < rows; ++r)
      for (long i = 0; i < members; ++i) {
        letter[r][i] = long(random.below(std::uint64_t(members * (r + 1) + i), letters));
        held.at<float>(r, i, letter[r][i]) = 1;
      }
    for (long i = 0; i < members; ++i) {
      pairs.at<float>(i, parent[i], 0) = pairs.at<float>(parent[i], i, 1) = 1;
      for (long r = 0; r < rows; ++r) asked.at<std::int32_t>(r, i) = std::int32_t(letter[r][parent[parent[i]]]);
    }
  }
};

struct model {
  nn::linear embed, embed_pairs, head;
  triangle_update triangle;
  row_attention attend;
  bool with_triangle;

  model(bool triangles, nn::initialisation init)
      : embed(layer(letters, width, init)),
        embed_pairs(layer(2, pair_width, init)),
        head(layer(width, letters, init)),
        triangle(init),
        attend(init),
        with_triangle(triangles) {}
  variable logits(const family& f) const {
    const variable z = embed_pairs(variable(f.pairs));
    return head(attend(embed(variable(f.held)), with_triangle ? triangle(z) : z));
  }
  template <class F>
  void visit(const std::string& prefix, F&& see) const {
    embed.visit(prefix + "embed.", see), embed_pairs.visit(prefix + "pairs.", see), head.visit(prefix + "head.", see);
    if (with_triangle) triangle.visit(prefix + "triangle.", see);
    attend.visit(prefix + "attend.", see);
  }
};

static double accuracy_after_learning(bool with_triangle) {
  const model m(with_triangle, nn::initialisation(1));
  optimiser steps(nn::parameters_of(m));
  const training_options options{.weight_decay = 0};
  for (long step = 1; step <= 1000; ++step) {
    const family f(std::uint64_t(step) + 1000);
    backward(cross_entropy(m.logits(f), f.asked));
    steps.step(step, 4e-3, options);
  }
  const no_gradient values_only;
  long right = 0;
  for (std::uint64_t n = 0; n < 20; ++n) {
    const family f(n);
    const tensor said = m.logits(f).value();
    for (long r = 0; r < rows; ++r)
      for (long i = 0; i < members; ++i) {
        const auto row = said.select(0, r).select(0, i).values<float>();
        right += std::max_element(row.begin(), row.end()) - row.begin() == f.asked.at<std::int32_t>(r, i);
      }
  }
  return double(right) / double(20 * rows * members);
}

int main() {
  for (const bool with_triangle : {false, true}) {
    const double right = accuracy_after_learning(with_triangle);
    std::printf("%-27s knows the grandparent's letter %s\n",
                with_triangle ? "pair bias, triangle update:" : "pair bias alone:",
                right > 0.98 ? "nearly always" : right > 0.6 ? "often" : "less than every second time");
  }
}
