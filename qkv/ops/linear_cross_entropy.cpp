#include <vector>

#include "qkv/ops/cross_entropy.h"
#include "qkv/ops/cross_entropy_rows.h"
#include "qkv/ops/linear.h"

namespace qkv {
namespace {

constexpr const char* op = "linear_cross_entropy";

/// Rows of logits made at a time: at most 128 MiB of them, but enough for the products to run at full speed.
long rows_in_chunk(long classes) { return std::max(256l, (32l << 20) / std::max(1l, classes)); }

/// x and its gradient as [N, D].
struct projection {
  tensor x, weight, dx, dweight;
  target_list targets;
  long rows, width, classes;

  projection(const tensor& dx_, const tensor& dweight_, const tensor& x_, const tensor& weight_, const tensor& targets_,
             const cross_entropy_options& options)
      : x(x_),
        weight(checked(weight_)),
        dx(dx_),
        dweight(dweight_),
        targets(targets_, (expect_width(x_, weight_.dim(1), op, "x"), x_), weight_.dim(0), options),
        rows(row_count(x_)),
        width(weight_.dim(1)),
        classes(weight_.dim(0)) {
    if (!dx.empty()) expect_shape(dx, x.shape(), op, "dx"), dx = flat_result();
    if (!dweight.empty()) expect_shape(dweight, weight.shape(), op, "dweight");
    expect_apart(dx, x, op, "dx", "x"), expect_apart(dx, weight, op, "dx", "weight");
    expect_apart(dweight, x, op, "dweight", "x"), expect_apart(dweight, weight, op, "dweight", "weight");
    x = x.reshape({rows, width});
  }
  static const tensor& checked(const tensor& weight) {
    expect_rank(weight, 2, op, "weight [V, D]");
    return weight;
  }
  tensor flat_result() const {
    if (!dx.contiguous()) refuse(op, "a contiguous dx", "strides " + to_string(dx.strides()));
    return dx.reshape({rows, width});
  }
};

cross_entropy_result run(const projection& p, float gradient) {
  cross_entropy_result result;
  result.count = p.targets.count;
  result.log_sum_exp = tensor::uninitialized({p.rows});
  std::vector<double> losses(std::size_t(p.rows));
  const float factor = result.count > 0 ? gradient / float(result.count) : 0.f;
  const long chunk = std::min(p.rows, rows_in_chunk(p.classes));
  const packed_weight packed = p.rows > chunk ? packed_weight(p.weight) : packed_weight();
  const tensor memory = tensor::uninitialized({chunk, p.classes});
  for (long first = 0; first < p.rows; first += chunk) {
    const long end = std::min(p.rows, first + chunk);
    const tensor x = p.x.slice(0, first, end), logits = memory.slice(0, 0, end - first);
    if (packed.empty())
      linear_into(logits, x, p.weight);
    else
      linear_into(logits, x, packed);
    float* log_sum_exp = result.log_sum_exp.data<float>() + first;
    cross_entropy_rows(rows_to_read(logits), p.targets, first, log_sum_exp, losses.data() + first);
    if (p.dx.empty() && p.dweight.empty()) continue;
    cross_entropy_rows_backward(rows_to_write(logits, op, "logits"), rows_to_read(logits), p.targets, first,
                                log_sum_exp, factor);
    if (!p.dx.empty()) linear_backward_input_into(p.dx.slice(0, first, end), logits, p.weight);
    if (!p.dweight.empty()) linear_backward_weight(p.dweight, logits, x);
  }
  result.loss = mean_loss(losses, result.count);
  return result;
}

}  // namespace

cross_entropy_result linear_cross_entropy(const tensor& x, const tensor& weight, const tensor& targets,
                                          const cross_entropy_options& options) {
  return run(projection({}, {}, x, weight, targets, options), 0);
}

cross_entropy_result linear_cross_entropy_with_gradients(const tensor& dx, const tensor& dweight, const tensor& x,
                                                         const tensor& weight, const tensor& targets, float gradient,
                                                         const cross_entropy_options& options) {
  return run(projection(dx, dweight, x, weight, targets, options), gradient);
}

}  // namespace qkv
