// What every model's configuration asks of its sizes.  Internal to this room.
#pragma once
#include <initializer_list>
#include <string>
#include <utility>

#include "qkv/base/error.h"

namespace qkv {

/// @throws shape_error "decoder configuration: expected width from 1 to 16777215; found 0"
inline void need_sizes(const char* what, std::initializer_list<std::pair<const char*, long>> sizes) {
  for (const auto& [name, size] : sizes)
    if (size < 1 || size >= 1L << 24) refuse(what, std::string(name) + " from 1 to 16777215", std::to_string(size));
}

}  // namespace qkv
