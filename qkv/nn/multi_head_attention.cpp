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

/// Values that say which key they belong to: the blend of unit vectors is the weights themselves.
tensor unit_values(long batch, long keys, long key_heads) {
  const tensor units({batch, keys, key_heads, keys});
  for (long b = 0; b < batch; ++b)
    for (long t = 0; t < keys; ++t)
      for (long g = 0; g < key_heads; ++g) units.at<float>(b, t, g, t) = 1;
  return units;
}

/// Rows from .. to of a linear layer, applied: one of the projections that the joint product holds.
variable project(const linear& layer, const variable& x, long from, long to) {
  return qkv::linear(x, slice(layer.weight, 0, from, to),
                     layer.bias.empty() ? variable() : slice(layer.bias, 0, from, to));
}

}  // namespace

multi_head_attention::multi_head_attention(const attention_options& o, initialisation& init, attention_parts given)
    : heads(heads_for(o)),
      joint(o.width, heads.joint_width(), o.biases, init, init.deviation),
      out(o.width, o.width, o.biases, init, o.out_deviation),
      parts(std::move(given)),
      rotary(o.rotary ? *o.rotary : rotary_table()) {}

attention_parts multi_head_attention::parts_of(const sequences& ragged) const {
  attention_parts these = parts;
  if (ragged.how != sequences::whole) these.ragged = ragged;
  return these;
}

variable multi_head_attention::operator()(const variable& x, const variable& residual, const sequences& ragged) const {
  return out(self_attention(joint(x), heads, parts_of(ragged), rotary.cosine.empty() ? nullptr : &rotary), residual);
}

variable multi_head_attention::over(const variable& x, const variable& memory, const variable& residual,
                                    const sequences& ragged) const {
  const long q = heads.heads * heads.width;
  const variable queries = project(joint, x, 0, q), links = project(joint, memory, q, heads.joint_width());
  return out(cross_attention(queries, links, heads, parts_of(ragged)), residual);
}

memory_links multi_head_attention::memory_of(const variable& memory) const {
  const no_gradient values_only;
  const long q = heads.heads * heads.width;
  const tensor links = project(joint, memory, q, heads.joint_width()).value();
  return {heads.keys_of(links), heads.values_of(links)};
}

tensor multi_head_attention::queries_of(const variable& x) const {
  return project(joint, x, 0, heads.heads * heads.width)
      .value()
      .reshape({x.dim(0), x.dim(1), heads.heads, heads.width});
}

tensor multi_head_attention::weights_over(const variable& x, const variable& memory) const {
  const no_gradient values_only;
  const tensor units = unit_values(memory.dim(0), memory.dim(1), heads.key_heads);
  return attention_values(queries_of(x), memory_of(memory).keys, units, parts).transpose(1, 2);
}

tensor multi_head_attention::weights(const attention_inputs& in) const {
  const tensor units = unit_values(in.keys.dim(0), in.keys.dim(1), heads.key_heads);
  return attention_values(in.queries, in.keys, units, parts).transpose(1, 2);
}

variable multi_head_attention::over(const variable& x, const memory_links& memory, const variable& residual,
                                    const sequences& ragged) const {
  const no_gradient values_only;
  const tensor attended = attention_values(queries_of(x), memory.keys, memory.values, parts_of(ragged));
  return out(variable(attended.reshape(x.shape())), residual);
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
