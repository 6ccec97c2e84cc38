// One pool of threads for the whole process.
#pragma once
#include <concepts>
#include <memory>
#include <type_traits>

namespace qkv {

/// Threads that parallel_for uses, the calling one included.  Starts at $QKV_THREADS, else the number of processors.
int thread_count();

/// Sets the number of threads, >= 1.  Not to be called from inside parallel_for.
void set_thread_count(int count);

/// A reference to a callable; it does not own it and costs no allocation.
template <class Signature>
class function_ref;
template <class R, class... A>
class function_ref<R(A...)> {
 public:
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, function_ref>)
  function_ref(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, A... a) -> R { return (*static_cast<std::remove_reference_t<F>*>(object))(a...); }) {}
  R operator()(A... a) const { return call_(object_, a...); }

 private:
  void* object_;
  R (*call_)(void*, A...);
};

/// Calls work(index, thread) for every index in 0 .. count-1, each once, on thread_count() threads;
/// thread is in 0 .. thread_count()-1 and names scratch memory.  Indices are handed out in increasing order,
/// one at a time, to whichever thread is free.  Results must not depend on which thread runs which index.
/// A call inside a call, or while another thread's call is running, runs on the calling thread alone.
/// After an exception no new indices are handed out; the first (by index) is thrown again here.
/// Cost: about a microsecond to hand out; idle threads spin briefly, then sleep.
void parallel_for(long count, function_ref<void(long index, int thread)> work);

}  // namespace qkv
