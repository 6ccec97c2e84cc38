#include "qkv/ops/dropout.h"

#include <fmt/format.h>

#include "qkv/kernels/dropout.h"
#include "qkv/ops/rows.h"
#include "qkv/ops/scale.h"

namespace qkv {
namespace {

constexpr const char* op = "dropout";

}  // namespace

tensor dropout(const tensor& x, double probability, random_stream random) {
  tensor y = tensor::uninitialized(x.shape());
  dropout_into(y, x, probability, random);
  return y;
}

void dropout_into(const tensor& y, const tensor& x, double probability, random_stream random, writing write) {
  if (!(probability >= 0 && probability <= 1)) refuse(op, "a probability in 0 .. 1", fmt::format("{}", probability));
  expect_shape(y, x.shape(), op, "y");
  expect_same_or_apart(y, x, op, "y", "x");
  if (probability == 0) return scale_into(y, x, 1, write);
  // Elements are numbered in row-major order, so both must be dense.
  const auto from = rows_to_read(x.to_contiguous());
  if (!y.contiguous()) refuse(op, "a contiguous y", "strides " + to_string(y.strides()));
  auto* to = y.data<float>();
  // A number is dropped when its 32 bits lie below the threshold; probability 1 has no threshold of 32 bits.
  const bool all = probability == 1;
  const auto threshold = std::uint32_t(std::min(probability * 0x1p32, 0x1p32 - 1));
  const float factor = all ? 0.f : float(1 / (1 - probability));
  const auto kernel = dropout_rows_now().dropout;
  for_spans(1, x.size(), true, [&](long, long first, long n) {
    if (all && write == writing::replace) std::fill_n(to + first, n, 0.f);
    if (!all)
      kernel(to + first, from.data + first, n, random.seed, random.stream, std::uint64_t(first), threshold, factor,
             write == writing::add);
  });
}

}  // namespace qkv
