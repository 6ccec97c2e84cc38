// The numbers and choices that make an encoder-decoder, and their text form inside a checkpoint.
#pragma once
#include <string>

#include "qkv/models/position_choice.h"
#include "qkv/nn/block.h"

namespace qkv {

/// The defaults are a small form of the base model of Vaswani et al. 2017, with the norms before (Xiong et al. 2020).
struct encoder_decoder_config {
  long source_vocabulary = 0, target_vocabulary = 0;
  long context = 256;  ///< tokens of the longest text, on either side
  long encoder_layers = 3, decoder_layers = 3;
  long heads = 8;
  long width = 256;
  long hidden = 0;  ///< width of the feed-forward layer; 0: 4 width
  nn::feed_forward_kind feed_forward = nn::feed_forward_kind::relu;
  nn::norm_kind norm = nn::norm_kind::layer_norm;
  nn::norm_place norms = nn::norm_place::before;
  nn::position_kind positions = nn::position_kind::sinusoidal;  ///< any that are added to tokens, or none
  double position_base = 0;  ///< 0: 10000 for sinusoidal positions, 2 for Fourier
  double dropout = 0.1;
  bool biases = true;
  bool tied_head = true;           ///< the target's embedding serves as the last product (Press & Wolf 2017)
  bool shared_vocabulary = false;  ///< one embedding for both sides; needs one vocabulary

  long hidden_width() const { return hidden ? hidden : 4 * width; }
  position_choice told_positions() const { return {positions, position_base, 0, context, width, heads}; }
  bool operator==(const encoder_decoder_config&) const = default;
};

/// @throws shape_error that says which numbers do not fit together
void check(const encoder_decoder_config&);

/// One line of JSON, and back.  A key that is missing keeps its default; an unknown key or word is an error.
/// @throws file_error
std::string to_json(const encoder_decoder_config&);
encoder_decoder_config encoder_decoder_config_from_json(const std::string& text);

}  // namespace qkv
