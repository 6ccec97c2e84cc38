// How alike the heads of one attention look, and where a token's result comes from through many of them.
#include <algorithm>
#include <cmath>

#include "qkv/attention/passes.h"
#include "qkv/attention/statistics.h"
#include "qkv/attention/statistics_kernel.h"
#include "qkv/attention/without_values.h"

namespace qkv {
namespace {

struct key_range {
  long from = 0, to = 0;
};

/// The keys that a block of queries may have links to.
key_range live_keys(const forward_work& w) {
  if (w.run_count == 0) return {};
  return {w.runs[0].from * w.key_block, std::min(w.runs[w.run_count - 1].to * w.key_block, w.where.all_keys)};
}

/// Inner products of the heads' weights in one block of queries, dense [heads, rows, all], added to products [H, H].
void add_products(const std::vector<float>& dense, const std::vector<key_range>& live, long rows, long all,
                  std::vector<double>& products) {
  const long heads = long(live.size());
  parallel_for(heads, [&](long a, int) {
    for (long b = a; b < heads; ++b) {
      const float *x = dense.data() + a * rows * all, *y = dense.data() + b * rows * all;
      const long from = std::max(live[a].from, live[b].from), to = std::min(live[a].to, live[b].to);
      double sum = 0;
      for (const float* end = x + rows * all; x != end; x += all, y += all)
        for (long n = from; n < to; ++n) sum += double(x[n]) * y[n];
      products[a * heads + b] += sum;
    }
  });
}

}  // namespace

tensor head_similarity_with(const formula& f, const tensor& q, const tensor& k, alignment align, const sequences& ragged) {
  const problem x = without_values("head similarity", f, q, k, align, ragged);
  std::vector<sequence> all;
  list_sequences(x, all);
  const long H = q.dim(2), N = long(all.size());
  std::vector<std::vector<double>> products(N, std::vector<double>(H * H));
  std::vector<float> dense(H * forward_query_side * k.dim(1));
  std::vector<key_range> live(H);
  workspace w;
  const prepared_problem prepared = prepare(f, x, w.inside());
  visit_heads(
      f, x, prepared,
      [&](const forward_work& scores, const sequence& s) {
        float* const mine = dense.data() + scores.where.head * forward_query_side * s.keys;
        live[scores.where.head] = live_keys(scores);
        std::fill(mine + scores.where.rows * s.keys, mine + forward_query_side * s.keys, 0.f);  // the last block's lack
        statistics_work work{};
        work.scores = &scores;
        work.dense = mine;
        statistics_kernels_now().query_block(work);
      },
      [&](const sequence& s) { add_products(dense, live, forward_query_side, s.keys, products[s.number]); }, w.inside());

  tensor similarity({N, H, H});
  for (long n = 0; n < N; ++n)
    for (long a = 0; a < H; ++a)
      for (long b = a; b < H; ++b) {
        const double lengths = std::sqrt(products[n][a * H + a] * products[n][b * H + b]);
        similarity.at<float>(n, a, b) = similarity.at<float>(n, b, a) =
            lengths > 0 ? float(products[n][a * H + b] / lengths) : 0;
      }
  return similarity;
}

tensor attention_rollout(const std::vector<attention_layer>& layers, long token) {
  if (layers.empty()) refuse("attention rollout", "at least one layer", "none");
  const long B = layers.back().q.dim(0), T = layers.back().q.dim(1);
  if (token < 0 || token >= T) refuse("attention rollout", "a token from 0 to " + std::to_string(T - 1), std::to_string(token));
  tensor flow({B, T});
  for (long b = 0; b < B; ++b) flow.at<float>(b, token) = 1;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    if (layer->q.dim(1) != T || layer->k.dim(1) != T)
      refuse("attention rollout", "layers of self-attention over " + std::to_string(T) + " tokens",
             "queries " + to_string(layer->q.shape()) + ", keys " + to_string(layer->k.shape()));
    statistics_request ask{.entropy = false, .maximum = false, .received = true, .top = 0, .shares = flow};
    const tensor received = statistics_with(*layer->rule, layer->q, layer->k, ask).received;
    tensor next({B, T});
    for (long b = 0; b < B; ++b)
      for (long j = 0; j < T; ++j) {
        float mean = 0;
        for (long h = 0; h < received.dim(2); ++h) mean += received.at<float>(b, j, h) / float(received.dim(2));
        next.at<float>(b, j) = (flow.at<float>(b, j) + mean) / 2;
      }
    flow = next;
  }
  return flow;
}

}  // namespace qkv
