#include "benchmarks/peak.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstdint>

#include "benchmarks/stopwatch.h"
#include "qkv/base/threads.h"

namespace qkv::benchmarks {
namespace {

// Two units that answer after four to six cycles are kept busy by 8 to 12 independent sums.
constexpr int accumulators = 14;
volatile float sink;  // results go here, so that nobody computes them at compile time or not at all

// Every sum starts elsewhere, and the compiler does not learn where: equal sums it would make one of.  They
// approach 1.5, far from overflow and from denormals.
struct starting_values {
  volatile float factor = 0.5f, summand = 0.75f;
  volatile float first[accumulators] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
};

using floats_4 [[gnu::vector_size(16)]] = float;

void portable_loop(long rounds) {
  const starting_values start;
  const float a = start.factor, b = start.summand;
  floats_4 x[accumulators];
  for (int i = 0; i < accumulators; ++i) x[i] = floats_4{} + start.first[i];
  for (long n = 0; n < rounds; ++n) {
#pragma GCC unroll 16
    for (int i = 0; i < accumulators; ++i) x[i] = x[i] * a + b;
  }
  for (const floats_4& sum : x) sink = sum[0];
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void avx2_loop(long rounds) {
  const starting_values start;
  const __m256 a = _mm256_set1_ps(start.factor), b = _mm256_set1_ps(start.summand);
  __m256 x[accumulators];
  for (int i = 0; i < accumulators; ++i) x[i] = _mm256_set1_ps(start.first[i]);
  for (long n = 0; n < rounds; ++n) {
#pragma GCC unroll 16
    for (int i = 0; i < accumulators; ++i) x[i] = _mm256_fmadd_ps(x[i], a, b);
  }
  for (const __m256& sum : x) sink = sum[0];
}

[[gnu::target("avx512f")]] void avx512_loop(long rounds) {
  const starting_values start;
  const __m512 a = _mm512_set1_ps(start.factor), b = _mm512_set1_ps(start.summand);
  __m512 x[accumulators];
  for (int i = 0; i < accumulators; ++i) x[i] = _mm512_set1_ps(start.first[i]);
  for (long n = 0; n < rounds; ++n) {
#pragma GCC unroll 16
    for (int i = 0; i < accumulators; ++i) x[i] = _mm512_fmadd_ps(x[i], a, b);
  }
  for (const __m512& sum : x) sink = sum[0];
}
#endif

struct loop {
  void (*run)(long rounds);
  long width;
};

loop loop_of(instruction_set set) {
#if defined(__x86_64__)
  if (set == instruction_set::avx512) return {avx512_loop, 16};
  if (set == instruction_set::avx2) return {avx2_loop, 8};
#endif
  return {portable_loop, 4};
}

#if defined(__x86_64__)
[[gnu::target_clones("avx512f", "avx2", "default")]]
#endif
std::uint64_t
exclusive_or(const std::uint64_t* words, std::size_t count) {
  std::uint64_t result = 0;
  for (std::size_t i = 0; i < count; ++i) result ^= words[i];
  return result;
}

}  // namespace

double multiply_add_trial(instruction_set set) {
  constexpr long rounds = 1'500'000;
  const loop l = loop_of(set);
  const int threads = thread_count();
  const double start = seconds_now();
  parallel_for(threads, [&](long, int) { l.run(rounds); });
  return 2.0 * double(l.width) * accumulators * double(rounds) * threads / (seconds_now() - start) * 1e-9;
}

double read_trial(std::span<const std::byte> memory) {
  constexpr std::size_t piece = 1 << 18;
  const double start = seconds_now();
  parallel_for(long((memory.size() + piece - 1) / piece), [&](long n, int) {
    const auto part = memory.subspan(std::size_t(n) * piece, std::min(piece, memory.size() - std::size_t(n) * piece));
    sink = float(exclusive_or(reinterpret_cast<const std::uint64_t*>(part.data()), part.size() / 8));
  });
  return double(memory.size()) / (seconds_now() - start) * 1e-9;
}

void peak_meter::probe() { best_ = std::max(best_, multiply_add_trial(active_instruction_set())); }

}  // namespace qkv::benchmarks
