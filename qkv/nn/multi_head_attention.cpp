#include "qkv/nn/multi_head_attention.h"

#include "qkv/autograd/elementwise.h"
#include "qkv/autograd/mixing.h"
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

variable multi_head_attention::operator()(const variable& x, const variable& residual) const {
  if (context.empty() && adapt.weight.empty() && shared == shared_projections::none) {
    return out(self_attention(joint(x), heads, parts, rotary.cosine.empty() ? nullptr : &rotary), residual);
  }
  projections p = project(query_input(x), x);
  turn(p, 0);
  return out(blend(p), residual);
}

variable multi_head_attention::over(const variable& x, const variable& memory, const variable& residual) const {
  return out(blend(project(query_input(x), memory)), residual);
}

variable multi_head_attention::query_input(const variable& x) const {
  return context.empty() ? x : depthwise_convolution(x, context, variable(), convolution_reach::past);
}

multi_head_attention::projections multi_head_attention::project(const variable& from, const variable& memory) const {
  const long queries = heads.heads, keys = heads.key_heads;
  const long first_key = shared == shared_projections::none ? queries : 0;
  const long first_value = shared == shared_projections::all ? 0 : first_key + keys;
  if (from.value().same_as(memory.value())) {  // one product for all three
    const long rows = joint.weight.dim(0) / heads.width;
    const variable all = reshape(joint(from), {from.dim(0), from.dim(1), rows, heads.width});
    return {slice(all, 2, 0, queries), slice(all, 2, first_key, first_key + keys),
            slice(all, 2, first_value, first_value + keys)};
  }
  const auto some_heads = [&](const variable& x, long first, long count) {
    const variable y = project_rows(joint, x, first * heads.width, (first + count) * heads.width);
    return reshape(y, {x.dim(0), x.dim(1), count, heads.width});
  };
  return {some_heads(from, 0, queries), some_heads(memory, first_key, keys), some_heads(memory, first_value, keys)};
}

void multi_head_attention::turn(projections& p, long first) const {
  if (rotary.cosine.empty()) return;
  p.q = qkv::rotary(p.q, rotary, first), p.k = qkv::rotary(p.k, rotary, first);
}

variable multi_head_attention::adapted(const variable& q, const variable& found) const {
  const variable weights = multiply(sigmoid(adapt(heads_as_one(found))), 2);
  return multiply(q, reshape(weights, q.shape()));
}

variable multi_head_attention::blend(const projections& p) const {
  variable found = attention(p.q, p.k, p.v, parts);
  if (!adapt.weight.empty()) found = attention(adapted(p.q, found), p.k, p.v, parts);  // the second pass
  return heads_as_one(found);
}

attention_inputs multi_head_attention::inputs(const variable& x) const {
  const no_gradient values_only;
  projections p = project(query_input(x), x);
  turn(p, 0);
  if (!adapt.weight.empty()) p.q = adapted(p.q, attention(p.q, p.k, p.v, parts));
  return {p.q.value(), p.k.value(), p.v.value(), parts};
}

mixer_state multi_head_attention::make_state(long sequences, long capacity) const {
  mixer_state state(capacity);
  state.keys_and_values = key_value_cache(sequences, capacity, heads.key_heads, heads.width);
  if (!context.empty()) state.history = token_history(sequences, capacity, context.dim(1));
  return state;
}

variable multi_head_attention::continued(const variable& x, mixer_state& state, const variable& residual) const {
  const no_gradient values_only;
  const long first = state.length(), tokens = x.dim(1);
  state.lengthen(tokens);
  variable from = x;
  if (!context.empty()) {
    state.history.append(x.value());
    const tensor seen = query_input(variable(state.history.latest(tokens + context.dim(0) - 1))).value();
    from = variable(seen.slice(1, seen.dim(1) - tokens, seen.dim(1)));
  }
  projections p = project(from, x);
  turn(p, first);
  state.keys_and_values.append(p.k.value(), p.v.value());
  p.k = variable(state.keys_and_values.keys()), p.v = variable(state.keys_and_values.values());
  return out(blend(p), residual);
}

}  // namespace qkv::nn
