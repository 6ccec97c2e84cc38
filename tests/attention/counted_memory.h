// What this program has allocated with operator new, counted by memory_test.cpp.  Tensors and workspaces count
// themselves: qkv/base/memory.h.
#pragma once
#include <cstddef>

namespace qkv {

long allocations_so_far();
std::size_t bytes_allocated_so_far();  ///< freed ones too

}  // namespace qkv
