#include "qkv/base/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <new>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace qkv {
namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t huge_page = std::size_t(2) << 20;

/// Classes are 4, 5, 6 and 7 times a power of two (from 256; below, multiples of 64), so a block is at most a quarter
/// larger than what was asked for.
struct size_class {
  std::size_t bytes;
  std::size_t number;
};

size_class class_of(std::size_t bytes) {
  if (bytes <= 256) {
    const std::size_t lines = std::max<std::size_t>(1, (bytes + 63) / 64);
    return {lines * 64, lines - 1};
  }
  if (bytes > std::numeric_limits<std::size_t>::max() / 4) throw std::bad_alloc();
  const int exponent = std::bit_width(bytes - 1) - 3;  // bytes lies in (4, 8] * 2^exponent
  const std::size_t quarters = ((bytes - 1) >> exponent) + 1;
  return {quarters << exponent, std::size_t(exponent) * 4 + quarters - 5 - 20};
}

std::byte* take_from_system(std::size_t bytes) {
  if (bytes < huge_page) return static_cast<std::byte*>(std::aligned_alloc(alignment, bytes));
  // Map one huge page too many, then cut the ends off, so that the block starts on a huge page.  Classes of this size
  // are whole pages.
  void* mapped = mmap(nullptr, bytes + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  const std::size_t head = -reinterpret_cast<std::uintptr_t>(mapped) % huge_page;
  std::byte* block = static_cast<std::byte*>(mapped) + head;
  if (head) munmap(mapped, head);
  munmap(block + bytes, huge_page - head);
  madvise(block, bytes, MADV_HUGEPAGE);  // advice: a system without huge pages may decline
  return block;
}

void give_to_system(std::byte* block, std::size_t bytes) {
  ASAN_UNPOISON_MEMORY_REGION(block, bytes);
  if (bytes < huge_page) {
    std::free(block);
  } else {
    munmap(block, bytes);
  }
}

/// A block may serve up to this many classes below its own: sizes that change from step to step, as those of packed
/// texts, then find what is kept.
constexpr std::size_t classes_above = 4;

struct held_block {
  std::byte* memory;
  size_class c;
};

/// Freed blocks by size class, each class a list threaded through the blocks themselves, so that freeing cannot fail.
class block_cache {
 public:
  held_block take(size_class c) {
    {
      const std::lock_guard lock(mutex_);
      if (const held_block found = find(c); found.memory) {
        statistics_.kept -= found.c.bytes;
        count(c);
        return found;
      }
    }
    const held_block block = new_block(c);
    const std::lock_guard lock(mutex_);
    ++statistics_.allocations;
    count(c);
    return block;
  }

  /// @param asked  the class of the request that the block served
  void keep(std::byte* block, size_class c, size_class asked) noexcept {
    const std::lock_guard lock(mutex_);
    ASAN_UNPOISON_MEMORY_REGION(block, c.bytes);
    new (block) node{kept_[c.number], c.bytes};
    kept_[c.number] = block;
    statistics_.in_use -= asked.bytes;
    statistics_.kept += c.bytes;
    ASAN_POISON_MEMORY_REGION(block + sizeof(node), c.bytes - sizeof(node));  // the leak checker must see the list
  }

  void release() {
    const std::lock_guard lock(mutex_);
    for (std::byte*& list : kept_) {
      while (list) {
        const node first = *reinterpret_cast<node*>(list);
        give_to_system(list, first.bytes);
        list = first.next;
      }
    }
    statistics_.kept = 0;
  }

  memory_statistics statistics() {
    const std::lock_guard lock(mutex_);
    return statistics_;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    statistics_.peak = statistics_.in_use;
  }

 private:
  struct node {
    std::byte* next;
    std::size_t bytes;
  };

  /// Large blocks are as large as the next power of two where the system has the addresses: pages that are not touched
  /// take no memory, and sizes that grow a little from step to step find a block that has room.
  held_block new_block(size_class c) {
    if (c.bytes >= huge_page) {
      const size_class roomy = class_of(std::bit_ceil(c.bytes));
      if (std::byte* block = take_from_system(roomy.bytes)) return {block, roomy};
    }
    if (std::byte* block = take_from_system(c.bytes)) return {block, c};
    release();
    if (std::byte* block = take_from_system(c.bytes)) return {block, c};
    throw std::bad_alloc();
  }

  /// The smallest kept block that is large enough and not far too large.
  held_block find(size_class c) {
    const std::size_t last = c.bytes <= 4096 ? c.number : std::min(c.number + classes_above, kept_.size() - 1);
    for (std::size_t number = c.number; number <= last; ++number) {
      std::byte* block = kept_[number];
      if (!block) continue;
      const node first = *reinterpret_cast<node*>(block);
      ASAN_UNPOISON_MEMORY_REGION(block, first.bytes);
      kept_[number] = first.next;
      return {block, {first.bytes, number}};
    }
    return {nullptr, c};
  }

  void count(size_class c) {
    statistics_.in_use += c.bytes;
    statistics_.peak = std::max(statistics_.peak, statistics_.in_use);
  }

  std::mutex mutex_;
  std::array<std::byte*, 256> kept_{};
  memory_statistics statistics_{};
};

block_cache& cache() {
  static auto& never_destroyed = *new block_cache;  // memory held by static objects is freed after any destructor
  return never_destroyed;
}

}  // namespace

std::shared_ptr<std::byte[]> allocate_memory(std::size_t bytes) {
  const size_class asked = class_of(bytes);
  const auto [block, c] = cache().take(asked);
  ASAN_POISON_MEMORY_REGION(block + bytes, c.bytes - bytes);
  return {block, [c = c, asked](std::byte* freed) { cache().keep(freed, c, asked); }};
}

void release_kept_memory() { cache().release(); }
memory_statistics memory_in_use() { return cache().statistics(); }
void reset_memory_peak() { cache().reset_peak(); }

}  // namespace qkv
