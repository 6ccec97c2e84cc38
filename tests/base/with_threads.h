// The number of threads for a while.
#pragma once
#include "qkv/base/threads.h"

namespace qkv {

/// `count` threads, or first as many as there are; when it goes, as many as before.
class with_threads {
 public:
  with_threads() = default;
  explicit with_threads(int count) { set_thread_count(count); }
  ~with_threads() { set_thread_count(before_); }
  with_threads(const with_threads&) = delete;
  with_threads& operator=(const with_threads&) = delete;

 private:
  const int before_ = thread_count();
};

}  // namespace qkv
