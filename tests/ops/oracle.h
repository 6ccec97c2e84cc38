// What the tests of ops share: random inputs in awkward memory, comparison with slow oracles in double precision,
// numerical gradients, and runs on every instruction set and several numbers of threads.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "qkv/base/instruction_set.h"
#include "qkv/base/random.h"
#include "qkv/tensor/tensor.h"
#include "tests/base/with_threads.h"

namespace qkv::oracle {

using numbers = std::vector<double>;

/// Normal random values, a pure function of the seed.
inline tensor random_tensor(const shape& s, std::uint64_t seed, double deviation = 1) {
  tensor t = tensor::uninitialized(s);
  long i = 0;
  for (float& x : t.values<float>()) x = float(deviation * random_stream{seed, 7}.normal(std::uint64_t(i++)));
  return t;
}

/// Whole random numbers below n.
inline tensor random_ids(const shape& s, std::uint64_t seed, long n) {
  tensor t = tensor::uninitialized(s, dtype::int32);
  long i = 0;
  for (auto& x : t.values<std::int32_t>())
    x = std::int32_t(random_stream{seed, 8}.below(std::uint64_t(i++), std::uint64_t(n)));
  return t;
}

/// The same values with NaN between the rows: unit stride in the last axis, gaps elsewhere.
inline tensor with_gaps(const tensor& t) {
  shape wide = t.shape();
  wide.back() += 5;
  tensor memory = tensor::full(wide, NAN);
  tensor part = memory.slice(-1, 2, 2 + t.dim(-1));
  part.copy_from(t);
  return part;
}

/// The same values stored with the last two axes exchanged, so that the last one has no unit stride.
inline tensor turned(const tensor& t) { return t.transpose(-1, -2).clone().transpose(-1, -2); }

/// All values, row-major.
inline numbers doubles(const tensor& t) {
  const tensor dense = t.to_contiguous().to(dtype::float32);
  const auto values = dense.values<float>();
  return numbers(values.begin(), values.end());
}
inline tensor tensor_of(const shape& s, const numbers& values) {
  return tensor(s, std::vector<float>(values.begin(), values.end()));
}

/// Each value within tolerance * (1 + |expected|); NaN and infinities must be where they are expected.
inline void expect_close(const tensor& found, const numbers& expected, double tolerance, const std::string& what = "") {
  const numbers f = doubles(found);
  ASSERT_EQ(f.size(), expected.size()) << what;
  for (std::size_t i = 0; i < f.size(); ++i) {
    const double e = expected[i];
    if (std::isnan(e))
      ASSERT_TRUE(std::isnan(f[i])) << what << " at " << i << ": " << f[i];
    else if (std::isinf(e))
      ASSERT_EQ(f[i], e) << what << " at " << i;
    else
      ASSERT_LE(std::abs(f[i] - e), tolerance * (1 + std::abs(e)))
          << what << " at " << i << ": " << f[i] << ", not " << e;
  }
}

/// Central differences of f at x.
inline numbers numerical_gradient(const std::function<double(const numbers&)>& f, numbers x, double step = 1e-5) {
  numbers gradient(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double at = x[i];
    x[i] = at + step;
    const double above = f(x);
    x[i] = at - step;
    gradient[i] = (above - f(x)) / (2 * step);
    x[i] = at;
  }
  return gradient;
}

/// sum a_i b_i: a scalar whose gradient for a is b.
inline double dot(const numbers& a, const numbers& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s;
}

/// Runs body on every instruction set of this machine.
inline void on_every_instruction_set(const std::function<void()>& body) {
  const instruction_set before = active_instruction_set();
  for (const auto set : {instruction_set::portable, instruction_set::avx2, instruction_set::avx512}) {
    if (set > widest_instruction_set()) continue;
    use_instruction_set(set);
    SCOPED_TRACE(name_of(set));
    body();
  }
  use_instruction_set(before);
}

inline bool same_bits(const tensor& a, const tensor& b) {
  const tensor x = a.to_contiguous(), y = b.to_contiguous();
  return x.shape() == y.shape() &&
         (x.size() == 0 || std::memcmp(x.data<float>(), y.data<float>(), std::size_t(x.size()) * sizeof(float)) == 0);
}

/// The results of `run` must have the same bits with 1, 2 and 3 threads, on every instruction set.
inline void expect_same_bits_for_any_threads(const std::function<std::vector<tensor>()>& run) {
  const with_threads as_before;
  on_every_instruction_set([&] {
    set_thread_count(1);
    const auto alone = run();
    for (const int threads : {2, 3}) {
      set_thread_count(threads);
      const auto together = run();
      for (std::size_t i = 0; i < alone.size(); ++i)
        EXPECT_TRUE(same_bits(alone[i], together[i])) << "result " << i << " with " << threads << " threads";
    }
  });
}

/// The text of the shape_error that `call` must throw.
inline std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const shape_error& error) { return error.what(); }
  return "nothing was thrown";
}

}  // namespace qkv::oracle
