#include "qkv/tensor/dtype.h"

namespace qkv {

std::size_t size_of(dtype type) {
  switch (type) {
    case dtype::float32: return sizeof(float);
    case dtype::bfloat16: return sizeof(bfloat16);
    case dtype::int32: return sizeof(std::int32_t);
    case dtype::float64: return sizeof(double);
    case dtype::int8: return sizeof(std::int8_t);
  }
  return 0;
}

const char* name_of(dtype type) {
  switch (type) {
    case dtype::float32: return "float32";
    case dtype::bfloat16: return "bfloat16";
    case dtype::int32: return "int32";
    case dtype::float64: return "float64";
    case dtype::int8: return "int8";
  }
  return "unknown";
}

}  // namespace qkv
