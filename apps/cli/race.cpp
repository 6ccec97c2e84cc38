#include "apps/cli/race.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "apps/cli/memory_meter.h"
#include "qkv/attention/attention.h"
#include "qkv/base/random.h"
#include "qkv/base/threads.h"
#include "qkv/ops/matmul.h"
#include "qkv/ops/softmax.h"

namespace qkv::cli {
namespace {

constexpr double share_of_memory = 0.7;  // that the N x N way may take
constexpr long rows_together = 256;
constexpr int enough_repeats = 3;
constexpr double enough_seconds = 8;

tensor random_tensor(shape s, std::uint64_t stream) {
  tensor t = tensor::uninitialized(std::move(s));
  const auto values = t.values<float>();
  const random_stream random{7, stream};
  constexpr long block = 1 << 14;
  parallel_for((long(values.size()) + block - 1) / block, [&](long b, int) {
    for (long i = b * block; i < std::min(long(values.size()), (b + 1) * block); ++i)
      values[std::size_t(i)] = float(random.normal(std::uint64_t(i)));
  });
  return t;
}

double seconds_of(auto work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Attention as its formula is written: all weights of some heads in memory, then their products with the values.
//   q [1, R, H, D]   k, v [1, T, H, D]   out [1, R, H, D]
void attention_by_square(const tensor& q, const tensor& k, const tensor& v, const tensor& out, const tensor& weights) {
  const long heads = q.dim(2), at_once = weights.dim(0);
  const tensor scaled = tensor::uninitialized(q.shape());
  const auto from = q.values<float>(), to = scaled.values<float>();
  const float scale = 1 / std::sqrt(float(q.dim(3)));
  std::transform(from.begin(), from.end(), to.begin(), [scale](float x) { return scale * x; });
  for (long first = 0; first < heads; first += at_once) {
    const long last = std::min(first + at_once, heads);
    const auto by_head = [&](const tensor& t) { return t.select(0, 0).slice(1, first, last).transpose(0, 1); };
    const tensor w = weights.slice(0, 0, last - first);
    matmul_into(w, by_head(scaled), by_head(k).transpose(-1, -2));
    softmax_rows_into(w, w);
    // A product packs its left side: in blocks of rows, so that there is no second copy of all weights.
    for (long row = 0; row < w.dim(1); row += rows_together) {
      const long end = std::min(row + rows_together, w.dim(1));
      matmul_into(by_head(out).slice(1, row, end), w.slice(1, row, end), by_head(v));
    }
  }
}

// The best of a few runs; the memory is that of the first.
race_result measured(auto work) {
  const memory_meter meter;
  race_result result{.seconds = seconds_of(work), .bytes = meter.peak()};
  double spent = result.seconds;
  for (int n = 1; n < enough_repeats && spent < enough_seconds; ++n) {
    const double seconds = seconds_of(work);
    spent += seconds;
    result.seconds = std::min(result.seconds, seconds);
  }
  return result;
}

}  // namespace

race_plan plan_race(long tokens, long heads, long width, double available_bytes) {
  const double row = 4.0 * double(tokens), inputs = 7 * row * double(heads * width);
  const double left = share_of_memory * available_bytes - inputs, head = row * double(tokens);
  if (left <= row * double(heads))
    throw std::runtime_error(fmt::format(
        "race: expected room for queries, keys, values and outputs, {}; found {} (fewer --tokens need less)",
        in_bytes(inputs), in_bytes(available_bytes)));
  const bool all = head * double(heads) <= left;
  race_plan plan{.queries = tokens, .heads_at_once = heads, .remark = ""};
  if (all) return plan;
  if (head <= left) {
    plan.heads_at_once = long(left / head);
    plan.remark =
        fmt::format("all weights would take {}, and {} are available: the N x N way holds {} of {} heads at a time",
                    in_bytes(head * double(heads)), in_bytes(available_bytes), plan.heads_at_once, heads);
    return plan;
  }
  plan.heads_at_once = 1;
  plan.queries = std::max(1L, long(left / row));
  plan.remark = fmt::format(
      "one head's weights would take {}, and {} are available: both ways run {} of the {} queries, against all keys",
      in_bytes(head), in_bytes(available_bytes), plan.queries, tokens);
  return plan;
}

race run_race(long tokens, long heads, long width) {
  race r{.tokens = tokens, .heads = heads, .width = width, .plan = plan_race(tokens, heads, width, available_memory())};
  const tensor q = random_tensor({1, r.plan.queries, heads, width}, 1);
  const tensor k = random_tensor({1, tokens, heads, width}, 2), v = random_tensor({1, tokens, heads, width}, 3);
  if (tokens == 0) return r;
  {  // The first call wakes the threads and chooses the kernels.
    const long few = std::min(r.plan.queries, 64L);
    attention(q.slice(1, 0, few), k.slice(1, 0, std::min(tokens, 64L)), v.slice(1, 0, std::min(tokens, 64L)));
  }
  tensor fused, square;
  r.fused = measured([&] { fused = attention(q, k, v); });
  r.square = measured([&] {
    square = tensor::uninitialized(q.shape());
    attention_by_square(q, k, v, square, tensor::uninitialized({r.plan.heads_at_once, r.plan.queries, tokens}));
  });
  const auto a = fused.values<float>(), b = square.values<float>();
  for (std::size_t i = 0; i < a.size(); ++i) {
    r.difference = std::max(r.difference, double(std::abs(a[i] - b[i])));
    r.largest = std::max(r.largest, double(std::abs(b[i])));
  }
  return r;
}

double lambda_result::relative_error() const {
  const double size = std::max(std::abs(gradient), std::abs(difference));
  return size > 0 ? std::abs(gradient - difference) / size : 0;
}

// The lambdas, and the text of them.
#define WITH_SOURCE(...) std::pair(__VA_ARGS__, #__VA_ARGS__)

lambda_result run_lambda(long tokens, long heads, long width) {
  const auto [score, score_source] =
      WITH_SOURCE([](auto s, auto at) { return 20 * tanh(s / 20) - 0.01 * abs(at.query - at.key); });
  const auto [mask, mask_source] = WITH_SOURCE([](auto at) { return at.query >= at.key && at.query - at.key < 1024; });
  lambda_result r{.source = fmt::format("attention_forward(q, k, v,\n    {},\n    {})", score_source, mask_source)};
  const shape s{1, tokens, heads, width};
  const tensor q = random_tensor(s, 1), k = random_tensor(s, 2), v = random_tensor(s, 3),
               weighing = random_tensor(s, 4);
  if (tokens == 0) return r;
  const auto run = [&, &own_score = score, &own_mask = mask](const tensor& a, const tensor& b, const tensor& c) {
    return attention_forward(a, b, c, own_score, own_mask);
  };
  attention_run done = run(q, k, v);
  r.forward = measured([&] { done = run(q, k, v); });
  attention_gradients gradients;
  r.backward = measured([&] { gradients = done.backward(weighing); });

  const auto product = [](const tensor& a, const tensor& b) {
    double sum = 0;
    const auto x = a.values<float>(), y = b.values<float>();
    for (std::size_t i = 0; i < x.size(); ++i) sum += double(x[i]) * y[i];
    return sum;
  };
  const tensor directions[] = {random_tensor(s, 5), random_tensor(s, 6), random_tensor(s, 7)};
  r.gradient = product(gradients.dq, directions[0]) + product(gradients.dk, directions[1]) +
               product(gradients.dv, directions[2]);
  const auto moved = [](const tensor& from, const tensor& direction, float step) {
    const tensor to = from.clone();
    const auto x = to.values<float>(), d = direction.values<float>();
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += step * d[i];
    return to;
  };
  const auto at = [&](float step) {
    return product(run(moved(q, directions[0], step), moved(k, directions[1], step), moved(v, directions[2], step)).out,
                   weighing);
  };
  constexpr float step = 0.01f;  // the five-point rule's error is of the order of its fourth power
  r.difference = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * double(step));
  return r;
}

}  // namespace qkv::cli
