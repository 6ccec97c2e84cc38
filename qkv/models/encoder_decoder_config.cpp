#include "qkv/models/encoder_decoder_config.h"

#include "qkv/base/error.h"
#include "qkv/io/option_json.h"
#include "qkv/models/config_sizes.h"
#include "qkv/models/config_words.h"

namespace qkv {
namespace {

/// Every field with its name, for writing and for reading.
constexpr auto each_field = [](auto& c, auto see) {
  see("source_vocabulary", c.source_vocabulary);
  see("target_vocabulary", c.target_vocabulary);
  see("context", c.context);
  see("encoder_layers", c.encoder_layers);
  see("decoder_layers", c.decoder_layers);
  see("heads", c.heads);
  see("width", c.width);
  see("hidden", c.hidden);
  see("feed_forward", c.feed_forward, feed_forward_words);
  see("norm", c.norm, norm_words);
  see("norms", c.norms, norm_place_words);
  see("positions", c.positions, position_words);
  see("position_base", c.position_base);
  see("dropout", c.dropout);
  see("biases", c.biases);
  see("tied_head", c.tied_head);
  see("shared_vocabulary", c.shared_vocabulary);
};

void need(bool holds, const std::string& expected, const std::string& found) {
  if (!holds) refuse("encoder-decoder configuration", expected, found);
}

}  // namespace

void check(const encoder_decoder_config& c) {
  need_sizes("encoder-decoder configuration",
             {{"source_vocabulary", c.source_vocabulary},
              {"target_vocabulary", c.target_vocabulary},
              {"context", c.context},
              {"encoder_layers", c.encoder_layers},
              {"decoder_layers", c.decoder_layers},
              {"heads", c.heads},
              {"width", c.width}});
  need(c.width % c.heads == 0, "heads that divide the width",
       std::to_string(c.heads) + " heads and width " + std::to_string(c.width));
  need(c.hidden >= 0, "a hidden width of at least 0", std::to_string(c.hidden));
  need(c.dropout >= 0 && c.dropout < 1, "dropout in 0 .. 1, without 1", std::to_string(c.dropout));
  need(!c.told_positions().of_attention(), "positions none, learned, sinusoidal or fourier",
       position_words[std::size_t(c.positions)]);
  check(c.told_positions(), sides::both, "encoder-decoder configuration");
  need(!c.shared_vocabulary || c.source_vocabulary == c.target_vocabulary, "one vocabulary for both sides, to share it",
       std::to_string(c.source_vocabulary) + " and " + std::to_string(c.target_vocabulary) + " tokens");
}

std::string to_json(const encoder_decoder_config& config) { return option_json::written(config, each_field); }

encoder_decoder_config encoder_decoder_config_from_json(const std::string& text) {
  return option_json::read_back<encoder_decoder_config>("encoder-decoder configuration", text, each_field);
}

}  // namespace qkv
