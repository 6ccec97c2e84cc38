// The discrete Fourier transform of real numbers, in double precision.  Internal to this room.
#pragma once
#include <complex>
#include <span>
#include <vector>

namespace qkv {

/// X[k] = sum over n of x[n] exp(-2 pi i k n / N), for k = 0 .. N / 2.  Any N; fast where its prime factors are small
/// (Cooley & Tukey 1965).
///
///     const real_fourier transform(400);
///     real_fourier::memory scratch(transform);     // one a thread
///     transform.powers(samples, powers, scratch);
class real_fourier {
 public:
  explicit real_fourier(long length);
  long length() const { return length_; }
  long bins() const { return length_ / 2 + 1; }

  struct memory {
    explicit memory(const real_fourier& of) : in(std::size_t(of.length_)), out(std::size_t(of.length_)) {}
    std::vector<std::complex<double>> in, out;
  };

  /// |X[k]|^2 of `length()` numbers into `bins()` numbers.   Cost: N (sum of N's prime factors) products.
  void powers(std::span<const double> x, std::span<double> to, memory& scratch) const;

 private:
  using complex = std::complex<double>;
  void transform(const complex* in, long stride, complex* out, long length, std::size_t factor) const;

  long length_;
  long inner_;                  // of the complex transform: N / 2 for an even N, two numbers as one; else N
  std::vector<long> factors_;   // of inner_, in increasing order
  std::vector<complex> turns_;  // exp(-2 pi i k / N)
};

}  // namespace qkv
