#include "qkv/ops/cross_entropy.h"

#include <vector>

#include "qkv/kernels/softmax.h"
#include "qkv/ops/cross_entropy_rows.h"

namespace qkv {

void cross_entropy_rows(const rows<const float>& logits, const target_list& targets, long first_target,
                        float* log_sum_exp, double* losses) {
  const auto& kernels = softmax_rows_now();
  const double spread = targets.smoothing;
  for_rows(logits.count, logits.width, [&](long first, long count) {
    for (long i = first; i < first + count; ++i) {
      const float* row = logits.row(i);
      log_sum_exp[i] = kernels.log_sum_exp(row, logits.width);
      losses[i] = 0;
      if (!targets.counts(first_target + i)) continue;
      losses[i] = double(log_sum_exp[i]) - (1 - spread) * double(row[targets.ids[first_target + i]]);
      if (spread > 0) losses[i] -= spread * double(kernels.sum(row, logits.width)) / double(logits.width);
    }
  });
}

void cross_entropy_rows_backward(const rows<float>& dlogits, const rows<const float>& logits,
                                 const target_list& targets, long first_target, const float* log_sum_exp,
                                 float factor) {
  const auto kernel = softmax_rows_now().scaled_softmax;
  const float everywhere = factor * targets.smoothing / float(logits.width);
  for_rows(logits.count, logits.width, [&](long first, long count) {
    for (long i = first; i < first + count; ++i) {
      if (!targets.counts(first_target + i)) {
        std::fill_n(dlogits.row(i), dlogits.width, 0.f);
        continue;
      }
      kernel(dlogits.row(i), logits.row(i), log_sum_exp[i], factor, everywhere, logits.width);
      dlogits.row(i)[targets.ids[first_target + i]] -= factor * (1 - targets.smoothing);
    }
  });
}

double mean_loss(const std::vector<double>& losses, long count) {
  double total = 0;
  for (const double loss : losses) total += loss;
  return total / double(count);
}

cross_entropy_result cross_entropy(const tensor& logits, const tensor& targets, const cross_entropy_options& options) {
  if (logits.empty() || logits.rank() == 0) refuse("cross_entropy", "logits [..., V]", "nothing to choose from");
  const target_list list(targets, logits, logits.dim(-1), options);
  cross_entropy_result result;
  result.count = list.count;
  result.log_sum_exp = tensor::uninitialized({list.rows});
  std::vector<double> losses(std::size_t(list.rows));
  cross_entropy_rows(rows_to_read(logits), list, 0, result.log_sum_exp.data<float>(), losses.data());
  result.loss = mean_loss(losses, list.count);
  return result;
}

void cross_entropy_backward_into(const tensor& dlogits, const tensor& logits, const tensor& targets,
                                 const cross_entropy_result& forward, float gradient,
                                 const cross_entropy_options& options) {
  constexpr const char* op = "cross_entropy";
  expect_shape(dlogits, logits.shape(), op, "dlogits");
  expect_same_or_apart(dlogits, logits, op, "dlogits", "logits");
  expect_shape(forward.log_sum_exp, {row_count(logits)}, op, "log_sum_exp");
  const target_list list(targets, logits, logits.dim(-1), options);
  const float factor = list.count > 0 ? gradient / float(list.count) : 0.f;
  cross_entropy_rows_backward(rows_to_write(dlogits, op, "dlogits"), rows_to_read(logits), list, 0,
                              forward.log_sum_exp.data<float>(), factor);
}

}  // namespace qkv
