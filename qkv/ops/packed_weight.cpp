#include "qkv/ops/packed_weight.h"

#include <string>

#include "qkv/base/threads.h"
#include "qkv/kernels/matmul.h"
#include "qkv/ops/rows.h"

namespace qkv {

packed_weight::packed_weight(const tensor& weight) {
  expect_rank(weight, 2, "packed_weight", "weight [O, I]");
  const auto w = weight.view<const float, 2>();
  const matmul_kernels& kernels = matmul_now();
  output_width_ = w.sizes[0], input_width_ = w.sizes[1], panel_columns_ = kernels.tile_columns;
  const long panels = (output_width_ + panel_columns_ - 1) / panel_columns_;
  panels_ = tensor::uninitialized({panels, input_width_, panel_columns_});
  auto* to = panels_.data<float>();
  parallel_for(panels, [&](long panel, int) {
    const long line = panel * panel_columns_;
    kernels.pack_columns(w.data + line * w.strides[0], w.strides[1], w.strides[0], input_width_,
                         std::min<long>(panel_columns_, output_width_ - line), to + line * input_width_);
  });
}

const float* packed_weight::data() const {
  if (panel_columns_ != matmul_now().tile_columns)
    throw unsupported_error("packed_weight: packed in panels of " + std::to_string(panel_columns_) +
                            " for another instruction set than the active one, " + name_of(active_instruction_set()) +
                            "; pack it again");
  return panels_.data<float>();
}

}  // namespace qkv
