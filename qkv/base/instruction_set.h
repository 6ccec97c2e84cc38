// Which instruction set the kernels use: the widest this machine has, or a lower one named by $QKV_ISA.
#pragma once

namespace qkv {

enum class instruction_set { portable, avx2, avx512 };

/// The set in use.  $QKV_ISA=portable|avx2|avx512 lowers it; a set the machine lacks, or another word, is an error
/// that says what there is.
instruction_set active_instruction_set();

/// Changes it for the rest of the process; for tests and benchmarks.  Throws unsupported_error if the machine lacks it.
void use_instruction_set(instruction_set set);

/// The widest set of this machine that qkv has kernels for.
instruction_set widest_instruction_set();

const char* name_of(instruction_set set);

}  // namespace qkv

// Kernel tables.  A kernel file defines `const type name` in namespace qkv::QKV_INSTRUCTION_SET; this declares all of
// them and, in namespace qkv, a function `name_now()` that gives the active one.
#if defined(__x86_64__)
#define QKV_KERNEL_TABLE(type, name)                                       \
  namespace portable { extern const type name; }                           \
  namespace avx2 { extern const type name; }                               \
  namespace avx512 { extern const type name; }                             \
  inline const type& name##_now() {                                        \
    switch (active_instruction_set()) {                                    \
      case instruction_set::avx512: return avx512::name;                   \
      case instruction_set::avx2: return avx2::name;                       \
      default: return portable::name;                                      \
    }                                                                      \
  }
#else
#define QKV_KERNEL_TABLE(type, name)                                       \
  namespace portable { extern const type name; }                           \
  inline const type& name##_now() { return portable::name; }
#endif
