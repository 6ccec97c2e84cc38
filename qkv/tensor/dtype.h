// Element types.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

namespace qkv {

enum class dtype : std::uint8_t { float32, bfloat16, int32, float64, int8 };

/// The upper half of a float: 8 bits of exponent, 7 of fraction.  Rounded to nearest even; NaN stays NaN.
struct bfloat16 {
  std::uint16_t bits = 0;
  bfloat16() = default;
  explicit bfloat16(float x) {
    const auto u = std::bit_cast<std::uint32_t>(x);
    bits = x != x ? std::uint16_t((u >> 16) | 0x40) : std::uint16_t((u + 0x7FFF + ((u >> 16) & 1)) >> 16);
  }
  operator float() const { return std::bit_cast<float>(std::uint32_t(bits) << 16); }
};

std::size_t size_of(dtype type);
const char* name_of(dtype type);  ///< "float32", "bfloat16", "int32", "float64", "int8"

template <class T> struct dtype_of_type;
template <> struct dtype_of_type<float> { static constexpr dtype value = dtype::float32; };
template <> struct dtype_of_type<bfloat16> { static constexpr dtype value = dtype::bfloat16; };
template <> struct dtype_of_type<std::int32_t> { static constexpr dtype value = dtype::int32; };
template <> struct dtype_of_type<double> { static constexpr dtype value = dtype::float64; };
template <> struct dtype_of_type<std::int8_t> { static constexpr dtype value = dtype::int8; };
template <class T> struct dtype_of_type<const T> : dtype_of_type<T> {};
template <class T> constexpr dtype dtype_of = dtype_of_type<T>::value;

}  // namespace qkv
