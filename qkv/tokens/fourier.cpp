#include "qkv/tokens/fourier.h"

#include <array>
#include <cmath>
#include <numbers>

namespace qkv {
namespace {

using complex = std::complex<double>;

// Without std::complex's care for infinities.
complex product(complex a, complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

}  // namespace

real_fourier::real_fourier(long length) : length_(length), inner_(length % 2 == 0 ? length / 2 : length) {
  long rest = inner_;
  for (long p = 2; rest > 1; ++p)
    for (; rest % p == 0; rest /= p) factors_.push_back(p);
  for (long k = 0; k < length_; ++k)
    turns_.push_back(std::polar(1.0, -2 * std::numbers::pi * double(k) / double(length_)));
}

// p transforms of every p-th number, then one turn and one sum for each frequency of each.
void real_fourier::transform(const complex* in, long stride, complex* out, long length, std::size_t factor) const {
  if (length == 1) {
    *out = *in;
    return;
  }
  const long p = factors_[factor], part = length / p, turn = length_ / length;
  for (long r = 0; r < p; ++r) transform(in + r * stride, stride * p, out + r * part, part, factor + 1);
  if (p == 2) {
    for (long k = 0; k < part; ++k) {
      const complex even = out[k], odd = product(out[part + k], turns_[std::size_t(k * turn)]);
      out[k] = even + odd, out[part + k] = even - odd;
    }
    return;
  }
  std::vector<complex> large;
  std::array<complex, 8> small;
  complex* turned = small.data();
  if (p > long(small.size())) large.resize(std::size_t(p)), turned = large.data();
  for (long k = 0; k < part; ++k) {
    for (long r = 0; r < p; ++r) turned[r] = product(out[r * part + k], turns_[std::size_t(r * k * turn)]);
    for (long q = 0; q < p; ++q) {
      complex sum = turned[0];
      for (long r = 1, angle = q; r < p; ++r, angle += angle + q < p ? q : q - p)  // angle = q r modulo p
        sum += product(turned[r], turns_[std::size_t(angle * part * turn)]);
      out[q * part + k] = sum;
    }
  }
}

void real_fourier::powers(std::span<const double> x, std::span<double> to, memory& scratch) const {
  if (inner_ == length_) {
    for (long n = 0; n < length_; ++n) scratch.in[std::size_t(n)] = x[std::size_t(n)];
    transform(scratch.in.data(), 1, scratch.out.data(), length_, 0);
    for (long k = 0; k < bins(); ++k) to[std::size_t(k)] = std::norm(scratch.out[std::size_t(k)]);
    return;
  }
  // Even and odd numbers as the two parts of half as many complex ones; their transforms come apart by symmetry.
  for (long n = 0; n < inner_; ++n) scratch.in[std::size_t(n)] = {x[std::size_t(2 * n)], x[std::size_t(2 * n + 1)]};
  transform(scratch.in.data(), 1, scratch.out.data(), inner_, 0);
  for (long k = 0; k <= inner_; ++k) {
    const complex z = scratch.out[std::size_t(k % inner_)];
    const complex mirror = std::conj(scratch.out[std::size_t((inner_ - k) % inner_)]);
    const complex even = 0.5 * (z + mirror), odd = product({0, -0.5}, z - mirror);
    to[std::size_t(k)] = std::norm(even + product(odd, turns_[std::size_t(k)]));
  }
}

}  // namespace qkv
