#include "qkv/models/decoder_config.h"

#include "qkv/base/error.h"
#include "qkv/io/option_json.h"
#include "qkv/models/config_sizes.h"

namespace qkv {
namespace {

/// Every field with its name, for writing and for reading.
constexpr auto each_field = [](auto& c, auto see) {
  see("vocabulary", c.vocabulary);
  see("context", c.context);
  see("layers", c.layers);
  see("heads", c.heads);
  see("key_heads", c.key_heads);
  see("width", c.width);
  see("hidden", c.hidden);
  see("window", c.window);
  see("mixer", c.mixer, mixer_words);
  see("taps", c.taps);
  see("shared_projections", c.shared_projections, shared_projections_words);
  see("query_context", c.query_context);
  see("adapted_keys", c.adapted_keys);
  see("feed_forward", c.feed_forward, feed_forward_words);
  see("norm", c.norm, norm_words);
  see("norms", c.norms, norm_place_words);
  see("positions", c.positions, position_words);
  see("position_base", c.position_base);
  see("position_range", c.position_range);
  see("dropout", c.dropout);
  see("biases", c.biases);
  see("tied_head", c.tied_head);
};

void need(bool holds, const std::string& expected, const std::string& found) {
  if (!holds) refuse("decoder configuration", expected, found);
}

/// Options of attention are refused where they would do nothing.
void check_mixer(const decoder_config& c) {
  const std::string mixer = nn::name_of(c.mixer);
  need(nn::has_causal_form(c.mixer), "a mixer whose tokens can be kept from those after them",
       mixer + ", which has no causal form");
  need(c.taps >= 1 && (c.taps <= c.context || c.mixer != nn::mixer_kind::convolution),
       "taps of the convolution from 1 to the context of " + std::to_string(c.context), std::to_string(c.taps));
  need(c.query_context >= 0 && c.query_context <= c.context,
       "a query context from 0 to the context of " + std::to_string(c.context), std::to_string(c.query_context));
  need(c.shared_projections == nn::shared_projections::none || c.key_heads == 0 || c.key_heads == c.heads,
       "as many key heads as heads where projections are shared", std::to_string(c.key_heads) + " key heads");
  if (c.mixer == nn::mixer_kind::attention) return;
  need(!c.told_positions().of_attention(), "positions that are added to tokens, or none, with the mixer " + mixer,
       position_words[std::size_t(c.positions)]);
  need(c.key_heads == 0, "no number of key heads with the mixer " + mixer, std::to_string(c.key_heads));
  need(c.shared_projections == nn::shared_projections::none && c.query_context == 0 && !c.adapted_keys,
       "no options of attention with the mixer " + mixer, "shared projections, a query context or adapted keys");
  need(c.window == 0 || c.mixer == nn::mixer_kind::uniform, "no window with the mixer " + mixer,
       std::to_string(c.window));
}

}  // namespace

void check(const decoder_config& c) {
  need_sizes("decoder configuration",
             {{"vocabulary", c.vocabulary},
              {"context", c.context},
              {"layers", c.layers},
              {"heads", c.heads},
              {"width", c.width}});
  need(c.width % c.heads == 0, "heads that divide the width",
       std::to_string(c.heads) + " heads and width " + std::to_string(c.width));
  need(c.key_heads >= 0 && (c.key_heads == 0 || c.heads % c.key_heads == 0), "key heads that divide the heads",
       std::to_string(c.key_heads) + " key heads and " + std::to_string(c.heads) + " heads");
  need(c.hidden >= 0, "a hidden width of at least 0", std::to_string(c.hidden));
  need(c.window >= 0, "a window of at least 0", std::to_string(c.window));
  need(c.dropout >= 0 && c.dropout < 1, "dropout in 0 .. 1, without 1", std::to_string(c.dropout));
  check(c.told_positions(), sides::before, "decoder configuration");
  need(c.positions != nn::position_kind::rotary || c.width / c.heads % 2 == 0,
       "an even width of each head, for rotary positions", std::to_string(c.width / c.heads));
  check_mixer(c);
}

std::string to_json(const decoder_config& config) { return option_json::written(config, each_field); }

decoder_config decoder_config_from_json(const std::string& text) {
  return option_json::read_back<decoder_config>("decoder configuration", text, each_field);
}

}  // namespace qkv
