#include "qkv/ops/depthwise_convolution.h"

#include "qkv/kernels/convolution.h"
#include "qkv/ops/rows.h"
#include "qkv/ops/sum_rows.h"

namespace qkv {
namespace {

constexpr const char* op = "depthwise_convolution";

/// The sizes of a convolution, and which taps of a token lie within its sequence.
struct extent {
  long batch, tokens, channels, taps, back;

  extent(const tensor& x, const tensor& weight, convolution_reach reach) {
    expect_rank(x, 3, op, "x [B, T, C]");
    batch = x.dim(0), tokens = x.dim(1), channels = x.dim(2);
    if (weight.empty() || weight.rank() != 2 || weight.dim(1) != channels || weight.dim(0) < 1)
      refuse(op, "weight [K, " + std::to_string(channels) + "]",
             weight.empty() ? "nothing" : to_string(weight.shape()));
    taps = weight.dim(0);
    back = reach == convolution_reach::past ? taps - 1 : taps / 2;
  }
  /// Taps first .. end - 1 of the token t, when tap k is at t + k - before.
  long first(long t, long before) const { return std::max(0l, before - t); }
  long end(long t, long before) const { return std::min(taps, tokens + before - t); }
};

}  // namespace

tensor depthwise_convolution(const tensor& x, const tensor& weight, const tensor& bias, convolution_reach reach) {
  tensor y = tensor::uninitialized(x.shape());
  depthwise_convolution_into(y, x, weight, bias, reach);
  return y;
}

void depthwise_convolution_into(const tensor& y, const tensor& x, const tensor& weight, const tensor& bias,
                                convolution_reach reach) {
  const extent e(x, weight, reach);
  expect_shape(y, x.shape(), op, "y");
  expect_apart(y, x, op, "y", "x"), expect_apart(y, weight, op, "y", "weight"), expect_apart(y, bias, op, "y", "bias");
  rows<const float> b;
  if (!bias.empty()) expect_shape(bias, {e.channels}, op, "bias"), b = rows_to_read(bias);
  const auto from = rows_to_read(x), w = rows_to_read(weight);
  const auto to = rows_to_write(y, op, "y");
  const auto kernel = convolution_now().convolve;
  for_rows(to.count, e.channels * e.taps, [&](long begin, long count) {
    for (long row = begin; row < begin + count; ++row) {
      const long t = row % e.tokens, first = e.first(t, e.back), taps = std::max(0l, e.end(t, e.back) - first);
      kernel(to.row(row), from.row(row + first - e.back), from.stride, w.row(first), w.stride, taps, b.data, e.channels,
             false);
    }
  });
}

void depthwise_convolution_backward_into(const tensor& dx, const tensor& dweight, const tensor& dbias, const tensor& dy,
                                         const tensor& x, const tensor& weight, convolution_reach reach,
                                         writing write_dx) {
  const extent e(x, weight, reach);
  expect_shape(dy, x.shape(), op, "dy");
  const auto from = rows_to_read(x), w = rows_to_read(weight), d = rows_to_read(dy);
  if (!dx.empty()) {
    expect_shape(dx, x.shape(), op, "dx");
    expect_apart(dx, dy, op, "dx", "dy"), expect_apart(dx, weight, op, "dx", "weight");
    expect_apart(dx, x, op, "dx", "x");
  }
  if (!dweight.empty()) expect_shape(dweight, weight.shape(), op, "dweight");
  if (!dbias.empty()) expect_shape(dbias, {e.channels}, op, "dbias");
  const auto& kernels = convolution_now();
  if (!dx.empty()) {
    // dx[s] = sum over k of w[k] dy[s + back - k]: the same sum with the taps in the other order.
    const auto to = rows_to_write(dx, op, "dx");
    for_rows(to.count, e.channels * e.taps, [&](long begin, long count) {
      for (long row = begin; row < begin + count; ++row) {
        const long s = row % e.tokens, first = std::max(0l, s + e.back - (e.tokens - 1));
        const long taps = std::max(0l, std::min(e.taps, s + e.back + 1) - first);
        kernels.convolve(to.row(row), d.row(row + e.back - first), -d.stride, w.row(first), w.stride, taps, nullptr,
                         e.channels, write_dx == writing::add);
      }
    });
  }
  if (!dweight.empty()) {
    // Each item has numbers of its own, so that every sum runs in the order of tokens.
    constexpr long slab = 64;
    const auto to = rows_to_write(dweight, op, "dweight");
    const long slabs = (e.channels + slab - 1) / slab;
    parallel_for(e.taps * slabs, [&](long item, int) {
      const long k = item / slabs, channel = item % slabs * slab, shift = k - e.back;
      const long begin = std::max(0l, -shift), end = std::min(e.tokens, e.tokens - shift);
      for (long b = 0; b < e.batch && begin < end; ++b)
        kernels.add_products(to.row(k) + channel, d.row(b * e.tokens + begin) + channel, d.stride,
                             from.row(b * e.tokens + begin + shift) + channel, from.stride, end - begin,
                             std::min(slab, e.channels - channel));
    });
  }
  if (!dbias.empty()) sum_rows(rows_to_write(dbias, op, "dbias").data, d, writing::add);
}

}  // namespace qkv
