// The rows of cross-entropy, for logits that are kept and for logits made in chunks.  Internal to this room.
#pragma once
#include <vector>

#include "qkv/ops/rows.h"
#include "qkv/ops/targets.h"

namespace qkv {

/// Log-sum-exp and loss of each row; the row's target is number first_target + row; ignored rows lose 0.
void cross_entropy_rows(const rows<const float>& logits, const target_list& targets, long first_target,
                        float* log_sum_exp, double* losses);

/// factor * (softmax - one_hot), zeros in ignored rows.
void cross_entropy_rows_backward(const rows<float>& dlogits, const rows<const float>& logits,
                                 const target_list& targets, long first_target, const float* log_sum_exp, float factor);

/// Sum in order of the rows, over count.
double mean_loss(const std::vector<double>& losses, long count);

}  // namespace qkv
