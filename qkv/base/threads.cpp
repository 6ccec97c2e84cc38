#include "qkv/base/threads.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "qkv/base/error.h"

namespace qkv {
namespace {

constexpr int most_threads = 1024;

thread_local int current_thread = 0;         // this thread's name in the pool
thread_local bool inside_parallel = false;  // true while it runs somebody's work

int processors() { return std::max(1, int(std::thread::hardware_concurrency())); }

int count_from_environment() {
  const char* text = std::getenv("QKV_THREADS");
  if (!text || !*text) return std::min(processors(), most_threads);
  const std::string_view word = text;
  int count = 0;
  const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), count);
  if (problem != std::errc() || end != word.data() + word.size() || count < 1 || count > most_threads) {
    refuse("QKV_THREADS", "a whole number from 1 to " + std::to_string(most_threads), "\"" + std::string(word) + "\"");
  }
  return count;
}

void relax_processor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

template <class Condition>
bool spin_until(Condition holds, std::chrono::microseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  do {
    for (int i = 0; i < 16; ++i) {
      if (holds()) return true;
      relax_processor();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

/// One job at a time.  The door counts the workers inside it and says whether it is open; a worker that wakes up too
/// late finds it closed and sleeps on, so nobody ever waits for a thread that has nothing to do.
class thread_pool {
 public:
  thread_pool() : count_(count_from_environment()) {}
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  ~thread_pool() { stop_workers(); }

  int size() const { return count_.load(std::memory_order_relaxed); }

  void resize(int count) {
    const std::lock_guard lock(owner_);
    stop_workers();
    count_ = count;
  }

  /// False when another thread is using the pool.
  bool try_run(long count, const function_ref<void(long, int)>& work) {
    const std::unique_lock lock(owner_, std::try_to_lock);
    if (!lock) return false;
    start_workers();
    work_ = &work;
    end_ = count;
    next_.store(0, std::memory_order_relaxed);
    failed_index_ = count;
    door_.store(open, std::memory_order_release);
    generation_.fetch_add(1);
    generation_.notify_all();
    inside_parallel = true;
    take_part(0);
    inside_parallel = false;
    close_and_wait();
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    return true;
  }

 private:
  static constexpr std::uint32_t open = 0x80000000;

  void start_workers() {
    // More threads than processors: spinning would take the time from those that have work.
    if (workers_.empty()) spin_ = std::chrono::microseconds(size() <= processors() ? 60 : 0);
    while (int(workers_.size()) + 1 < size()) {
      const int thread = int(workers_.size()) + 1;
      workers_.emplace_back([this, thread, seen = generation_.load()] { serve(thread, seen); });
    }
  }

  void stop_workers() {
    stopping_ = true;
    generation_.fetch_add(1);
    generation_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    stopping_ = false;
  }

  void serve(int thread, std::uint32_t seen) {
    current_thread = thread;
    inside_parallel = true;
    for (;;) {
      const auto called = [&] { return generation_.load(std::memory_order_acquire) != seen; };
      if (!spin_until(called, spin_)) generation_.wait(seen, std::memory_order_acquire);
      seen = generation_.load(std::memory_order_acquire);
      if (stopping_.load(std::memory_order_relaxed)) return;
      if (!enter()) continue;
      take_part(thread);
      if (door_.fetch_sub(1, std::memory_order_acq_rel) == 1) door_.notify_one();  // closed, and the last one out
    }
  }

  bool enter() {
    std::uint32_t door = door_.load(std::memory_order_relaxed);
    while (door & open) {
      if (door_.compare_exchange_weak(door, door + 1, std::memory_order_acquire)) return true;
    }
    return false;
  }

  void close_and_wait() {
    door_.fetch_and(~open, std::memory_order_acq_rel);
    if (spin_until([&] { return door_.load(std::memory_order_acquire) == 0; }, spin_)) return;
    while (const std::uint32_t inside = door_.load(std::memory_order_acquire)) door_.wait(inside);
  }

  void take_part(int thread) noexcept {
    long index = 0;
    while ((index = next_.fetch_add(1, std::memory_order_relaxed)) < end_) {
      try {
        (*work_)(index, thread);
      } catch (...) {
        note_failure(index);
      }
    }
  }

  /// Indices are handed out in increasing order, so every index below a failed one has been handed out too: no new
  /// ones are needed to find the lowest that fails.
  void note_failure(long index) noexcept {
    next_.store(end_, std::memory_order_relaxed);
    const std::lock_guard lock(failure_mutex_);
    if (index >= failed_index_) return;
    failed_index_ = index;
    failure_ = std::current_exception();
  }

  std::mutex owner_;  // held by the caller whose job is running
  std::atomic<int> count_;
  std::vector<std::thread> workers_;
  std::atomic<bool> stopping_ = false;
  std::chrono::microseconds spin_{0};

  const function_ref<void(long, int)>* work_ = nullptr;
  long end_ = 0;
  std::mutex failure_mutex_;
  long failed_index_ = 0;
  std::exception_ptr failure_;

  alignas(64) std::atomic<std::uint32_t> generation_ = 0;  // one more for every job; idle workers watch it
  alignas(64) std::atomic<std::uint32_t> door_ = 0;
  alignas(64) std::atomic<long> next_ = 0;
};

thread_pool& pool() {
  static thread_pool the_pool;
  return the_pool;
}

}  // namespace

int thread_count() { return pool().size(); }

void set_thread_count(int count) {
  if (count < 1 || count > most_threads) {
    refuse("set_thread_count", "1 to " + std::to_string(most_threads) + " threads", std::to_string(count));
  }
  if (inside_parallel) {
    throw unsupported_error(
        "set_thread_count: expected a call from outside parallel_for; found one from inside; "
        "set the number before the work starts");
  }
  pool().resize(count);
}

void parallel_for(long count, function_ref<void(long index, int thread)> work) {
  if (count > 1 && !inside_parallel && thread_count() > 1 && pool().try_run(count, work)) return;
  for (long index = 0; index < count; ++index) work(index, current_thread);
}

}  // namespace qkv
