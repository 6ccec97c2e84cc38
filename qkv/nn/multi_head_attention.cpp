#include "qkv/nn/multi_head_attention.h"

#include "qkv/autograd/views.h"

namespace qkv::nn {
namespace {

joint_heads heads_for(const attention_options& o) {
  const long key_heads = o.key_heads ? o.key_heads : o.heads;
  if (o.heads < 1 || o.width % o.heads != 0) {
    refuse("multi_head_attention", "a number of heads that divides the width " + std::to_string(o.width),
           std::to_string(o.heads));
  }
  if (key_heads < 1 || o.heads % key_heads != 0) {
    refuse("multi_head_attention", "a number of key heads that divides the " + std::to_string(o.heads) + " heads",
           std::to_string(key_heads));
  }
  return {o.heads, key_heads, o.width / o.heads};
}

/// Rows from .. to of a linear layer, applied: one of the projections that the joint product holds.
variable project(const linear& layer, const variable& x, long from, long to) {
  return qkv::linear(x, slice(layer.weight, 0, from, to),
                     layer.bias.empty() ? variable() : slice(layer.bias, 0, from, to));
}

variable with_heads(const variable& x, long heads, long width) {
  return reshape(x, {x.dim(0), x.dim(1), heads, width});
}

}  // namespace

multi_head_attention::multi_head_attention(const attention_options& o, initialisation& init, attention_parts given)
    : heads(heads_for(o)),
      joint(o.width, heads.joint_width(), o.biases, init, init.deviation),
      out(o.width, o.width, o.biases, init, o.out_deviation),
      parts(std::move(given)),
      rotary(o.rotary ? *o.rotary : rotary_table()) {}

variable multi_head_attention::operator()(const variable& x, const variable& residual) const {
  return out(self_attention(joint(x), heads, parts, rotary.cosine.empty() ? nullptr : &rotary), residual);
}

variable multi_head_attention::over(const variable& x, const variable& memory, const variable& residual) const {
  const long q = heads.heads * heads.width, k = heads.key_heads * heads.width;
  const variable attended =
      attention(with_heads(project(joint, x, 0, q), heads.heads, heads.width),
                with_heads(project(joint, memory, q, q + k), heads.key_heads, heads.width),
                with_heads(project(joint, memory, q + k, q + 2 * k), heads.key_heads, heads.width), parts);
  return out(reshape(attended, x.shape()), residual);
}

attention_inputs multi_head_attention::inputs(const variable& x, long first_position) const {
  const tensor product = joint(x).value();
  attention_inputs in{heads.queries(product), heads.keys(product), heads.values(product)};
  if (!rotary.cosine.empty()) {
    in.queries = qkv::rotary(in.queries, rotary, first_position);
    in.keys = qkv::rotary(in.keys, rotary, first_position);
  }
  return in;
}

variable multi_head_attention::continued(const variable& x, key_value_cache& cache, const variable& residual) const {
  const no_gradient values_only;
  const auto in = inputs(x, cache.length());
  cache.append(in.keys, in.values);
  const tensor attended = attention_values(in.queries, cache.keys(), cache.values(), parts);
  return out(variable(attended.reshape(x.shape())), residual);
}

}  // namespace qkv::nn
