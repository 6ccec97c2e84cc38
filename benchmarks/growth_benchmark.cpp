// Fused against N x N as sequences grow: time and memory of attention and its gradients, one head.
//
// The N x N way is written as its formula: all weights in memory, with this project's own products and softmax.
#include <fmt/format.h>

#include <unistd.h>

#include <cmath>

#include "benchmarks/attention_case.h"
#include "benchmarks/tables.h"
#include "qkv/base/memory.h"
#include "qkv/ops/matmul.h"
#include "qkv/ops/softmax.h"

namespace qkv::benchmarks {
namespace {

constexpr long width = 64;

// Matrices [T, D]; outcome and gradients are thrown away.
void square_attention(const tensor& q, const tensor& k, const tensor& v, const tensor& dout) {
  const float scale = 1 / std::sqrt(float(width));
  const tensor scaled = q.clone();
  for (float& x : scaled.values<float>()) x *= scale;
  const tensor weights = matmul(scaled, k.transpose(0, 1));
  softmax_rows_into(weights, weights);
  const tensor out = matmul(weights, v);
  const tensor dweights = tensor::uninitialized(weights.shape()), dv = tensor::uninitialized(v.shape());
  matmul_backward_into(dweights, dv, dout, weights, v);
  softmax_rows_backward_into(dweights, dweights, weights);
  const tensor dq = matmul(dweights, k), dk = matmul(dweights.transpose(0, 1), scaled);
}

void fused_attention(const tensor& q, const tensor& k, const tensor& v, const tensor& dout) {
  attention_forward(q, k, v).backward(dout);
}

// Bytes that one call needs beyond what is there before it.
double memory_of(const std::function<void()>& call) {
  const double before = double(memory_in_use().in_use);
  reset_memory_peak();
  call();
  return double(memory_in_use().peak) - before;
}

double available_memory() { return double(sysconf(_SC_AVPHYS_PAGES)) * double(sysconf(_SC_PAGESIZE)); }

}  // namespace

void measure_growth(session& s) {
  result_table t("growth", "attention and its gradients, 1 head, D 64", "growth",
                 {{"tokens", "tokens", 0},
                  {"fused_ms", "fused ms", 1},
                  {"square_ms", "N x N ms", 1},
                  {"fused_mib", "fused MiB", 1},
                  {"square_mib", "N x N MiB", 0},
                  {"ratio", "times faster", 1},
                  others_column});
  for (const long tokens : {1024, 2048, 4096, 8192, 16384}) {
    const std::string name = fmt::format("{} tokens", tokens);
    const double square_bytes = 2 * 4.0 * double(tokens) * double(tokens);
    if (!s.wants("growth", name) || square_bytes > available_memory() / 2) continue;
    const tensor q = random_normal({tokens, width}, 1), k = random_normal({tokens, width}, 2),
                 v = random_normal({tokens, width}, 3), dout = random_normal({tokens, width}, 4);
    const auto with_heads = [&](const tensor& x) { return x.reshape({1, tokens, 1, width}); };
    const auto fused = [&] { fused_attention(with_heads(q), with_heads(k), with_heads(v), with_heads(dout)); };
    const auto square = [&] { square_attention(q, k, v, dout); };
    const double fused_bytes = memory_of(fused), measured_square_bytes = memory_of(square);
    const turns taken = s.take_turns({trial_of(fused), trial_of(square)});
    t.add(name, {{"tokens", tokens},
                 {"fused_ms", taken.seconds[0] * 1e3},
                 {"square_ms", taken.seconds[1] * 1e3},
                 {"fused_mib", fused_bytes / 1048576},
                 {"square_mib", measured_square_bytes / 1048576},
                 {"ratio", taken.seconds[1] / taken.seconds[0]},
                 {"others", taken.others}});
    release_kept_memory();
  }
  s.keep(t);
}

}  // namespace qkv::benchmarks
