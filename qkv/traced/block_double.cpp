// The interpreter on one number at a time, in double precision.
#include "qkv/traced/block_interpreter.h"

namespace qkv::traced {
namespace {

struct one_double {
  using real = real_scalar;
  using index = whole_scalar;
  using number = double;
  static constexpr int width = 1;
};

void forward(const block<double>& b, int from, int to) { block_interpreter<one_double>(b).forward(from, to); }
void reverse(const block<double>& b, int from, int to) { block_interpreter<one_double>(b).reverse(from, to); }

}  // namespace

const block_kernel_table<double> double_block_kernels = {1, forward, reverse};

}  // namespace qkv::traced
