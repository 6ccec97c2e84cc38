#include "qkv/models/encoder_decoder.h"

#include <cmath>

#include "qkv/autograd/elementwise.h"
#include "qkv/autograd/loss.h"
#include "qkv/models/encoder_decoder_state.h"

namespace qkv {
namespace {

nn::multi_head_attention attention_for(const encoder_decoder_config& c, nn::initialisation& init, attention_parts how) {
  init.deviation = nn::glorot(c.width, c.width);
  return nn::multi_head_attention(
      {.width = c.width, .heads = c.heads, .biases = c.biases, .out_deviation = init.deviation}, init, std::move(how));
}

nn::feed_forward feed_forward_for(const encoder_decoder_config& c, nn::initialisation& init) {
  init.deviation = nn::glorot(c.width, c.hidden_width());
  return nn::feed_forward(c.feed_forward, c.width, c.hidden_width(), c.biases, init, init.deviation);
}

nn::block encoder_block(const encoder_decoder_config& c, nn::initialisation& init) {
  nn::block block;
  block.place = c.norms;
  for (nn::norm* norm : {&block.norm1, &block.norm2}) *norm = nn::norm(c.norm, c.width, c.biases);
  block.mixer = attention_for(c, init, make_attention_parts());
  block.update = feed_forward_for(c, init);
  for (nn::dropout* dropout : {&block.dropout1, &block.dropout2}) *dropout = nn::dropout(c.dropout, init);
  return block;
}

nn::cross_block decoder_block(const encoder_decoder_config& c, nn::initialisation& init) {
  nn::cross_block block;
  block.place = c.norms;
  for (nn::norm* norm : {&block.norm1, &block.norm2, &block.norm3}) *norm = nn::norm(c.norm, c.width, c.biases);
  block.attention = attention_for(c, init, make_attention_parts(causal));
  block.cross = attention_for(c, init, make_attention_parts());
  block.update = feed_forward_for(c, init);
  for (nn::dropout* dropout : {&block.dropout1, &block.dropout2, &block.dropout3})
    *dropout = nn::dropout(c.dropout, init);
  return block;
}

}  // namespace

encoder_decoder::encoder_decoder(const encoder_decoder_config& config, std::uint64_t seed)
    : encoder_decoder(config, nn::initialisation(seed)) {}
encoder_decoder::encoder_decoder(const encoder_decoder_config& config)
    : encoder_decoder(config, nn::initialisation::of_zeros()) {}

encoder_decoder::encoder_decoder(const encoder_decoder_config& config, nn::initialisation init) : config_(config) {
  check(config);
  init.deviation = 1 / std::sqrt(double(config.width));
  if (!config.shared_vocabulary) source_tokens_ = nn::embedding(config.source_vocabulary, config.width, init);
  target_tokens_ = nn::embedding(config.target_vocabulary, config.width, init);
  positions_ = position_vectors(config.told_positions(), init);
  for (nn::dropout& dropout : embedding_dropout_) dropout = nn::dropout(config.dropout, init);
  for (long i = 0; i < config.encoder_layers; ++i) encoder_.push_back(encoder_block(config, init));
  for (long i = 0; i < config.decoder_layers; ++i) decoder_.push_back(decoder_block(config, init));
  for (nn::norm* norm : {&encoder_norm_, &decoder_norm_}) *norm = nn::norm(config.norm, config.width, config.biases);
  if (!config.tied_head) {
    const shape sizes{config.target_vocabulary, config.width};
    head_ = variable(init.normal(sizes, nn::glorot(config.width, config.target_vocabulary)), needs_gradient);
  }
}

std::string encoder_decoder::in_words() const {
  return "encoder and decoder of " + std::to_string(config_.encoder_layers) + " and " +
         std::to_string(config_.decoder_layers) + " layers, " + std::to_string(config_.heads) + " heads, width " +
         std::to_string(config_.width);
}

void encoder_decoder::check_length(const char* which, long length) const {
  if (length <= config_.context) return;
  refuse("encoder_decoder",
         std::string(which) + " of at most " + std::to_string(config_.context) + " tokens, the context of this model",
         std::to_string(length));
}

// The embedding is multiplied by sqrt(C), so that its numbers are of the positions' size (section 3.4).
variable encoder_decoder::embed(const nn::embedding& tokens, const tensor& ids, const tensor& positions,
                                const nn::forward_mode& mode) const {
  variable x = multiply(tokens(ids), float(std::sqrt(double(config_.width))));
  if (!positions_.empty()) x = add(x, embedding(positions_, positions));
  return embedding_dropout_[&tokens == &target_tokens_](x, mode);
}

variable encoder_decoder::encode(const packed_tokens& source, const nn::forward_mode& mode) const {
  check_length("a source", source.longest());
  const sequences own = packed(source.offsets);
  variable x = embed(source_tokens(), source.ids, source.positions, mode);
  for (const nn::block& block : encoder_) x = block(x, mode, own);
  return last_norm(encoder_norm_, x);
}

variable encoder_decoder::decode(const packed_tokens& heard, const variable& memory, const packed_tokens& source,
                                 const nn::forward_mode& mode) const {
  check_length("a translation", heard.longest());
  const sequences own = packed(heard.offsets), links = packed(heard.offsets, source.offsets);
  variable x = embed(target_tokens_, heard.ids, heard.positions, mode);
  for (const nn::cross_block& block : decoder_) x = block(x, memory, mode, own, links);
  return last_norm(decoder_norm_, x);
}

variable encoder_decoder::loss(const text_pairs& pairs, double smoothing, const nn::forward_mode& mode) const {
  const variable memory = encode(pairs.source, mode);
  return linear_cross_entropy(decode(pairs.heard, memory, pairs.source, mode), head(), pairs.targets,
                              {.smoothing = smoothing});
}

std::unique_ptr<translation_state> encoder_decoder::start(const packed_tokens& sources, long longest) const {
  check_length("a translation", longest);
  return std::make_unique<encoder_decoder_state>(*this, sources, longest);
}

std::vector<tensor> encoder_decoder::alignments(const text_pairs& pair) const {
  if (pair.source.sequences() != 1 || pair.heard.sequences() != 1) {
    refuse("encoder_decoder", "one pair of texts to align", std::to_string(pair.source.sequences()));
  }
  const no_gradient values_only;
  const variable memory = encode(pair.source, {});
  variable x = embed(target_tokens_, pair.heard.ids, pair.heard.positions, {});
  std::vector<tensor> layers;
  for (const nn::cross_block& block : decoder_) {
    layers.push_back(block.looks(x, memory));
    x = block(x, memory, {}, {}, {});
  }
  return layers;
}

}  // namespace qkv
