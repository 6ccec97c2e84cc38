// What layer norm and RMS norm share: checks, rows and the hand-out of work.  Internal to this room.
#pragma once
#include "qkv/kernels/norm.h"
#include "qkv/ops/rows.h"
#include "qkv/ops/writing.h"

namespace qkv {

/// The tensors of a forward; empty ones are left out.
struct norm_inputs {
  const char* op;
  tensor sum, y, x, residual, weight, bias;
  float epsilon;
  tensor* mean;  ///< filled when not null
  tensor* inverse;
};
void run_norm(const norm_inputs& in, void (*kernel)(const norm_forward&));

/// The tensors of a backward; empty ones are left out.
struct norm_gradients {
  const char* op;
  tensor dx, dweight, dbias, dy, x, weight, mean, inverse;
  writing write_dx;
};
void run_norm_backward(const norm_gradients& in, void (*kernel)(const norm_backward&));

}  // namespace qkv
