#include "qkv/traced/traced_features.h"

#include "qkv/traced/activation.h"

namespace qkv::traced {
namespace {

class traced_features final : public feature_map::rule {
 public:
  explicit traced_features(const program& p) : program_(p) {}

  void apply(feature_rows rows, const float* x, long x_stride, float* y, long y_stride) const override {
    each_piece(rows, [&](long i, long j, long count) {
      alignas(64) float here[block_keys] = {};
      std::copy_n(x + i * x_stride + j, count, here);
      run_activation<float>(program_, here, count, here, nullptr);
      std::copy_n(here, count, y + i * y_stride + j);
    });
  }
  void apply_slope(feature_rows rows, const float* x, long x_stride, float* d, long d_stride) const override {
    each_piece(rows, [&](long i, long j, long count) {
      alignas(64) float here[block_keys] = {}, there[block_keys], slope[block_keys];
      std::copy_n(x + i * x_stride + j, count, here);
      run_activation(program_, here, count, there, slope);
      float* const to = d + i * d_stride + j;
      for (long n = 0; n < count; ++n) to[n] *= slope[n];
    });
  }
  dual<real_scalar> at(dual<real_scalar> x) const override {
    double value[widest_register], slope[widest_register];
    run_activation(program_, &x.value.v, 1, value, slope);
    return {real_scalar(value[0]), real_scalar(slope[0]) * x.slope};
  }

 private:
  // f(row, first channel, channels) for pieces of rows that fit a block.
  static void each_piece(feature_rows rows, auto f) {
    for (long i = 0; i < rows.count; ++i)
      for (long j = 0; j < rows.width; j += block_keys) f(i, j, std::min(block_keys, rows.width - j));
  }

  interpreted program_;
};

}  // namespace

feature_map make_traced_features(const program& p) {
  check_real("feature map", p);
  return feature_map(std::make_shared<const traced_features>(p));
}

}  // namespace qkv::traced
