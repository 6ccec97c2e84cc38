#include "qkv/base/instruction_set.h"

#include <atomic>
#include <cstdlib>
#include <string>

#include "qkv/base/error.h"

namespace qkv {
namespace {

constexpr instruction_set all_sets[] = {instruction_set::portable, instruction_set::avx2, instruction_set::avx512};

std::string sets_of_this_machine() {
  std::string names;
  for (const instruction_set set : all_sets) {
    if (set <= widest_instruction_set()) names += (names.empty() ? "" : ", ") + std::string(name_of(set));
  }
  return names;
}

void require_present(const std::string& operation, instruction_set set) {
  if (set <= widest_instruction_set()) return;
  throw unsupported_error(operation + ": expected an instruction set of this machine (" + sets_of_this_machine() +
                          "); found " + name_of(set));
}

instruction_set set_from_environment() {
  const char* word = std::getenv("QKV_ISA");
  if (!word || !*word) return widest_instruction_set();
  for (const instruction_set set : all_sets) {
    if (word != std::string(name_of(set))) continue;
    require_present("QKV_ISA", set);
    return set;
  }
  throw unsupported_error("QKV_ISA: expected one of " + sets_of_this_machine() + "; found \"" + word + "\"");
}

std::atomic<instruction_set>& active() {
  static std::atomic<instruction_set> set{set_from_environment()};
  return set;
}

}  // namespace

instruction_set widest_instruction_set() {
#if defined(__x86_64__)
  static const instruction_set widest = [] {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return instruction_set::portable;
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    return wide ? instruction_set::avx512 : instruction_set::avx2;
  }();
  return widest;
#else
  return instruction_set::portable;
#endif
}

instruction_set active_instruction_set() { return active().load(std::memory_order_relaxed); }

void use_instruction_set(instruction_set set) {
  require_present("use_instruction_set", set);
  active().store(set, std::memory_order_relaxed);
}

const char* name_of(instruction_set set) {
  switch (set) {
    case instruction_set::portable: return "portable";
    case instruction_set::avx2: return "avx2";
    case instruction_set::avx512: return "avx512";
  }
  return "unknown";
}

}  // namespace qkv
