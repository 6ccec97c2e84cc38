#include "qkv/nn/multi_head_attention.h"

#include "qkv/autograd/elementwise.h"
#include "qkv/autograd/mixing.h"
#include "qkv/autograd/views.h"
#include "qkv/nn/ragged.h"

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

long projected_width(const joint_heads& heads, shared_projections shared) {
  const long q = heads.heads * heads.width, k = heads.key_heads * heads.width;
  return shared == shared_projections::none ? q + 2 * k : shared == shared_projections::query_key ? q + k : q;
}

linear joint_layer(const attention_options& o, const joint_heads& heads, initialisation& init) {
  if (o.shared != shared_projections::none && heads.key_heads != heads.heads) {
    refuse("multi_head_attention", "as many key heads as heads where queries and keys share a projection",
           std::to_string(heads.key_heads) + " and " + std::to_string(heads.heads));
  }
  return linear(o.width, projected_width(heads, o.shared), o.biases, init, init.deviation);
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
variable project_rows(const linear& layer, const variable& x, long from, long to) {
  return qkv::linear(x, slice(layer.weight, 0, from, to),
                     layer.bias.empty() ? variable() : slice(layer.bias, 0, from, to));
}

variable heads_as_one(const variable& x) { return reshape(x, {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)}); }

}  // namespace

multi_head_attention::multi_head_attention(const attention_options& o, initialisation& init, attention_parts given)
    : heads(heads_for(o)),
      joint(joint_layer(o, heads, init)),
      out(o.width, o.width, o.biases, init, o.out_deviation),
      parts(std::move(given)),
      rotary(o.rotary ? *o.rotary : rotary_table()),
      shared(o.shared) {
  if (o.query_context < 0) {
    refuse("multi_head_attention", "a query context of at least 0 tokens", std::to_string(o.query_context));
  }
  if (o.query_context > 0) {
    context = variable(tensor({o.query_context, o.width}), needs_gradient);
    context.value().select(0, o.query_context - 1).fill(1);
  }
  if (o.adapted_keys) adapt = linear(o.width, o.width, o.biases, init, init.deviation);
}

attention_parts multi_head_attention::parts_of(const sequences& ragged) const {
  attention_parts these = parts;
  if (ragged.how != sequences::whole) these.ragged = ragged;
  return these;
}

variable multi_head_attention::operator()(const variable& x, const variable& residual, const sequences& ragged) const {
  if (plain()) {
    return out(self_attention(joint(x), heads, parts_of(ragged), rotary.cosine.empty() ? nullptr : &rotary), residual);
  }
  projections p = project(query_input(x, ragged), x);
  turn(p, 0);
  return out(blend(p, parts_of(ragged)), residual);
}

variable multi_head_attention::over(const variable& x, const variable& memory, const variable& residual,
                                    const sequences& ragged) const {
  if (plain()) {
    const long q = heads.heads * heads.width;
    const variable queries = project_rows(joint, x, 0, q), links = project_rows(joint, memory, q, heads.joint_width());
    return out(cross_attention(queries, links, heads, parts_of(ragged)), residual);
  }
  return out(blend(project(query_input(x, ragged), memory), parts_of(ragged)), residual);
}

variable multi_head_attention::over(const variable& x, const memory_links& memory, const variable& residual,
                                    const sequences& ragged) const {
  const no_gradient values_only;
  need_no_context("over");
  const projections p{some_heads(x, 0, heads.heads), variable(memory.keys), variable(memory.values), -1};
  return out(blend(p, parts_of(ragged)), residual);
}

memory_links multi_head_attention::memory_of(const variable& memory) const {
  const no_gradient values_only;
  if (shared == shared_projections::none) {
    const tensor links = project_rows(joint, memory, heads.heads * heads.width, heads.joint_width()).value();
    return {heads.keys_of(links), heads.values_of(links)};
  }
  return {some_heads(memory, first_key(), heads.key_heads).value(),
          some_heads(memory, first_value(), heads.key_heads).value()};
}

tensor multi_head_attention::weights_over(const variable& x, const variable& memory) const {
  const no_gradient values_only;
  const projections p = project(query_input(x, {}), memory);
  const tensor units = unit_values(memory.dim(0), memory.dim(1), heads.key_heads);
  return attention_values(meeting(p, parts).value(), p.k.value(), units, parts).transpose(1, 2);
}

tensor multi_head_attention::weights(const attention_inputs& in) const {
  const tensor units = unit_values(in.keys.dim(0), in.keys.dim(1), heads.key_heads);
  return attention_values(in.queries, in.keys, units, in.parts).transpose(1, 2);
}

void multi_head_attention::need_no_context(const char* place) const {
  if (!context.empty()) {
    refuse(place, "queries of tokens by themselves, where tokens come one by one", "a query context");
  }
}

variable multi_head_attention::query_input(const variable& x, const sequences& ragged) const {
  if (context.empty()) return x;
  return each_sequence("multi_head_attention", x, ragged, [&](const variable& one) {
    return depthwise_convolution(one, context, variable(), convolution_reach::past);
  });
}

variable multi_head_attention::some_heads(const variable& x, long first, long count) const {
  const variable y = project_rows(joint, x, first * heads.width, (first + count) * heads.width);
  return reshape(y, {x.dim(0), x.dim(1), count, heads.width});
}

multi_head_attention::projections multi_head_attention::project(const variable& from, const variable& memory) const {
  if (from.value().same_as(memory.value())) {  // one product for all three
    const long rows = joint.weight.dim(0) / heads.width;
    const variable all = reshape(joint(from), {from.dim(0), from.dim(1), rows, heads.width});
    const auto part = [&](long first, long count) { return slice(all, 2, first, first + count); };
    return {part(0, heads.heads), part(first_key(), heads.key_heads), part(first_value(), heads.key_heads), -1};
  }
  return {some_heads(from, 0, heads.heads), some_heads(memory, first_key(), heads.key_heads),
          some_heads(memory, first_value(), heads.key_heads), -1};
}

void multi_head_attention::turn(projections& p, long first) const {
  if (rotary.cosine.empty()) return;
  p.k = qkv::rotary(p.k, rotary, first), p.first = first;
}

variable multi_head_attention::turned(const variable& q, long first) const {
  return first < 0 ? q : qkv::rotary(q, rotary, first);
}

variable multi_head_attention::adapted(const variable& q, const variable& found) const {
  const variable weights = multiply(sigmoid(adapt(heads_as_one(found))), 2);
  return multiply(q, reshape(weights, q.shape()));
}

variable multi_head_attention::meeting(const projections& p, const attention_parts& how) const {
  const variable q = turned(p.q, p.first);
  return adapt.weight.empty() ? q : turned(adapted(p.q, attention(q, p.k, p.v, how)), p.first);
}

variable multi_head_attention::blend(const projections& p, const attention_parts& how) const {
  return heads_as_one(attention(meeting(p, how), p.k, p.v, how));
}

attention_inputs multi_head_attention::inputs(const variable& x) const {
  const no_gradient values_only;
  projections p = project(query_input(x, {}), x);
  turn(p, 0);
  return {meeting(p, parts).value(), p.k.value(), p.v.value(), parts};
}

mixer_state multi_head_attention::make_state(long sequences, long capacity) const {
  mixer_state state(capacity);
  state.keys_and_values = key_value_cache(sequences, capacity, heads.key_heads, heads.width);
  if (!context.empty()) state.history = token_history(sequences, capacity, context.dim(1));
  return state;
}

variable multi_head_attention::continued(const variable& x, mixer_state& state, const variable& residual) const {
  const no_gradient values_only;
  const long tokens = x.dim(1);
  state.lengthen(tokens);
  if (context.empty()) return continued_from(x, x, state.keys_and_values, residual);
  state.history.append(x.value());
  const tensor seen = query_input(variable(state.history.latest(tokens + context.dim(0) - 1)), {}).value();
  return continued_from(variable(seen.slice(1, seen.dim(1) - tokens, seen.dim(1))), x, state.keys_and_values, residual);
}

variable multi_head_attention::continued(const variable& x, key_value_cache& cache, const variable& residual) const {
  const no_gradient values_only;
  need_no_context("continued");
  return continued_from(x, x, cache, residual);
}

variable multi_head_attention::continued_from(const variable& from, const variable& x, key_value_cache& cache,
                                              const variable& residual) const {
  projections p = project(from, x);
  turn(p, cache.length());
  cache.append(p.k.value(), p.v.value());
  p.k = variable(cache.keys()), p.v = variable(cache.values());
  return out(blend(p, parts), residual);
}

}  // namespace qkv::nn
