#include "qkv/models/decoder.h"

#include <cmath>

#include "qkv/autograd/elementwise.h"
#include "qkv/autograd/loss.h"
#include "qkv/autograd/views.h"

namespace qkv {
namespace {

void check_tokens(const tensor& tokens, long first, const decoder_config& config) {
  if (tokens.rank() != 2 || tokens.type() != dtype::int32 || tokens.size() == 0) {
    refuse("decoder", "tokens [B, T] int32, at least one", to_string(tokens.shape()) + " " + name_of(tokens.type()));
  }
  if (first + tokens.dim(1) > config.context) {
    refuse("decoder", "at most " + std::to_string(config.context) + " tokens, the context of this model",
           std::to_string(first + tokens.dim(1)));
  }
}

attention_parts parts_for(const decoder_config& config, nn::initialisation& init) {
  const position_choice positions = config.told_positions();
  if (config.window > 0)
    return parts_with_positions(positions, causal & sliding_window(config.window), sides::before, init);
  return parts_with_positions(positions, causal, sides::before, init);
}

nn::token_mixer mixer_for(const decoder_config& config, const rotary_table* rotary, double out_deviation,
                          nn::initialisation& init) {
  if (config.mixer == nn::mixer_kind::attention) {
    attention_parts parts = parts_for(config, init);
    return nn::multi_head_attention({.width = config.width,
                                     .heads = config.heads,
                                     .key_heads = config.key_heads,
                                     .biases = config.biases,
                                     .out_deviation = out_deviation,
                                     .rotary = rotary,
                                     .shared = config.shared_projections,
                                     .query_context = config.query_context,
                                     .adapted_keys = config.adapted_keys},
                                    init, std::move(parts));
  }
  const nn::mixer_sizes sizes{.width = config.width,
                              .heads = config.heads,
                              .tokens = config.context,
                              .taps = config.taps,
                              .biases = config.biases,
                              .out_deviation = out_deviation};
  if (config.mixer == nn::mixer_kind::uniform && config.window > 0)
    return nn::uniform_mixer(sizes, init, causal & sliding_window(config.window));
  return nn::make_token_mixer(config.mixer, sizes, init);
}

nn::block make_block(const decoder_config& config, const rotary_table* rotary, nn::initialisation& init) {
  const double end_of_branch = init.deviation / std::sqrt(2.0 * double(config.layers));
  nn::block block;
  block.place = config.norms;
  block.norm1 = nn::norm(config.norm, config.width, config.biases);
  block.norm2 = nn::norm(config.norm, config.width, config.biases);
  block.mixer = mixer_for(config, rotary, end_of_branch, init);
  block.update =
      nn::feed_forward(config.feed_forward, config.width, config.hidden_width(), config.biases, init, end_of_branch);
  block.dropout1 = nn::dropout(config.dropout, init);
  block.dropout2 = nn::dropout(config.dropout, init);
  return block;
}

}  // namespace

decoder::decoder(const decoder_config& config, std::uint64_t seed) : decoder(config, nn::initialisation(seed)) {}
decoder::decoder(const decoder_config& config) : decoder(config, nn::initialisation::of_zeros()) {}

decoder::decoder(const decoder_config& config, nn::initialisation init) : config_(config) {
  check(config);
  tokens_ = nn::embedding(config.vocabulary, config.width, init);
  positions_ = position_vectors(config.told_positions(), init);
  embedding_dropout_ = nn::dropout(config.dropout, init);
  rotary_table rotary;
  const bool turns = config.positions == nn::position_kind::rotary;
  if (turns) rotary = make_rotary_table(config.context, config.width / config.heads, config.told_positions().base_or_usual());
  for (long i = 0; i < config.layers; ++i) blocks_.push_back(make_block(config, turns ? &rotary : nullptr, init));
  if (config.norms == nn::norm_place::before) norm_ = nn::norm(config.norm, config.width, config.biases);
  if (!config.tied_head)
    head_ = variable(init.normal({config.vocabulary, config.width}, init.deviation), needs_gradient);
}

variable decoder::embed(const tensor& tokens, long first, const nn::forward_mode& mode) const {
  check_tokens(tokens, first, config_);
  variable x = tokens_(tokens);
  if (!positions_.empty()) x = add(x, slice(positions_, 0, first, first + tokens.dim(1)));
  return embedding_dropout_(x, mode);
}

variable decoder::hidden(const tensor& tokens, const nn::forward_mode& mode) const {
  variable x = embed(tokens, 0, mode);
  for (const nn::block& block : blocks_) x = block(x, mode);
  return last_norm(x);
}

variable decoder::loss(const tensor& tokens, const tensor& targets, const nn::forward_mode& mode) const {
  return linear_cross_entropy(hidden(tokens, mode), head(), targets);
}

tensor decoder::logits(const tensor& tokens) const {
  const no_gradient values_only;
  return linear(hidden(tokens, {}), head()).value();
}

tensor decoder::next_logits(const tensor& tokens, decoder_cache& cache) const {
  if (cache.layers.size() != blocks_.size()) {
    refuse("decoder", "a cache of " + std::to_string(blocks_.size()) + " layers, as make_cache gives",
           std::to_string(cache.layers.size()));
  }
  const no_gradient values_only;
  variable x = embed(tokens, cache.length(), {});
  for (std::size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i].continued(x, cache.layers[i]);
  const long last = tokens.dim(1) - 1;
  return linear(last_norm(variable(x.value().select(1, last))), head()).value();
}

decoder_cache decoder::make_cache(long sequences) const {
  decoder_cache cache;
  for (const nn::block& block : blocks_) cache.layers.push_back(block.make_state(sequences, config_.context));
  return cache;
}

std::vector<nn::attention_inputs> decoder::links(const tensor& tokens) const {
  const no_gradient values_only;
  std::vector<nn::attention_inputs> all;
  variable x = embed(tokens, 0, {});
  for (const nn::block& block : blocks_) {
    all.push_back(block.links(x));
    x = block(x, {});
  }
  return all;
}

tensor decoder::attention_weights(const nn::attention_inputs& layer) const {
  return blocks_.front().mixer.attention()->weights(layer);
}

std::shared_ptr<const formula> decoder::even_rule() const {
  if (config_.window > 0) return make_formula(causal & sliding_window(config_.window), uniform);
  return make_formula(causal, uniform);
}

}  // namespace qkv
