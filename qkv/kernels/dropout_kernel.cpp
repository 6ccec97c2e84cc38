#include "qkv/kernels/dropout.h"

namespace qkv::QKV_INSTRUCTION_SET {
namespace {

/// Counters side by side, as many as the compiler fits into registers.
constexpr int batch = 16;

/// The four words of `batch` counters that follow each other: words[w][c] is word w of counter first + c.
/// Philox 4x32-10, Salmon et al. 2011.
void random_words(std::uint64_t seed, std::uint64_t stream, std::uint64_t first, std::uint32_t words[4][batch]) {
  for (int c = 0; c < batch; ++c) {
    words[0][c] = std::uint32_t(first + std::uint64_t(c));
    words[1][c] = std::uint32_t((first + std::uint64_t(c)) >> 32);
    words[2][c] = std::uint32_t(stream);
    words[3][c] = std::uint32_t(stream >> 32);
  }
  std::uint32_t key0 = std::uint32_t(seed), key1 = std::uint32_t(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int c = 0; c < batch; ++c) {
      const std::uint64_t a = std::uint64_t(0xD2511F53) * words[0][c], b = std::uint64_t(0xCD9E8D57) * words[2][c];
      words[0][c] = std::uint32_t(b >> 32) ^ words[1][c] ^ key0;
      words[1][c] = std::uint32_t(b);
      words[2][c] = std::uint32_t(a >> 32) ^ words[3][c] ^ key1;
      words[3][c] = std::uint32_t(a);
    }
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
}

template <bool Accumulate>
void drop(float* y, const float* x, long n, std::uint64_t seed, std::uint64_t stream, std::uint64_t first,
          std::uint32_t threshold, float factor) {
  std::uint32_t words[4][batch], bits[4 * batch];
  for (long i = 0; i < n; i += 4 * batch) {
    random_words(seed, stream, (first + std::uint64_t(i)) / 4, words);
    for (int c = 0; c < batch; ++c)
      for (int w = 0; w < 4; ++w) bits[4 * c + w] = words[w][c];
    const long here = n - i < 4 * batch ? n - i : 4 * batch;
    for (long j = 0; j < here; ++j) {
      const float kept = bits[j] >= threshold ? x[i + j] * factor : 0.f;
      y[i + j] = Accumulate ? y[i + j] + kept : kept;
    }
  }
}

void dropout(float* y, const float* x, long n, std::uint64_t seed, std::uint64_t stream, std::uint64_t first,
             std::uint32_t threshold, float factor, bool accumulate) {
  if (accumulate)
    drop<true>(y, x, n, seed, stream, first, threshold, factor);
  else
    drop<false>(y, x, n, seed, stream, first, threshold, factor);
}

}  // namespace

extern const dropout_kernels dropout_rows = {dropout};

}  // namespace qkv::QKV_INSTRUCTION_SET
