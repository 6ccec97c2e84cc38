#include "qkv/base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "qkv/base/error.h"
#include "tests/base/with_threads.h"

namespace qkv {
namespace {

TEST(ParallelFor, RunsEveryIndexOnceOnAnyNumberOfThreads) {
  for (const int threads : {1, 2, 3, 7}) {
    const with_threads guard(threads);
    for (const long count : {0L, 1L, 2L, 3L, 100L, 10'000L}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(count));
      parallel_for(count, [&](long i, int thread) {
        ASSERT_GE(thread, 0);
        ASSERT_LT(thread, threads);
        ++runs[std::size_t(i)];
      });
      for (const auto& r : runs) ASSERT_EQ(r, 1) << threads << " threads, count " << count;
    }
  }
}

TEST(ParallelFor, StaysCorrectOverManyShortCalls) {
  const with_threads guard(3);
  std::atomic<long> sum = 0;
  for (int call = 0; call < 20'000; ++call) parallel_for(5, [&](long i, int) { sum += i; });
  EXPECT_EQ(sum, 20'000 * 10);
}

TEST(ParallelFor, WakesSleepingWorkers) {
  const with_threads guard(2);
  for (int call = 0; call < 5; ++call) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // far longer than workers spin
    std::atomic<int> arrived = 0;
    parallel_for(2, [&](long, int) {
      ++arrived;
      while (arrived < 2) std::this_thread::yield();  // ends only if two threads are here at once
    });
    EXPECT_EQ(arrived, 2);
  }
}

TEST(ParallelFor, GivesThreadsThatRunAtOnceDifferentNames) {
  const with_threads guard(3);
  std::vector<std::atomic<int>> busy(3);
  parallel_for(2'000, [&](long, int thread) {
    EXPECT_EQ(busy[std::size_t(thread)]++, 0);
    --busy[std::size_t(thread)];
  });
}

TEST(ParallelFor, HandsIndicesOutInIncreasingOrder) {
  const with_threads guard(2);
  std::vector<std::vector<long>> seen(2);
  parallel_for(1'000, [&](long i, int thread) { seen[std::size_t(thread)].push_back(i); });
  for (const auto& list : seen) EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
}

TEST(ParallelFor, RunsACallInsideACallOnTheSameThread) {
  const with_threads guard(3);
  std::atomic<int> inner_runs = 0;
  parallel_for(20, [&](long, int outer_thread) {
    const auto here = std::this_thread::get_id();
    parallel_for(10, [&](long, int inner_thread) {
      EXPECT_EQ(std::this_thread::get_id(), here);
      EXPECT_EQ(inner_thread, outer_thread);
      ++inner_runs;
    });
  });
  EXPECT_EQ(inner_runs, 200);
}

TEST(ParallelFor, ThrowsTheExceptionOfTheLowestIndex) {
  for (const int threads : {1, 2, 3}) {
    const with_threads guard(threads);
    for (int attempt = 0; attempt < 200; ++attempt) {
      try {
        parallel_for(50, [](long i, int) {
          if (i >= 7) throw std::runtime_error(std::to_string(i));
        });
        FAIL() << "no exception";
      } catch (const std::runtime_error& e) {
        ASSERT_STREQ(e.what(), "7") << threads << " threads";
      }
    }
  }
}

TEST(ParallelFor, WorksAgainAfterAnException) {
  const with_threads guard(3);
  EXPECT_THROW(parallel_for(9, [](long, int) { throw std::runtime_error("no"); }), std::runtime_error);
  std::atomic<int> runs = 0;
  parallel_for(9, [&](long, int) { ++runs; });
  EXPECT_EQ(runs, 9);
}

TEST(ParallelFor, FinishesWhatIsRunningBeforeItThrows) {
  const with_threads guard(3);
  std::atomic<int> running = 0;
  std::atomic<bool> failed = false;
  const auto work = [&](long i, int) {
    ++running;
    if (i == 0) {
      while (running < 2) std::this_thread::yield();
      --running;
      failed = true;
      throw std::runtime_error("first");
    }
    while (!failed) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    --running;
  };
  for (int attempt = 0; attempt < 20; ++attempt) {
    EXPECT_THROW(parallel_for(20, work), std::runtime_error);
    EXPECT_EQ(running, 0);
    failed = false;
  }
}

TEST(ParallelFor, ServesSeveralCallingThreadsAtOnce) {
  const with_threads guard(3);
  std::atomic<long> sum = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c) {
    callers.emplace_back([&] {
      for (int call = 0; call < 500; ++call) parallel_for(10, [&](long i, int) { sum += i; });
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(sum, 3 * 500 * 45);
}

TEST(ThreadCount, CanBeChangedBetweenCalls) {
  const with_threads as_before;
  for (const int threads : {1, 3, 2, 5, 1}) {
    set_thread_count(threads);
    EXPECT_EQ(thread_count(), threads);
    std::atomic<int> runs = 0;
    parallel_for(11, [&](long, int) { ++runs; });
    EXPECT_EQ(runs, 11);
  }
}

TEST(ThreadCount, RefusesLessThanOneThread) {
  try {
    set_thread_count(0);
    FAIL() << "no exception";
  } catch (const shape_error& e) {
    EXPECT_STREQ(e.what(), "set_thread_count: expected 1 to 1024 threads; found 0");
  }
}

TEST(ThreadCount, CannotBeChangedFromInsideACall) {
  const with_threads guard(2);
  EXPECT_THROW(parallel_for(4, [](long, int) { set_thread_count(1); }), unsupported_error);
}

// Each of these runs in a process of its own, because the variable is read once.
void exit_with_thread_count(const char* text) {
  setenv("QKV_THREADS", text, 1);
  try {
    std::fprintf(stderr, "%d threads\n", thread_count());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
  }
  std::_Exit(0);
}

class ThreadVariable : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};
using ThreadVariableDeathTest = ThreadVariable;

TEST_F(ThreadVariableDeathTest, SetsTheNumberOfThreads) {
  EXPECT_EXIT(exit_with_thread_count("5"), testing::ExitedWithCode(0), "^5 threads");
}

TEST_F(ThreadVariableDeathTest, IsRefusedInWordsWhenMalformed) {
  EXPECT_EXIT(exit_with_thread_count("many"), testing::ExitedWithCode(0),
              "QKV_THREADS: expected a whole number from 1 to 1024; found \"many\"");
  EXPECT_EXIT(exit_with_thread_count("0"), testing::ExitedWithCode(0), "found \"0\"");
  EXPECT_EXIT(exit_with_thread_count("2x"), testing::ExitedWithCode(0), "found \"2x\"");
  EXPECT_EXIT(exit_with_thread_count("99999999999"), testing::ExitedWithCode(0), "found \"99999999999\"");
}

}  // namespace
}  // namespace qkv
