#include "qkv/base/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <thread>
#include <vector>

namespace qkv {
namespace {

TEST(Memory, IsAlignedAndWritableAtEverySize) {
  for (const std::size_t bytes : {0ul, 1ul, 64ul, 65ul, 1'000ul, 4'097ul, 100'000ul, 2ul << 20, 9'000'001ul}) {
    const auto block = allocate_memory(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block.get()) % 64, 0u) << bytes;
    std::memset(block.get(), 0x5A, bytes);
  }
}

TEST(Memory, StartsLargeBlocksOnAHugePage) {
  const auto block = allocate_memory(5ul << 20);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block.get()) % (2ul << 20), 0u);
}

TEST(Memory, IsReusedWithoutAskingTheSystemAgain) {
  release_kept_memory();
  for (const std::size_t bytes : {100ul, 5'000ul, 3ul << 20}) {
    const std::byte* first = allocate_memory(bytes).get();
    const std::size_t taken = memory_in_use().allocations;
    EXPECT_EQ(allocate_memory(bytes).get(), first);
    EXPECT_EQ(allocate_memory(bytes - bytes / 20).get(), first) << "a slightly smaller request is of the same class";
    EXPECT_EQ(memory_in_use().allocations, taken);
  }
}

TEST(Memory, OfALargerBlockServesARequestOfAboutHalfItsSize) {
  release_kept_memory();
  const std::byte* first = allocate_memory(8ul << 20).get();
  EXPECT_EQ(allocate_memory(5ul << 20).get(), first);
  EXPECT_NE(allocate_memory(1ul << 20).get(), first);
  release_kept_memory();
}

TEST(Memory, OfALargeBlockHasRoomForASomewhatLargerRequest) {
  release_kept_memory();
  const std::byte* first = allocate_memory(5ul << 20).get();
  EXPECT_EQ(allocate_memory(8ul << 20).get(), first);
  EXPECT_NE(allocate_memory(9ul << 20).get(), first);
}

TEST(Memory, WastesAtMostAQuarterOfTheRequest) {
  const std::size_t before = memory_in_use().in_use;
  for (std::size_t bytes = 257; bytes < (8ul << 20); bytes += bytes / 13) {
    const auto block = allocate_memory(bytes);
    const std::size_t held = memory_in_use().in_use - before;
    EXPECT_GE(held, bytes);
    EXPECT_LE(4 * held, 5 * bytes) << bytes;
  }
}

TEST(Memory, CountsWhatIsInUseThePeakAndWhatIsKept) {
  release_kept_memory();
  const std::size_t base = memory_in_use().in_use;
  reset_memory_peak();
  {
    const auto a = allocate_memory(1024);
    const auto b = allocate_memory(4096);
    EXPECT_EQ(memory_in_use().in_use - base, 5120u);
  }
  EXPECT_EQ(memory_in_use().in_use, base);
  EXPECT_EQ(memory_in_use().peak - base, 5120u);
  EXPECT_EQ(memory_in_use().kept, 5120u);
  release_kept_memory();
  EXPECT_EQ(memory_in_use().kept, 0u);
  reset_memory_peak();
  EXPECT_EQ(memory_in_use().peak, base);
}

TEST(Memory, StaysHeldUntilTheLastOwnerLetsGo) {
  const std::size_t base = memory_in_use().in_use;
  auto first = allocate_memory(512);
  auto second = first;
  first.reset();
  EXPECT_EQ(memory_in_use().in_use - base, 512u);
  second.reset();
  EXPECT_EQ(memory_in_use().in_use, base);
}

TEST(Memory, ThrowsBadAllocForMoreThanThereIs) {
  EXPECT_THROW(allocate_memory(std::numeric_limits<std::size_t>::max()), std::bad_alloc);
  EXPECT_THROW(allocate_memory(std::size_t(1) << 61), std::bad_alloc);
}

TEST(Memory, MayBeTakenAndFreedByManyThreads) {
  const std::size_t base = memory_in_use().in_use;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([t] {
      for (std::size_t i = 0; i < 2'000; ++i) {
        const auto block = allocate_memory(64 + i % 50 * 100);
        std::memset(block.get(), t, 64);
        EXPECT_EQ(block[63], std::byte(t));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(memory_in_use().in_use, base);
}

}  // namespace
}  // namespace qkv
