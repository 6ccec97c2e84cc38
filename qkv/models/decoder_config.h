// The numbers and choices that make a decoder, and their text form inside a checkpoint.
#pragma once
#include <string>

#include "qkv/models/config_words.h"
#include "qkv/models/position_choice.h"
#include "qkv/nn/block.h"

namespace qkv {

struct decoder_config {
  long vocabulary = 0;
  long context = 64;  ///< tokens it can look back on
  long layers = 4;
  long heads = 4;
  long key_heads = 0;  ///< 0: as many as heads
  long width = 128;
  long hidden = 0;  ///< width of the feed-forward layer; 0: 4 width
  long window = 0;  ///< each token sees that many latest ones, itself included; 0: all before it
  nn::mixer_kind mixer = nn::mixer_kind::attention;  ///< how tokens learn of each other
  long taps = 4;                                     ///< tokens that the mixer `convolution` sees
  nn::shared_projections shared_projections = nn::shared_projections::none;
  long query_context = 0;     ///< queries see that many latest tokens through a filter; 0: their own
  bool adapted_keys = false;  ///< keys adapt to the query, in a second pass
  nn::feed_forward_kind feed_forward = nn::feed_forward_kind::gelu;
  nn::norm_kind norm = nn::norm_kind::layer_norm;
  nn::norm_place norms = nn::norm_place::before;
  nn::position_kind positions = nn::position_kind::learned;
  double position_base = 0;  ///< 0: 10000 for sinusoidal and rotary positions, 2 for Fourier
  long position_range = 0;   ///< buckets of relative positions, 0: 32; distances of local ones, 0: 16
  double dropout = 0;
  bool biases = false;
  bool tied_head = true;  ///< the embedding serves as the last product (Press & Wolf 2017)

  long hidden_width() const { return hidden ? hidden : 4 * width; }
  position_choice told_positions() const { return {positions, position_base, position_range, context, width, heads}; }
  bool operator==(const decoder_config&) const = default;
};

/// @throws shape_error that says which numbers do not fit together
void check(const decoder_config&);

/// One line of JSON, and back.  A key that is missing keeps its default; an unknown key or word is an error.
/// @throws file_error
std::string to_json(const decoder_config&);
decoder_config decoder_config_from_json(const std::string& text);

}  // namespace qkv
