// Whether a configuration is borne out by the weights that a file holds, before memory is taken for it: one that is not
// may ask for any amount.  Internal to this room.
#pragma once
#include "qkv/models/encoder_config.h"
#include "qkv/train/model_file.h"

namespace qkv {

/// Positions and mixers, whose sizes grow with the context.   @param what  the kind of model, for the error
/// @throws file_error where a weight is missing or of another shape; shape_error for fixed positions of more than 2^24
/// numbers, which are not stored, and for a context that no weight bears out of more than 2^20 tokens
void check_stored(const model_reader& file, const position_choice& positions, nn::mixer_kind mixer, long taps,
                  const char* what);

/// What an encoder reads, its last layer, positions and mixers.   @throws as above
void check_stored(const model_reader& file, const encoder_config& config, const char* what);

}  // namespace qkv
