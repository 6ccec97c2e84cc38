// Memory for numbers: 64-byte aligned, reused from step to step, counted.
#pragma once
#include <cstddef>
#include <memory>

namespace qkv {

/// Memory of at least `bytes` bytes, aligned to 64, contents undefined.  Freed blocks are kept and handed out
/// again (by size class, also to requests of half their size), so that a training step that repeats, or one of
/// about the same sizes, touches no new pages; blocks of 2 MiB and more are advised to use huge pages.  Thread-safe.  Throws std::bad_alloc.
std::shared_ptr<std::byte[]> allocate_memory(std::size_t bytes);

/// Gives the kept blocks back to the system.
void release_kept_memory();

struct memory_statistics {
  std::size_t in_use;       ///< bytes now held by callers, by what they asked for
  std::size_t peak;         ///< the most in_use has been since reset_memory_peak
  std::size_t kept;         ///< bytes kept for reuse, addresses that were never touched included
  std::size_t allocations;  ///< blocks taken from the system so far
};
memory_statistics memory_in_use();
void reset_memory_peak();

}  // namespace qkv
