// The interpreter on the lanes of one instruction set.
#include "qkv/traced/block_interpreter.h"

namespace qkv::traced::QKV_INSTRUCTION_SET {
namespace {

struct lanes_here {
  using real = qkv::QKV_INSTRUCTION_SET::lanes<float>;
  using index = qkv::QKV_INSTRUCTION_SET::lanes<std::int32_t>;
  using number = float;
  static constexpr int width = qkv::QKV_INSTRUCTION_SET::width;
};

void forward(const block<float>& b, int from, int to) { block_interpreter<lanes_here>(b).forward(from, to); }
void reverse(const block<float>& b, int from, int to) { block_interpreter<lanes_here>(b).reverse(from, to); }

}  // namespace

const float_block_kernels block_kernels = {lanes_here::width, forward, reverse};

}  // namespace qkv::traced::QKV_INSTRUCTION_SET
