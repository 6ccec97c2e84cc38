// Cross-entropy of a prediction over classes (the vocabulary) against the class that came.
#pragma once
#include "qkv/ops/writing.h"
#include "qkv/tensor/tensor.h"

namespace qkv {

/// Targets equal to this are left out unless another number is given.
inline constexpr long ignored_target = -100;

struct cross_entropy_options {
  long ignore_index = ignored_target;
  /// That share of the target's probability is spread evenly over all V classes (label smoothing: Szegedy et al. 2016,
  /// section 7); in 0 .. 1, without 1.
  double smoothing = 0;
};

/// The mean loss over the rows that count, and what the backward needs.
struct cross_entropy_result {
  double loss = 0;     ///< mean of logsumexp(row) - (1 - smoothing) row[target] - smoothing mean(row); NaN when no row
                       ///< counts, as in PyTorch
  long count = 0;      ///< rows whose target is not ignore_index
  tensor log_sum_exp;  ///< [N] float32
};

/// @param logits  [..., V] float32   @param targets  [...] int32, in 0 .. V-1 or ignore_index
/// @throws shape_error "cross_entropy: expected targets in 0 .. 64 or -100; found 65 at row 3"
cross_entropy_result cross_entropy(const tensor& logits, const tensor& targets,
                                   const cross_entropy_options& options = {});

/// dlogits = gradient * (softmax(logits) - (1 - smoothing) one_hot(target) - smoothing / V) / count; rows ignored get
/// zeros. dlogits may be logits, which saves a temporary of N x V.   @param gradient  that of the mean loss, usually 1
void cross_entropy_backward_into(const tensor& dlogits, const tensor& logits, const tensor& targets,
                                 const cross_entropy_result& forward, float gradient = 1,
                                 const cross_entropy_options& options = {});

/// Cross-entropy of logits x W^T that are made and forgotten in chunks of rows: memory O(chunk x V), never N x V.
///
///   N rows   D width   V classes
///
/// @param x  [..., D]   @param weight  [V, D]   @param targets  [...] int32
cross_entropy_result linear_cross_entropy(const tensor& x, const tensor& weight, const tensor& targets,
                                          const cross_entropy_options& options = {});

/// Loss and gradients in one pass, each chunk of logits being made once: dx (replaced) and dweight (added to), both
/// times `gradient`; an empty one is left out.
/// Cost: 6 N D V flops, where forward and a separate backward that makes the logits again would take 8.
/// Source: Wijmans et al. 2024 (cut cross-entropy); Hsu et al. 2024 (Liger kernels).
cross_entropy_result linear_cross_entropy_with_gradients(const tensor& dx, const tensor& dweight, const tensor& x,
                                                         const tensor& weight, const tensor& targets,
                                                         float gradient = 1, const cross_entropy_options& options = {});

}  // namespace qkv
