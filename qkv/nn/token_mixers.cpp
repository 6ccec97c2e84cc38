#include "qkv/nn/token_mixers.h"

#include "qkv/autograd/elementwise.h"
#include "qkv/autograd/feed_forward.h"
#include "qkv/autograd/linear_attention.h"
#include "qkv/autograd/mixing.h"
#include "qkv/autograd/views.h"
#include "qkv/nn/ragged.h"

namespace qkv::nn {
namespace {

void check_heads(const mixer_sizes& sizes) {
  if (sizes.heads < 1 || sizes.width % sizes.heads != 0) {
    refuse("token_mixer", "a number of heads that divides the width " + std::to_string(sizes.width),
           std::to_string(sizes.heads));
  }
}

variable with_residual(const variable& y, const variable& residual) { return residual.empty() ? y : add(residual, y); }

/// The last tokens of y [B, T, C].
variable latest(const variable& y, long count) {
  return variable(y.value().slice(1, y.dim(1) - count, y.dim(1)).to_contiguous());
}

/// Refuses to read on where tokens see those after them.
void need_causal(bool holds, const char* mixer) {
  if (!holds) refuse(mixer, "a causal mixer, to read on from a state", "one whose tokens see those after them");
}

}  // namespace

// ---- uniform

uniform_mixer::uniform_mixer(const mixer_sizes& sizes, initialisation& init, attention_parts given)
    : value(sizes.width, sizes.width, sizes.biases, init, init.deviation),
      out(sizes.width, sizes.width, sizes.biases, init, sizes.out_deviation),
      heads(sizes.heads),
      parts(std::move(given)) {
  check_heads(sizes);
}

namespace {

/// Queries and keys that nobody reads.
tensor nothing_asked(const tensor& values, long tokens) { return tensor({values.dim(0), tokens, values.dim(2), 1}); }

}  // namespace

variable uniform_mixer::operator()(const variable& x, const variable& residual, const sequences& own) const {
  attention_parts these = parts;
  if (own.how != sequences::whole) these.ragged = own;
  const variable v = reshape(value(x), {x.dim(0), x.dim(1), heads, x.dim(2) / heads});
  const variable none(nothing_asked(v.value(), x.dim(1)));
  return out(reshape(attention(none, none, v, these), x.shape()), residual);
}

mixer_state uniform_mixer::make_state(long sequences, long capacity) const {
  mixer_state state(capacity);
  state.history = token_history(sequences, capacity, value.weight.dim(0));
  return state;
}

variable uniform_mixer::continued(const variable& x, mixer_state& state, const variable& residual) const {
  const no_gradient values_only;
  state.lengthen(x.dim(1));
  state.history.append(value(x).value());
  const tensor seen = state.history.latest(state.length());
  const tensor v = seen.reshape({seen.dim(0), seen.dim(1), heads, seen.dim(2) / heads});
  const tensor mean = attention_values(nothing_asked(v, x.dim(1)), nothing_asked(v, v.dim(1)), v, parts);
  return out(variable(mean.reshape(x.shape())), residual);
}

// ---- MLP

namespace {

/// Ones where a row's place is not before a column's; `rows_for_each` rows and `columns_for_each` columns of a place.
tensor places_seen(long tokens, long rows_for_each, long columns_for_each) {
  const tensor mask({tokens * rows_for_each, tokens * columns_for_each});
  for (long i = 0; i < mask.dim(0); ++i)
    for (long j = 0; j < mask.dim(1); ++j)
      if (j / columns_for_each <= i / rows_for_each) mask.at<float>(i, j) = 1;
  return mask;
}

/// The part of a layer for the first places.
linear first_places(const linear& layer, const tensor& mask, long outputs, long inputs) {
  if (mask.empty() && layer.weight.shape() == shape{outputs, inputs}) return layer;
  const auto corner = [&](const variable& w) { return slice(slice(w, 0, 0, outputs), 1, 0, inputs); };
  linear part;
  part.weight = mask.empty() ? corner(layer.weight) : multiply(corner(layer.weight), corner(variable(mask)));
  if (!layer.bias.empty()) part.bias = slice(layer.bias, 0, 0, outputs);
  return part;
}

}  // namespace

mlp_mixer::mlp_mixer(const mixer_sizes& sizes, initialisation& init)
    : up(sizes.tokens, hidden_for_each * sizes.tokens, sizes.biases, init, init.deviation),
      down(hidden_for_each * sizes.tokens, sizes.tokens, sizes.biases, init, sizes.out_deviation) {
  if (sizes.tokens < 1) refuse("mlp_mixer", "a number of tokens", std::to_string(sizes.tokens));
  if (!sizes.causal) return;
  up_mask = places_seen(sizes.tokens, hidden_for_each, 1);
  down_mask = places_seen(sizes.tokens, 1, hidden_for_each);
}

variable mlp_mixer::operator()(const variable& x, const variable& residual, const sequences& own) const {
  if (own.how != sequences::whole) {
    return with_residual(each_sequence("mlp_mixer", x, own, [&](const variable& one) { return (*this)(one); }),
                         residual);
  }
  const long tokens = x.dim(1), most = up.weight.dim(1);
  if (tokens > most) refuse("mlp_mixer", "at most " + std::to_string(most) + " tokens", std::to_string(tokens));
  const long hidden = hidden_for_each * (up_mask.empty() ? most : tokens);
  const linear u = first_places(up, up_mask, hidden, tokens);
  const linear d = first_places(down, down_mask, tokens, hidden);
  const variable mixed =
      qkv::feed_forward(transpose(x, 1, 2), u.weight, u.bias, d.weight, d.bias, variable(), activation::gelu);
  const variable y = transpose(mixed, 1, 2);
  return with_residual(y, residual);
}

mixer_state mlp_mixer::make_state(long, long capacity) const { return mixer_state(capacity); }

variable mlp_mixer::continued(const variable& x, mixer_state& state, const variable& residual) const {
  need_causal(!up_mask.empty(), "mlp_mixer");
  const no_gradient values_only;
  if (state.history.empty()) state.history = token_history(x.dim(0), state.capacity(), x.dim(2));
  state.lengthen(x.dim(1));
  state.history.append(x.value());
  const variable all((*this)(variable(state.history.latest(state.length()))).value().to_contiguous());
  return with_residual(latest(all, x.dim(1)), residual);
}

// ---- convolution

convolution_mixer::convolution_mixer(const mixer_sizes& sizes, initialisation& init)
    : reach(sizes.causal ? convolution_reach::past : convolution_reach::centred) {
  if (sizes.taps < 1) refuse("convolution_mixer", "at least one tap", std::to_string(sizes.taps));
  // As large as a mean of its taps: the sum has the size of one token.
  weight = variable(init.normal({sizes.taps, sizes.width}, 1 / std::sqrt(double(sizes.taps))), needs_gradient);
  if (sizes.biases) bias = variable(tensor({sizes.width}), needs_gradient);
  out = linear(sizes.width, sizes.width, sizes.biases, init, sizes.out_deviation);
}

variable convolution_mixer::operator()(const variable& x, const variable& residual, const sequences& own) const {
  const auto filtered = [&](const variable& one) { return depthwise_convolution(one, weight, bias, reach); };
  return out(each_sequence("convolution_mixer", x, own, filtered), residual);
}

mixer_state convolution_mixer::make_state(long sequences, long capacity) const {
  mixer_state state(capacity);
  state.history = token_history(sequences, capacity, weight.dim(1));
  return state;
}

variable convolution_mixer::continued(const variable& x, mixer_state& state, const variable& residual) const {
  need_causal(reach == convolution_reach::past, "convolution_mixer");
  const no_gradient values_only;
  state.lengthen(x.dim(1));
  state.history.append(x.value());
  const variable near(state.history.latest(x.dim(1) + weight.dim(0) - 1));
  return out(latest(depthwise_convolution(near, weight, bias, reach), x.dim(1)), residual);
}

// ---- Fourier

fourier_mixer::fourier_mixer(const mixer_sizes& sizes) {
  if (sizes.causal) {
    refuse("fourier_mixer", "sizes that are not causal: every token of a Fourier transform sees those after it",
           "causal ones");
  }
}

variable fourier_mixer::operator()(const variable& x, const variable& residual, const sequences& own) const {
  return with_residual(each_sequence("fourier_mixer", x, own, fourier_mixing), residual);
}

mixer_state fourier_mixer::make_state(long, long capacity) const { return mixer_state(capacity); }

variable fourier_mixer::continued(const variable&, mixer_state&, const variable&) const {
  need_causal(false, "fourier_mixer");
  return {};
}

// ---- linear attention

linear_attention_mixer::linear_attention_mixer(const mixer_sizes& sizes, initialisation& init) : causal(sizes.causal) {
  check_heads(sizes);
  heads = {sizes.heads, sizes.heads, sizes.width / sizes.heads};
  joint = linear(sizes.width, heads.joint_width(), sizes.biases, init, init.deviation);
  out = linear(sizes.width, sizes.width, sizes.biases, init, sizes.out_deviation);
}

namespace {

linear_attention_options options_for(const linear_attention_mixer& mixer) {
  return {.features = features::elu_plus_one, .causal = mixer.causal, .normalise = true, .scale = 1};
}

}  // namespace

variable linear_attention_mixer::operator()(const variable& x, const variable& residual, const sequences& own) const {
  const auto read_one = [&](const variable& product) {
    const variable all = reshape(product, {product.dim(0), product.dim(1), 3 * heads.heads, heads.width});
    const auto part = [&](long n) { return slice(all, 2, n * heads.heads, (n + 1) * heads.heads); };
    return reshape(linear_attention(part(0), part(1), part(2), options_for(*this)),
                   {product.dim(0), product.dim(1), heads.heads * heads.width});
  };
  return out(each_sequence("linear_attention_mixer", joint(x), own, read_one), residual);
}

mixer_state linear_attention_mixer::make_state(long, long capacity) const { return mixer_state(capacity); }

variable linear_attention_mixer::continued(const variable& x, mixer_state& state, const variable& residual) const {
  need_causal(causal, "linear_attention_mixer");
  const no_gradient values_only;
  state.lengthen(x.dim(1));
  const tensor product = joint(x).value();
  auto options = options_for(*this);
  options.state = state.recurrent;
  const auto run =
      linear_attention_forward(heads.queries(product), heads.keys(product), heads.values(product), options);
  state.recurrent = run.state;
  return out(variable(run.out.reshape(x.shape())), residual);
}

// ---- GRU

gru_mixer::gru_mixer(const mixer_sizes& sizes, initialisation& init) {
  if (!sizes.causal && sizes.width % 2 != 0) {
    refuse("gru_mixer", "an even width, half of it for each direction", std::to_string(sizes.width));
  }
  recurrent = nn::recurrent({.cell = recurrent_cell::gru,
                             .width = sizes.width,
                             .units = sizes.causal ? sizes.width : sizes.width / 2,
                             .bidirectional = !sizes.causal,
                             .biases = sizes.biases},
                            init);
  out = linear(sizes.width, sizes.width, sizes.biases, init, sizes.out_deviation);
}

variable gru_mixer::operator()(const variable& x, const variable& residual, const sequences& own) const {
  if (own.how == sequences::padded_) refuse("gru_mixer", "sequences whole or packed", "padded ones");
  const auto offsets = own.how == sequences::whole ? equal_offsets(x.dim(0), x.dim(1)) : own.queries;
  const auto reading = recurrent(reshape(x, {x.dim(0) * x.dim(1), x.dim(2)}), offsets);
  return out(reshape(reading.states, x.shape()), residual);
}

mixer_state gru_mixer::make_state(long, long capacity) const { return mixer_state(capacity); }

variable gru_mixer::continued(const variable& x, mixer_state& state, const variable& residual) const {
  need_causal(!recurrent.bidirectional, "gru_mixer");
  const no_gradient values_only;
  state.lengthen(x.dim(1));
  const recurrent_ends start[] = {{variable(state.recurrent), {}}};
  const auto reading =
      recurrent(reshape(x, {x.dim(0) * x.dim(1), x.dim(2)}), equal_offsets(x.dim(0), x.dim(1)), {}, start);
  state.recurrent = reading.last[0].state.value();
  return out(reshape(reading.states, x.shape()), residual);
}

}  // namespace qkv::nn
