#include "qkv/models/encoder_config.h"

#include <array>

#include "qkv/base/error.h"
#include "qkv/io/option_json.h"

namespace qkv {
namespace {

/// Every field with its name, for writing and for reading.
constexpr auto each_field = [](auto& c, auto see) {
  see("vocabulary", c.vocabulary);
  see("patch_width", c.patch_width);
  see("frame_width", c.frame_width);
  see("classes", c.classes);
  see("context", c.context);
  see("layers", c.layers);
  see("heads", c.heads);
  see("width", c.width);
  see("hidden", c.hidden);
  see("feed_forward", c.feed_forward, std::array{"gelu", "swiglu", "relu"});
  see("norm", c.norm, std::array{"layer_norm", "rms_norm"});
  see("norms", c.norms, std::array{"before", "after"});
  see("embedding_norm", c.embedding_norm);
  see("positions", c.positions, std::array{"none", "learned", "sinusoidal", "fourier", "rotary"});
  see("position_base", c.position_base);
  see("pooling", c.pooling, std::array{"class_token", "mean"});
  see("dropout", c.dropout);
  see("biases", c.biases);
};

void need(bool holds, const std::string& expected, const std::string& found) {
  if (!holds) refuse("encoder configuration", expected, found);
}

}  // namespace

void check(const encoder_config& c) {
  const std::tuple<const char*, long, long> sizes[] = {{"vocabulary", c.vocabulary, 0},
                                                       {"patch_width", c.patch_width, 0},
                                                       {"frame_width", c.frame_width, 0},
                                                       {"classes", c.classes, 0},
                                                       {"hidden", c.hidden, 0},
                                                       {"context", c.context, 1},
                                                       {"layers", c.layers, 1},
                                                       {"heads", c.heads, 1},
                                                       {"width", c.width, 1}};
  for (const auto& [name, size, least] : sizes) {
    need(size >= least && size < 1L << 24, std::string(name) + " from " + std::to_string(least) + " to 16777215",
         std::to_string(size));
  }
  need(c.kinds() > 0, "a vocabulary, a patch_width or a frame_width above 0", "nothing that it could read");
  need(c.width % c.heads == 0, "heads that divide the width",
       std::to_string(c.heads) + " heads and width " + std::to_string(c.width));
  need(c.dropout >= 0 && c.dropout < 1, "dropout in 0 .. 1, without 1", std::to_string(c.dropout));
  need(c.position_base >= 0, "a position base of at least 0", std::to_string(c.position_base));
  need(c.positions != nn::position_kind::rotary, "positions none, learned, sinusoidal or fourier", "rotary");
  const bool paired = c.positions == nn::position_kind::sinusoidal || c.positions == nn::position_kind::fourier;
  need(!paired || c.width % 2 == 0, "an even width, for pairs of sine and cosine", std::to_string(c.width));
}

std::string to_json(const encoder_config& config) { return option_json::written(config, each_field); }

encoder_config encoder_config_from_json(const std::string& text) {
  return option_json::read_back<encoder_config>("encoder configuration", text, each_field);
}

}  // namespace qkv
