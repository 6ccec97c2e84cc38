#include "qkv/models/encoder.h"

#include <cmath>

#include "qkv/autograd/autograd.h"
#include "qkv/ops/concatenate.h"

namespace qkv {
namespace {

/// Products that end a branch begin as large as the others: a branch adds as much as it is given.
nn::token_mixer mixer_for(const encoder_config& c, nn::initialisation& init) {
  if (c.mixer == nn::mixer_kind::attention)
    return nn::multi_head_attention(
        {.width = c.width, .heads = c.heads, .biases = c.biases, .out_deviation = init.deviation}, init,
        parts_with_positions(c.told_positions(), everything, sides::both, init));
  const nn::mixer_sizes sizes{.width = c.width,
                              .heads = c.heads,
                              .tokens = c.context,
                              .taps = c.taps,
                              .causal = false,
                              .biases = c.biases,
                              .out_deviation = init.deviation};
  return nn::make_token_mixer(c.mixer, sizes, init);
}

nn::block make_block(const encoder_config& c, nn::initialisation& init) {
  const double ordinary = init.deviation;
  nn::block block;
  block.place = c.norms;
  for (nn::norm* norm : {&block.norm1, &block.norm2}) *norm = nn::norm(c.norm, c.width, c.biases);
  init.deviation = nn::glorot(c.width, c.width);
  block.mixer = mixer_for(c, init);
  init.deviation = nn::glorot(c.width, c.hidden_width());
  block.update = nn::feed_forward(c.feed_forward, c.width, c.hidden_width(), c.biases, init, init.deviation);
  for (nn::dropout* dropout : {&block.dropout1, &block.dropout2}) *dropout = nn::dropout(c.dropout, init);
  init.deviation = ordinary;
  return block;
}

long rows_of(const tensor& t) { return t.empty() ? 0 : t.dim(0); }

void check_vectors(const char* what, const tensor& vectors, long width) {
  if (vectors.empty()) return;
  if (width == 0) refuse("encoder", std::string("no ") + what + ", which this model does not read", "some");
  if (vectors.rank() != 2 || vectors.dim(1) != width)
    refuse("encoder", std::string(what) + " of [T, " + std::to_string(width) + "]", to_string(vectors.shape()));
}

/// All of them, one below the other; an empty tensor where there are none.
tensor stacked(std::span<const encoder_example> examples, tensor encoder_example::*member) {
  std::vector<tensor> parts;
  for (const encoder_example& example : examples)
    if (rows_of(example.*member) > 0) parts.push_back(example.*member);
  return parts.empty() ? tensor() : concatenate(std::span<const tensor>(parts), 0);
}

}  // namespace

encoder::encoder(const encoder_config& c, nn::initialisation& init) : config_(c) {
  check(c);
  // Fixed positions are sines of mean square 1/2; tokens that are added to them are as large.
  init.deviation = c.told_positions().fixed() ? std::sqrt(0.5) : 0.02;
  if (c.vocabulary > 0) tokens_ = nn::embedding(c.vocabulary, c.width, init);
  init.deviation = 0.02;
  if (c.patch_width > 0) patches_ = nn::linear(c.patch_width, c.width, true, init, nn::glorot(c.patch_width, c.width));
  if (c.frame_width > 0) frames_ = nn::linear(c.frame_width, c.width, true, init, nn::glorot(c.frame_width, c.width));
  if (c.pooling == pooling::class_token)
    class_token_ = variable(init.normal({1, c.width}, init.deviation), needs_gradient);
  positions_ = position_vectors(c.told_positions(), init);
  if (c.kinds() > 1) kinds_ = nn::embedding(3, c.width, init);
  if (c.embedding_norm) embedding_norm_ = nn::norm(c.norm, c.width, c.biases);
  dropout_ = nn::dropout(c.dropout, init);
  for (long i = 0; i < c.layers; ++i) blocks_.push_back(make_block(c, init));
  if (c.norms == nn::norm_place::before) norm_ = nn::norm(c.norm, c.width, c.biases);
}

long encoder::length_of(const encoder_example& e) const {
  return !class_token_.empty() + long(e.text.size()) + rows_of(e.patches) + rows_of(e.frames);
}

void encoder::check_example(const encoder_example& e) const {
  if (!e.text.empty() && config_.vocabulary == 0)
    refuse("encoder", "no texts, which this model does not read", std::to_string(e.text.size()) + " tokens");
  check_vectors("patches", e.patches, config_.patch_width);
  check_vectors("frames", e.frames, config_.frame_width);
  const long read = length_of(e);
  if (read == !class_token_.empty()) refuse("encoder", "something to read", "an empty sequence");
  if (read > config_.context)
    refuse("encoder", "at most " + std::to_string(config_.context) + " tokens, the context of this model",
           std::to_string(read));
}

encoder_batch encoder::join(std::span<const encoder_example> examples) const {
  if (examples.empty()) refuse("encoder", "at least one sequence", "none");
  encoder_batch batch;
  std::vector<std::int32_t> text, rows, positions, kinds;
  batch.patches = stacked(examples, &encoder_example::patches);
  batch.frames = stacked(examples, &encoder_example::frames);
  for (const encoder_example& e : examples) {
    check_example(e);
    text.insert(text.end(), e.text.begin(), e.text.end());
  }
  const long first_text = !class_token_.empty(), first_patch = first_text + long(text.size());
  long next[] = {first_text, first_patch, first_patch + rows_of(batch.patches)};
  batch.offsets.push_back(0);
  for (const encoder_example& e : examples) {
    if (!class_token_.empty()) rows.push_back(0), kinds.push_back(0);
    const long counts[] = {long(e.text.size()), rows_of(e.patches), rows_of(e.frames)};
    for (int kind = 0; kind < 3; ++kind)
      for (long i = 0; i < counts[kind]; ++i) {
        rows.push_back(std::int32_t(next[kind]++));
        kinds.push_back(kind);
      }
    for (std::int32_t place = 0; positions.size() < rows.size(); ++place) positions.push_back(place);
    batch.offsets.push_back(long(rows.size()));
  }
  const long count = long(rows.size()), letters = long(text.size());
  if (letters > 0) batch.text = tensor({letters}, std::move(text));
  batch.rows = tensor({1, count}, std::move(rows));
  batch.positions = tensor({1, count}, std::move(positions));
  batch.kinds = tensor({1, count}, std::move(kinds));
  return batch;
}

// Each kind by its own first layer; then the vectors are put into the order of their sequences.
variable encoder::embed(const encoder_batch& batch, const nn::forward_mode& mode) const {
  std::vector<variable> all;
  if (!class_token_.empty()) all.push_back(class_token_);
  if (!batch.text.empty()) all.push_back(tokens_(batch.text));
  if (!batch.patches.empty()) all.push_back(patches_(variable(batch.patches)));
  if (!batch.frames.empty()) all.push_back(frames_(variable(batch.frames)));
  variable x = embedding(concatenate(all, 0), batch.rows);
  if (!positions_.empty()) x = add(x, embedding(positions_, batch.positions));
  if (!kinds_.weight.empty()) x = add(x, kinds_(batch.kinds));
  if (!embedding_norm_.weight.empty()) x = embedding_norm_(x);
  return dropout_(x, mode);
}

variable encoder::operator()(const encoder_batch& batch, const nn::forward_mode& mode) const {
  const sequences own = packed(batch.offsets);
  variable x = embed(batch, mode);
  for (const nn::block& block : blocks_) x = block(x, mode, own);
  return norm_.weight.empty() ? x : norm_(x);
}

variable encoder::pooled(const variable& hidden, const encoder_batch& batch) const {
  const variable tokens = reshape(hidden, {batch.tokens(), config_.width});
  if (config_.pooling == pooling::class_token) {
    const std::vector<std::int32_t> first(batch.offsets.begin(), batch.offsets.end() - 1);
    return embedding(tokens, tensor({batch.sequences()}, first));
  }
  return segment_mean(tokens, batch.offsets);
}

std::vector<nn::attention_inputs> encoder::links(const encoder_batch& batch) const {
  if (batch.sequences() != 1) refuse("encoder", "one sequence to look at", std::to_string(batch.sequences()));
  const no_gradient values_only;
  std::vector<nn::attention_inputs> layers;
  variable x = embed(batch, {});
  for (const nn::block& block : blocks_) {
    layers.push_back(block.links(x));
    x = block(x, {});
  }
  return layers;
}

tensor encoder::attention_weights(const nn::attention_inputs& layer) const {
  return blocks_.front().mixer.attention()->weights(layer);
}

std::shared_ptr<const formula> encoder::even_rule() const { return make_formula(uniform); }

std::vector<tensor> encoder::looks(const encoder_batch& batch) const {
  std::vector<tensor> layers;
  for (const nn::attention_inputs& layer : links(batch)) layers.push_back(attention_weights(layer).select(0, 0));
  return layers;
}

}  // namespace qkv
