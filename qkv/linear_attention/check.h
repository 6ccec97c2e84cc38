// Errors at the door: what a call gets wrong is said once, in words.  Internal to this room.
#pragma once
#include "qkv/linear_attention/linear_attention.h"

namespace qkv::detail {

/// Throws shape_error, or unsupported_error, unless the arguments of `operation` fit together.
void check_linear_attention(const char* operation, const tensor& q, const tensor& k, const tensor& v,
                            const linear_attention_options& options);
/// The same for what a backward pass is given, dstate of the state's shape or empty.
void check_linear_attention_gradients(const char* operation, const linear_attention_run& run, const tensor& dout,
                                      const tensor& dstate);

inline bool has_decay(update_rule rule) { return rule == update_rule::gated || rule == update_rule::gated_delta; }
inline bool has_beta(update_rule rule) { return rule == update_rule::delta || rule == update_rule::gated_delta; }

/// The columns of a state: E, or E + 1 when normalised.
inline long state_columns(const tensor& v, const linear_attention_options& options) {
  return v.dim(3) + (options.normalise ? 1 : 0);
}
/// The factor of the output.
double scale_of(const tensor& q, const linear_attention_options& options);

}  // namespace qkv::detail
