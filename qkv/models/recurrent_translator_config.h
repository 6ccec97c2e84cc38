// The numbers and choices that make a recurrent translator, and their text form inside a checkpoint.
#pragma once
#include <string>

#include "qkv/ops/recurrent.h"

namespace qkv {

/// How the decoder looks at what the encoder read.
///   none      not at all: one vector tells everything (Cho et al. 2014; Sutskever et al. 2014): the bottleneck
///   additive  before each step, v . tanh(W s + U h) (Bahdanau et al. 2015)
///   dot, general, concat  after each step, s . h, s W h and v . tanh(W s + U h) (Luong et al. 2015, eq. 8)
enum class alignment_kind { none, additive, dot_product, general, concat };

struct recurrent_translator_config {
  long source_vocabulary = 0, target_vocabulary = 0;
  long context = 256;  ///< tokens of the longest text, on either side
  recurrent_cell cell = recurrent_cell::gru;
  alignment_kind alignment = alignment_kind::additive;
  long width = 256;           ///< of the embeddings
  long units = 256;           ///< of the decoder, and of each direction of the encoder
  long layers = 1;            ///< of the encoder
  bool bidirectional = true;  ///< the encoder reads from both ends
  double dropout = 0.3;       ///< of embeddings, between layers and before the last product

  long memory_width() const { return units * (bidirectional ? 2 : 1); }
  bool operator==(const recurrent_translator_config&) const = default;
};

/// @throws shape_error that says which numbers make no sense
void check(const recurrent_translator_config&);

/// One line of JSON, and back.  A key that is missing keeps its default; an unknown key or word is an error.
/// @throws file_error
std::string to_json(const recurrent_translator_config&);
recurrent_translator_config recurrent_translator_config_from_json(const std::string& text);

}  // namespace qkv
