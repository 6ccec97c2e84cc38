#include "qkv/models/encoder_config.h"

#include "qkv/base/error.h"
#include "qkv/io/option_json.h"
#include "qkv/models/config_words.h"

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
  see("mixer", c.mixer, mixer_words);
  see("taps", c.taps);
  see("feed_forward", c.feed_forward, feed_forward_words);
  see("norm", c.norm, norm_words);
  see("norms", c.norms, norm_place_words);
  see("embedding_norm", c.embedding_norm);
  see("positions", c.positions, position_words);
  see("position_base", c.position_base);
  see("position_range", c.position_range);
  see("pooling", c.pooling, pooling_words);
  see("dropout", c.dropout);
  see("biases", c.biases);
};

void need(bool holds, const std::string& expected, const std::string& found) {
  if (!holds) refuse("encoder configuration", expected, found);
}

void check_mixer(const encoder_config& c) {
  need(c.taps >= 1 && (c.taps <= c.context || c.mixer != nn::mixer_kind::convolution),
       "taps of the convolution from 1 to the context of " + std::to_string(c.context), std::to_string(c.taps));
  if (c.mixer == nn::mixer_kind::attention) return;
  const std::string mixer = nn::name_of(c.mixer);
  need(!c.told_positions().of_attention(), "positions that are added to tokens, or none, with the mixer " + mixer,
       position_words[std::size_t(c.positions)]);
  need(c.mixer != nn::mixer_kind::gru || c.width % 2 == 0, "an even width, half of it for each direction of a GRU",
       std::to_string(c.width));
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
  need(c.positions != nn::position_kind::rotary, "positions other than rotary", "rotary");
  check(c.told_positions(), sides::both, "encoder configuration");
  check_mixer(c);
}

std::string to_json(const encoder_config& config) { return option_json::written(config, each_field); }

encoder_config encoder_config_from_json(const std::string& text) {
  return option_json::read_back<encoder_config>("encoder configuration", text, each_field);
}

}  // namespace qkv
