// What the machine can do at most: multiply-adds of an instruction set, and bytes read.  Percentages refer to these.
#pragma once
#include <cstddef>
#include <span>

#include "qkv/base/instruction_set.h"

namespace qkv::benchmarks {

/// GFLOP/s of one trial (about 8 ms) of nothing but multiply-adds in registers, on thread_count() threads; where the
/// set has no multiply-add, of a product and a sum.
double multiply_add_trial(instruction_set set);

/// GB/s at which thread_count() threads read all of `memory` once.
double read_trial(std::span<const std::byte> memory);

/// The best of many trials, taken between the measurements that it is compared with.
class peak_meter {
 public:
  void probe();
  double gflops() const { return best_; }

 private:
  double best_ = 0;
};

}  // namespace qkv::benchmarks
