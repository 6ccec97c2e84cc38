// The random streams of a run; those of dropout are numbered by the model's layers (nn/dropout.h), below 2^63.
#pragma once
#include <cstdint>

namespace qkv::streams {

inline constexpr std::uint64_t data_order = std::uint64_t(1) << 63;
inline constexpr std::uint64_t validation = data_order + 1;

}  // namespace qkv::streams
