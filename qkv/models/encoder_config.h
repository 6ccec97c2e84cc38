// The numbers and choices that make an encoder, and their text form inside a checkpoint.
#pragma once
#include <string>

#include "qkv/models/position_choice.h"
#include "qkv/nn/block.h"

namespace qkv {

/// What stands for a whole sequence: a learned token before it (BERT, ViT), or the mean of all its tokens.
enum class pooling { class_token, mean };

/// The defaults are a small vision transformer.  BERT's shape: norms after, embedding_norm, a vocabulary.
struct encoder_config {
  long vocabulary = 0;   ///< of the texts that it reads; 0: none
  long patch_width = 0;  ///< numbers in a patch of the pictures that it reads; 0: none
  long frame_width = 0;  ///< numbers in a piece of the sounds that it reads; 0: none
  long classes = 0;      ///< that it tells apart; 0: it says nothing of a whole sequence
  long context = 64;     ///< tokens of the longest sequence, the class token included
  long layers = 4;
  long heads = 4;
  long width = 64;
  long hidden = 0;  ///< width of the feed-forward layer; 0: 4 width
  nn::mixer_kind mixer = nn::mixer_kind::attention;  ///< how tokens learn of each other
  long taps = 5;                                     ///< tokens that the mixer `convolution` sees, its own in the middle
  nn::feed_forward_kind feed_forward = nn::feed_forward_kind::gelu;
  nn::norm_kind norm = nn::norm_kind::layer_norm;
  nn::norm_place norms = nn::norm_place::before;
  bool embedding_norm = false;                               ///< one more norm before the first block
  nn::position_kind positions = nn::position_kind::learned;  ///< any but rotary
  double position_base = 0;                                  ///< 0: 10000 for sinusoidal positions, 2 for Fourier
  long position_range = 0;  ///< buckets of relative positions, 0: 32; distances of local ones, 0: 16 on each side
  qkv::pooling pooling = qkv::pooling::class_token;
  double dropout = 0;
  bool biases = true;

  long hidden_width() const { return hidden ? hidden : 4 * width; }
  /// Texts, pictures, sounds: how many of them it reads.  Where there are several, each token is told its kind.
  long kinds() const { return (vocabulary > 0) + (patch_width > 0) + (frame_width > 0); }
  position_choice told_positions() const { return {positions, position_base, position_range, context, width, heads}; }
  bool operator==(const encoder_config&) const = default;
};

/// @throws shape_error that says which numbers do not fit together
void check(const encoder_config&);

/// One line of JSON, and back.  A key that is missing keeps its default; an unknown key or word is an error.
/// @throws file_error
std::string to_json(const encoder_config&);
encoder_config encoder_config_from_json(const std::string& text);

}  // namespace qkv
