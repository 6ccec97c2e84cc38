// The random streams of a run; those of dropout are numbered by the model's layers (nn/dropout.h), below 2^63.
#pragma once
#include <cstdint>

namespace qkv::streams {

inline constexpr std::uint64_t data_order = std::uint64_t(1) << 63;
inline constexpr std::uint64_t validation = data_order + 1;
inline constexpr std::uint64_t changes = data_order + 2;  // of examples; the epochs' orders are data_order + 256 epoch
inline constexpr std::uint64_t masks = data_order + 3;    // of texts to validate on

}  // namespace qkv::streams
