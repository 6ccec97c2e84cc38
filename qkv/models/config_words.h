// The words for choices in a configuration, each list in the order of its enum.
#pragma once
#include <array>

namespace qkv {

inline constexpr std::array mixer_words{"attention", "uniform",          "mlp", "convolution",
                                        "fourier",   "linear_attention", "gru"};
inline constexpr std::array position_words{"none",   "learned", "sinusoidal", "fourier",
                                           "rotary", "alibi",   "relative",   "local"};
inline constexpr std::array shared_projections_words{"none", "query_key", "all"};
inline constexpr std::array feed_forward_words{"gelu", "swiglu", "relu"};
inline constexpr std::array norm_words{"layer_norm", "rms_norm"};
inline constexpr std::array norm_place_words{"before", "after"};
inline constexpr std::array pooling_words{"class_token", "mean"};

}  // namespace qkv
