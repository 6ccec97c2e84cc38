// Writing: a model continues a text, one token after the other.
#pragma once
#include <functional>
#include <vector>

#include "qkv/generate/sampling.h"
#include "qkv/models/decoder.h"

namespace qkv {

struct generation_options {
  long tokens = 200;  ///< at most so many new ones
  sampling_options sampling = {};
  /// Stop as soon as the new text ends with one of these; it stays in the result.
  std::vector<std::vector<std::int32_t>> stop = {};
};

/// Continues `prompt`.  Each new token costs one row through the model: earlier keys and values are kept.  When the
/// context is full, the newer half of the text is read again and the rest forgotten, so a text may be of any length.
///
/// @param prompt  at least one token; of a longer one than the context, the end counts
/// @param on_token  is shown every new token; writing stops when it returns false
/// @returns the new tokens
/// @throws shape_error for an empty prompt or a token outside the vocabulary
std::vector<std::int32_t> generate(const decoder& model, std::span<const std::int32_t> prompt,
                                   const generation_options& options,
                                   const std::function<bool(std::int32_t)>& on_token = {});

}  // namespace qkv
