#include "qkv/models/decoder_config.h"

#include <array>

#include "qkv/base/error.h"
#include "qkv/io/option_json.h"

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
  see("feed_forward", c.feed_forward, std::array{"gelu", "swiglu", "relu"});
  see("norm", c.norm, std::array{"layer_norm", "rms_norm"});
  see("norms", c.norms, std::array{"before", "after"});
  see("positions", c.positions, std::array{"none", "learned", "sinusoidal", "fourier", "rotary"});
  see("position_base", c.position_base);
  see("dropout", c.dropout);
  see("biases", c.biases);
  see("tied_head", c.tied_head);
};

void need(bool holds, const std::string& expected, const std::string& found) {
  if (!holds) refuse("decoder configuration", expected, found);
}

}  // namespace

void check(const decoder_config& c) {
  const std::pair<const char*, long> sizes[] = {{"vocabulary", c.vocabulary},
                                                {"context", c.context},
                                                {"layers", c.layers},
                                                {"heads", c.heads},
                                                {"width", c.width}};
  for (const auto& [name, size] : sizes) {
    need(size >= 1 && size < 1L << 24, std::string(name) + " from 1 to 16777215", std::to_string(size));
  }
  need(c.width % c.heads == 0, "heads that divide the width",
       std::to_string(c.heads) + " heads and width " + std::to_string(c.width));
  need(c.key_heads >= 0 && (c.key_heads == 0 || c.heads % c.key_heads == 0), "key heads that divide the heads",
       std::to_string(c.key_heads) + " key heads and " + std::to_string(c.heads) + " heads");
  need(c.hidden >= 0, "a hidden width of at least 0", std::to_string(c.hidden));
  need(c.window >= 0, "a window of at least 0", std::to_string(c.window));
  need(c.dropout >= 0 && c.dropout < 1, "dropout in 0 .. 1, without 1", std::to_string(c.dropout));
  need(c.position_base >= 0, "a position base of at least 0", std::to_string(c.position_base));
  const bool paired = c.positions == nn::position_kind::sinusoidal || c.positions == nn::position_kind::fourier;
  need(!paired || c.width % 2 == 0, "an even width, for pairs of sine and cosine", std::to_string(c.width));
  need(c.positions != nn::position_kind::rotary || c.width / c.heads % 2 == 0,
       "an even width of each head, for rotary positions", std::to_string(c.width / c.heads));
}

std::string to_json(const decoder_config& config) { return option_json::written(config, each_field); }

decoder_config decoder_config_from_json(const std::string& text) {
  return option_json::read_back<decoder_config>("decoder configuration", text, each_field);
}

}  // namespace qkv
