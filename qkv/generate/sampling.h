// From what may come next to what does.
#pragma once
#include <cstdint>
#include <span>

namespace qkv {

struct sampling_options {
  double temperature = 1;  ///< 0: always the likeliest (greedy)
  long top_k = 0;          ///< only the k likeliest (Fan et al. 2018); 0: all
  double top_p = 1;        ///< only the likeliest that together hold this probability (Holtzman et al. 2020)
  std::uint64_t seed = 1337;
};

/// @throws shape_error that says which option makes no sense
void check(const sampling_options&);

/// Draws one token.  The same seed and index give the same draw on every machine; equal logits go to the lower number.
/// @param logits  [V]   @param index  of the draw: the token's number in the text
/// @throws shape_error when every logit is -inf, or one is NaN
std::int32_t sample(std::span<const float> logits, const sampling_options& options, std::uint64_t index);

}  // namespace qkv
