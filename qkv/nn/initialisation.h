// Where weights come from: normal numbers that depend on the seed and on the order in which modules are made.
#pragma once
#include <cmath>
#include <cstdint>

#include "qkv/tensor/tensor.h"

namespace qkv::nn {

/// The deviation of weights [to, from] that keeps the size of numbers and of gradients (Glorot & Bengio 2010, eq. 16).
inline double glorot(long from, long to) { return std::sqrt(2.0 / double(from + to)); }

class initialisation {
 public:
  explicit initialisation(std::uint64_t seed) : seed_(seed) {}
  /// Zeros, for weights that are about to be loaded.
  static initialisation of_zeros() {
    initialisation init(0);
    init.zeros_ = true;
    return init;
  }

  /// Normal numbers of mean 0 and this standard deviation.
  tensor normal(shape s, double spread);
  /// A random stream that no other module of this model has.
  std::uint64_t next_stream() { return next_stream_++; }

  double deviation = 0.02;  ///< of ordinary weights; 0.02 as in GPT-2 (Radford et al. 2019)

 private:
  std::uint64_t seed_;
  bool zeros_ = false;
  std::uint64_t next_stream_ = 1;
};

}  // namespace qkv::nn
